//! What a client must opt into with `capabilities.experimentalApi`, as data beside each row.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::error::{ErrorKind, ErrorObject};

/// One thing that needs the opt-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The whole method.
    Method,
    /// A member of the parameters. Sent as `null` it passes.
    Field(&'static str),
    /// A member of the parameters whose `null` says something. Only left out it passes.
    Nullable(&'static str),
    /// A switch among the parameters. Sent as `false` it passes.
    Flag(&'static str),
    /// A value of the member `type` of the parameters.
    Type(&'static str),
    /// A variant of a member: the member's name, the variant, and the type that the message names.
    Variant {
        /// The member of the parameters.
        field: &'static str,
        /// The variant, written as an object with this one member.
        variant: &'static str,
        /// The type's name in the message.
        type_name: &'static str,
    },
}

impl Gate {
    /// The descriptor of the error message when `params` use what this gate guards.
    fn used(&self, method: &str, params: &HashMap<String, &RawValue>) -> Option<String> {
        let member = |name: &str| params.get(name).map(|raw| raw.get()).filter(|text| *text != "null");
        match self {
            Self::Method => Some(method.to_owned()),
            Self::Field(name) => member(name).map(|_| format!("{method}.{name}")),
            Self::Nullable(name) => params.get(*name).map(|_| format!("{method}.{name}")),
            Self::Flag(name) => member(name).filter(|text| *text != "false").map(|_| format!("{method}.{name}")),
            Self::Type(name) => {
                let kind: String = serde_json::from_str(member("type")?).ok()?;
                (kind == *name).then(|| format!("{method}.{name}"))
            }
            Self::Variant { field, variant, type_name } => {
                let object: HashMap<String, &RawValue> = serde_json::from_str(member(field)?).ok()?;
                object.contains_key(*variant).then(|| format!("{type_name}.{variant}"))
            }
        }
    }
}

/// Refuses a request that uses something experimental without the opt-in.
pub fn check(method: &str, gates: &[Gate], params: Option<&RawValue>) -> Result<(), ErrorObject> {
    if gates.is_empty() {
        return Ok(());
    }
    let members = members(gates, params.map_or("null", RawValue::get))?;
    match gates.iter().find_map(|gate| gate.used(method, &members)) {
        None => Ok(()),
        Some(descriptor) => {
            let message = format!("{descriptor} requires experimentalApi capability");
            Err(ErrorObject::invalid_request(message).kind(ErrorKind::ExperimentalRequired))
        }
    }
}

/// The parameters by name. A decoder takes a list for an object, too, member by member: the `type` comes first, and of
/// the others nobody could tell here which one is meant.
fn members<'a>(gates: &[Gate], params: &'a str) -> Result<HashMap<String, &'a RawValue>, ErrorObject> {
    if !params.starts_with('[') {
        return Ok(serde_json::from_str(params).unwrap_or_default());
    }
    if !gates.iter().all(|gate| matches!(gate, Gate::Method | Gate::Type(_))) {
        return Err(ErrorObject::undecodable("invalid type: sequence, expected a map"));
    }
    let list: Vec<&RawValue> = serde_json::from_str(params).unwrap_or_default();
    Ok(list.first().map(|kind| ("type".to_owned(), *kind)).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::{Gate, check};
    use pretty_assertions::assert_eq;
    use serde_json::value::RawValue;

    const GATES: &[Gate] = &[
        Gate::Field("dynamicTools"),
        Gate::Nullable("projectId"),
        Gate::Flag("attachToSource"),
        Gate::Type("chatgptAuthTokens"),
        Gate::Variant { field: "approvalPolicy", variant: "granular", type_name: "askForApproval" },
    ];

    fn refusal(params: &str) -> Option<String> {
        refusal_by(GATES, params)
    }

    fn refusal_by(gates: &[Gate], params: &str) -> Option<String> {
        let raw = RawValue::from_string(params.to_owned()).unwrap();
        check("thread/start", gates, Some(&raw)).err().map(|error| error.message)
    }

    #[test]
    fn a_gated_field_is_named_with_its_method() {
        let message = refusal(r#"{"dynamicTools":[]}"#);
        assert_eq!(message.as_deref(), Some("thread/start.dynamicTools requires experimentalApi capability"));
    }

    #[test]
    fn a_gated_field_of_null_passes() {
        assert_eq!(refusal(r#"{"dynamicTools":null,"approvalPolicy":"never","type":"apiKey"}"#), None);
    }

    #[test]
    fn a_gated_field_whose_null_says_something_passes_only_when_it_is_absent() {
        let message = Some("thread/start.projectId requires experimentalApi capability".to_owned());
        assert_eq!(refusal(r#"{"projectId":null}"#), message);
        assert_eq!(refusal(r#"{"projectId":"p"}"#), message);
    }

    #[test]
    fn a_gated_switch_passes_when_it_is_off() {
        assert_eq!(refusal(r#"{"attachToSource":false}"#), None);
        let message = refusal(r#"{"attachToSource":true}"#);
        assert_eq!(message.as_deref(), Some("thread/start.attachToSource requires experimentalApi capability"));
    }

    #[test]
    fn a_gated_variant_is_named_with_its_type() {
        let message = refusal(r#"{"approvalPolicy":{"granular":{}}}"#);
        assert_eq!(message.as_deref(), Some("askForApproval.granular requires experimentalApi capability"));
    }

    #[test]
    fn a_gated_type_is_named_with_the_method() {
        let message = refusal(r#"{"type":"chatgptAuthTokens"}"#);
        assert_eq!(message.as_deref(), Some("thread/start.chatgptAuthTokens requires experimentalApi capability"));
    }

    #[test]
    fn a_list_is_no_way_round_a_gate() {
        let message = refusal(r#"[null,"p"]"#);
        assert_eq!(message.as_deref(), Some("Invalid request: invalid type: sequence, expected a map"));
        let kinds = &[Gate::Type("chatgptAuthTokens")];
        let message = refusal_by(kinds, r#"["chatgptAuthTokens","token"]"#);
        assert_eq!(message.as_deref(), Some("thread/start.chatgptAuthTokens requires experimentalApi capability"));
        assert_eq!(refusal_by(kinds, r#"["apiKey","key"]"#), None);
        assert_eq!(refusal_by(&[], r#"[null,"p"]"#), None);
    }
}
