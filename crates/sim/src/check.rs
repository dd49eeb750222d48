//! Rules of sense for scripts that the types cannot hold.
//! Each problem names its place, as in `rules[0].responses[1].steps[2]`.

use axum::http::{HeaderName, HeaderValue};

use crate::{
    http::{CONTROL_PREFIX, is_model_path, issuer::PATHS},
    issuer::{Decision, IssuerPolicy},
    response::Response,
    script::{Script, ScriptError},
    step::Step,
};

/// Checks a whole script; the first problem is reported.
pub(crate) fn script(script: &Script) -> Result<(), ScriptError> {
    for (index, rule) in script.rules.iter().enumerate() {
        let at = format!("rules[{index}]");
        if rule.responses.is_empty() {
            return Err(problem(at, "`responses` is empty"));
        }
        for (index, answer) in rule.responses.iter().enumerate() {
            response(&format!("{at}.responses[{index}]"), answer)?;
        }
    }
    issuer(&script.issuer)?;
    for (name, endpoint) in &script.endpoints {
        let at = format!("endpoints[{name:?}]");
        endpoint_name(name).map_err(|text| problem(&at, text))?;
        status(endpoint.status).map_err(|text| problem(&at, text))?;
    }
    Ok(())
}

fn issuer(issuer: &IssuerPolicy) -> Result<(), ScriptError> {
    let decisions = [("issuer.approve", &issuer.approve), ("issuer.device.approve", &issuer.device.approve)];
    for (at, decision) in decisions {
        if let Decision::Approve(account) = decision
            && !issuer.accounts.iter().any(|identity| identity.account == *account)
        {
            return Err(problem(at, format!("{account:?} is neither `ask`, `deny` nor one of the accounts")));
        }
    }
    if !matches!(issuer.device.pending_status, 403 | 404) {
        return Err(problem("issuer.device", "`pendingStatus` must be 403 or 404"));
    }
    for (index, fault) in issuer.faults.iter().enumerate() {
        let at = format!("issuer.faults[{index}]");
        if !PATHS.contains(&fault.path.as_str()) {
            return Err(problem(at, format!("`path` must be one of {}, not {:?}", PATHS.join(", "), fault.path)));
        }
        if let Some(code) = fault.status {
            status(code).map_err(|text| problem(&at, text))?;
        } else if fault.body.is_some() {
            return Err(problem(at, "`body` is sent only with a `status`"));
        }
    }
    Ok(())
}

fn response(at: &str, response: &Response) -> Result<(), ScriptError> {
    status(response.status).map_err(|text| problem(at, text))?;
    if !response.is_stream() && !response.steps.is_empty() {
        return Err(problem(at, "`steps` are played only with a 2xx status and without `body`"));
    }
    for (name, value) in &response.headers {
        if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
            return Err(problem(format!("{at}.headers"), format!("{name:?} is not a valid header")));
        }
    }
    let last = response.steps.len().saturating_sub(1);
    for (index, step) in response.steps.iter().enumerate() {
        let at = format!("{at}.steps[{index}]");
        if step.is_last() && index != last {
            return Err(problem(at, "the response ends here, the steps after it are never played"));
        }
        match step {
            Step::Chunks(chunks) if chunks.text.is_some() == chunks.chunk.is_some() => {
                return Err(problem(at, "`chunks` needs either `text` or `chunk`"));
            }
            Step::Event(event) if !event["type"].is_string() => {
                return Err(problem(at, "`event` needs a `type` that is a string"));
            }
            Step::Item(item) if !item["type"].is_string() => {
                return Err(problem(at, "`item` needs a `type` that is a string"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn status(status: u16) -> Result<(), String> {
    if (200..600).contains(&status) { Ok(()) } else { Err(format!("`status` must be from 200 to 599, not {status}")) }
}

fn endpoint_name(name: &str) -> Result<(), String> {
    let Some((method, path)) = name.split_once(' ') else {
        return Err("the name must be a method, a space and a path".to_owned());
    };
    if method.is_empty() || !method.chars().all(|c| c.is_ascii_uppercase()) {
        return Err(format!("{method:?} is not a method in upper case"));
    }
    if !path.starts_with('/') || path.contains(['?', ' ']) {
        return Err(format!("{path:?} is not a path without a query"));
    }
    if is_model_path(path) {
        return Err("turns are answered by `rules`".to_owned());
    }
    if path.starts_with(CONTROL_PREFIX) {
        return Err("control endpoints cannot be replaced".to_owned());
    }
    Ok(())
}

fn problem(at: impl Into<String>, problem: impl Into<String>) -> ScriptError {
    ScriptError::Meaning { at: at.into(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use crate::Script;

    fn error(text: &str) -> String {
        Script::from_json(text).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
    }

    #[test]
    fn a_typo_is_reported_with_line_and_column() {
        let text = error("{\n  \"ruels\": []\n}");
        assert!(text.starts_with("unknown field `ruels`"), "{text}");
        assert!(text.contains("line 2 column 9"), "{text}");
        let text = error(r#"{"rules": [{"responses": [{"steps": [{"text": "x", "cut": true}]}]}]}"#);
        assert!(text.starts_with("steps[0]: a step has exactly one member at line 1 column "), "{text}");
    }

    #[test]
    fn a_typo_in_a_step_is_reported_with_the_step_and_with_the_line_where_its_response_ends() {
        for (step, problem) in [
            (r#"{ "txt": "b" }"#, "unknown variant `txt`"),
            (r#"{ "functionCall": { "nam": "x" } }"#, "unknown field `nam`"),
            (r#"{ "customToolCall": { "name": "x" } }"#, "missing field `input`"),
            (r#"{ "text": "b", "cut": true }"#, "a step has exactly one member"),
        ] {
            let steps = format!("[\n{{ \"text\": \"a\" }},\n{step},\n{{ \"text\": \"c\" }}\n]");
            let text = error(&format!("{{\"rules\": [{{\"responses\": [{{\"steps\": {steps}\n}}]}}]}}"));
            assert!(text.starts_with(&format!("steps[1]: {problem}")), "{text}");
            assert!(text.contains(" at line 6 column "), "{text}");
        }
    }

    #[test]
    fn senseless_scripts_are_refused_with_their_place() {
        assert_eq!(error(r#"{"rules": [{"responses": []}]}"#), "rules[0]: `responses` is empty");
        assert_eq!(
            error(r#"{"rules": [{"responses": [{"steps": [{"cut": true}, {"text": "x"}]}]}]}"#),
            "rules[0].responses[0].steps[0]: the response ends here, the steps after it are never played"
        );
        assert_eq!(
            error(r#"{"rules": [{"responses": [{"steps": [{"chunks": {"count": 3}}]}]}]}"#),
            "rules[0].responses[0].steps[0]: `chunks` needs either `text` or `chunk`"
        );
        assert_eq!(
            error(r#"{"rules": [{"responses": [{"status": 99}]}]}"#),
            "rules[0].responses[0]: `status` must be from 200 to 599, not 99"
        );
        assert_eq!(
            error(r#"{"endpoints": {"POST /v1/responses": {}}}"#),
            r#"endpoints["POST /v1/responses"]: turns are answered by `rules`"#
        );
        assert_eq!(
            error(r#"{"endpoints": {"/v1/models": {}}}"#),
            r#"endpoints["/v1/models"]: the name must be a method, a space and a path"#
        );
    }

    #[test]
    fn senseless_logins_are_refused_with_their_place() {
        assert_eq!(
            error(r#"{"issuer": {"approve": "acct-9"}}"#),
            r#"issuer.approve: "acct-9" is neither `ask`, `deny` nor one of the accounts"#
        );
        assert_eq!(
            error(r#"{"issuer": {"device": {"pendingStatus": 400}}}"#),
            "issuer.device: `pendingStatus` must be 403 or 404"
        );
        assert!(error(r#"{"issuer": {"faults": [{"path": "/v1/models"}]}}"#).starts_with("issuer.faults[0]: `path`"));
        assert_eq!(
            error(r#"{"issuer": {"faults": [{"path": "/oauth/token", "body": {}}]}}"#),
            "issuer.faults[0]: `body` is sent only with a `status`"
        );
        assert!(error(r#"{"issuer": {"acounts": []}}"#).starts_with("unknown field `acounts`"));
    }
}
