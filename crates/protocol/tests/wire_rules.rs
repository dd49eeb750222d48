//! The wire rules of `lib.rs`, as far as the schema shows them: names, nulls, times. And two of its open types.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use pretty_assertions::assert_eq;
use schemars::JsonSchema;
use serde_json::{Value, json};
use valet_protocol::export::{self, Surface};
use valet_protocol::v2::{Account, RateLimitResetCredit};
use valet_protocol::{
    ClientNotificationMethod, ClientRequestMethod, MethodVisitor, ServerNotificationMethod, ServerRequestMethod,
    methods,
};

/// Methods that are no `resource/verb`: the reference's first ones, and what is told of no resource.
const BARE: &[&str] = &[
    "initialize",
    "initialized",
    "getAuthStatus",
    "fuzzyFileSearch",
    "gitDiffToRemote",
    "thread/inject_items",
    "configWarning",
    "deprecationNotice",
    "error",
    "warning",
];
/// Types with members in snake_case, as the reference has them: those of its configuration, or of its model's words.
const SNAKE_CASE: &[&str] = &[
    "AskForApproval",
    "CollaborationModeMask",
    "CommandExecutionApprovalDecision",
    "Config",
    "FuzzyFileSearchResult",
    "PatchChangeKind",
    "Settings",
    "UserInput",
];
/// Types of answers and notifications of which a member may be absent; their pages say so. And so may any `valet`.
const ABSENT: &[&str] = &[
    "AdditionalFileSystemPermissions",
    "CommandExecutionRequestApprovalParams",
    "ConfigWarningNotification",
    "ThreadNameUpdatedNotification",
];
/// Optional members of requests that are no switches and refuse null, as the reference does.
const NOT_NULL: &[&str] = &["cwds"];

/// The methods, and the names of the types that clients send, and that they get.
#[derive(Default)]
struct Table {
    methods: Vec<&'static str>,
    sent: Vec<String>,
    told: Vec<String>,
}

fn name<T: JsonSchema>() -> String {
    T::schema_name().into_owned()
}

impl MethodVisitor for Table {
    fn client_request<M: ClientRequestMethod>(&mut self) {
        self.methods.push(M::METHOD);
        self.sent.push(name::<M::Params>());
        self.told.push(name::<M::Response>());
    }

    fn server_request<M: ServerRequestMethod>(&mut self) {
        self.methods.push(M::METHOD);
        self.told.push(name::<M::Params>());
    }

    fn server_notification<M: ServerNotificationMethod>(&mut self) {
        self.methods.push(M::METHOD);
        self.told.push(name::<M::Params>());
    }

    fn client_notification<M: ClientNotificationMethod>(&mut self) {
        self.methods.push(M::METHOD);
    }
}

fn table() -> Table {
    let mut table = Table::default();
    methods::visit(&mut table);
    table
}

/// The schemas by the name of their type.
fn schemas() -> BTreeMap<String, Value> {
    let files = export::json_schema(Surface::Experimental).into_iter();
    files
        .map(|(path, text)| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), serde_json::from_str(&text).unwrap())
        })
        .collect()
}

/// Each member below a schema: the type that has it, its name, what it holds, and whether it is always there.
fn members<'a>(of: &'a str, schema: &'a Value, found: &mut Vec<(&'a str, &'a str, &'a Value, bool)>) {
    if let Some(properties) = schema["properties"].as_object() {
        let required = schema["required"].as_array();
        let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|other| other == name));
        found.extend(properties.iter().map(|(name, member)| (of, name.as_str(), member, is_required(name))));
    }
    match schema {
        Value::Object(parts) => {
            for (key, part) in parts {
                match part.as_object().filter(|_| key == "definitions") {
                    Some(definitions) => definitions.iter().for_each(|(name, part)| members(name, part, found)),
                    None => members(of, part, found),
                }
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| members(of, part, found)),
        _ => {}
    }
}

fn is_camel_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric())
}

#[test]
fn methods_are_a_resource_and_a_verb_and_types_say_what_they_are_for() {
    let Table { methods, sent, told } = table();
    let is_path = |method: &str| method.contains('/') && method.split('/').all(is_camel_case);
    let bare: Vec<_> = methods.into_iter().filter(|method| !is_path(method)).collect();
    assert_eq!(sorted(bare), sorted(BARE.to_vec()));
    let says = |name: &String| ["Params", "Response", "Notification"].iter().any(|end| name.ends_with(end));
    // `NoParams` has a name of its own in the schema.
    let others: Vec<_> = sent.iter().chain(&told).filter(|name| !says(name) && !name.starts_with("Nullable")).collect();
    assert_eq!(others, [] as [&String; 0]);
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

#[test]
fn members_are_in_camel_case_and_times_are_integers() {
    let schemas = schemas();
    let mut found = Vec::new();
    members("", &schemas["codex_app_server_protocol.schemas"], &mut found);
    for (of, name, member, _) in found {
        assert!(is_camel_case(name) || SNAKE_CASE.contains(&of), "{of}.{name}");
        let is_time = name.ends_with("At") || name.ends_with("AtMs");
        assert!(!is_time || member["type"].to_string().contains("\"integer\""), "{of}.{name}: {member}");
    }
}

#[test]
fn an_optional_member_of_a_request_takes_null_unless_it_is_a_switch() {
    let schemas = schemas();
    for of in &table().sent {
        let Some(properties) = schemas.get(of).and_then(|schema| schema["properties"].as_object()) else { continue };
        for (name, member) in properties {
            let required =
                schemas[of]["required"].as_array().is_some_and(|names| names.contains(&name.as_str().into()));
            let takes_all = ["type", "$ref", "anyOf"].iter().all(|shape| member.get(shape).is_none());
            let takes_null = takes_all || member.to_string().contains("\"null\"");
            let excepted = member["type"] == "boolean" || NOT_NULL.contains(&name.as_str());
            assert!(required || takes_null || excepted, "{of}.{name}: {member}");
        }
    }
}

#[test]
fn a_member_of_what_a_client_gets_is_always_present() {
    let schemas = schemas();
    for of in &table().told {
        let mut found = Vec::new();
        members(of, schemas.get(of).unwrap_or(&Value::Null), &mut found);
        for (of, name, _, present) in found {
            assert!(present || name == "valet" || ABSENT.contains(&of), "{of}.{name}");
        }
    }
}

#[test]
fn what_a_newer_host_says_of_an_account_and_of_its_credits_is_kept_as_it_came() {
    fn kept<T: serde::de::DeserializeOwned + serde::Serialize>(value: &Value) {
        let read: T = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), *value);
    }
    let credit = json!({
        "id": "c", "resetType": "everything", "status": "paused", "grantedAt": 1, "expiresAt": null,
        "title": null, "description": null,
    });
    kept::<RateLimitResetCredit>(&credit);
    kept::<Account>(&json!({ "type": "enterprise", "seat": 7 }));
}
