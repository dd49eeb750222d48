//! The control endpoints, for people who drive the sim from other languages.
//! They do what the methods of [`Sim`](crate::Sim) do.

mod issuer;

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    http::{call::Call, reply::Reply},
    log::fingerprint,
    script::Script,
    shared::Shared,
    tokens::TokenRequest,
};

pub(super) fn reply(shared: &Shared, call: &Call) -> Reply {
    let result = match (call.method.as_str(), call.path.as_str()) {
        ("POST", "/sim/tokens") => issue(shared, call),
        ("POST", "/sim/tokens/expire") => expire(shared, call),
        ("GET", "/sim/issuer") => Ok(issuer::show(shared)),
        ("POST", "/sim/issuer/approve") => issuer::approve(shared, call),
        ("POST", "/sim/issuer/deny") => issuer::deny(shared, call),
        ("POST", "/sim/issuer/expire") => issuer::expire(shared, call),
        ("POST", "/sim/issuer/revoke") => issuer::revoke(shared, call),
        ("GET", "/sim/requests") => requests(shared, call),
        ("POST", "/sim/script") => script(shared, call),
        _ => return Reply::unknown_endpoint(call),
    };
    match result {
        Ok(value) => Reply::value(200, value),
        Err(reason) => Reply::error(400, &reason, "bad_control_request"),
    }
}

/// The body of `POST /sim/tokens`. Absent members have the defaults of [`TokenRequest`].
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct IssueParams {
    account: Option<String>,
    user: Option<String>,
    email: Option<String>,
    plan: Option<String>,
    /// Absent: as the script says. Null: any number.
    #[serde(deserialize_with = "uses")]
    uses: Option<u64>,
    lifetime_ms: Option<u64>,
}

fn uses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.unwrap_or(u64::MAX)))
}

fn issue(shared: &Shared, call: &Call) -> Result<Value, String> {
    let params: IssueParams = params(call)?;
    let defaults = TokenRequest::default();
    let token = shared.tokens.issue(TokenRequest {
        account: params.account.unwrap_or(defaults.account),
        user: params.user.unwrap_or(defaults.user),
        email: params.email.unwrap_or(defaults.email),
        plan: params.plan.unwrap_or(defaults.plan),
        uses: params.uses,
        lifetime: params.lifetime_ms.map(Duration::from_millis),
    });
    let mut body = serde_json::to_value(&token).map_err(|error| error.to_string())?;
    body["fingerprint"] = fingerprint(&token.access_token).into();
    Ok(body)
}

/// The body of `POST /sim/tokens/expire`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct ExpireParams {
    /// Absent: all.
    access_token: Option<String>,
}

fn expire(shared: &Shared, call: &Call) -> Result<Value, String> {
    let params: ExpireParams = params(call)?;
    let expired = match params.access_token {
        Some(token) => {
            shared.tokens.expire(&token);
            1
        }
        None => shared.tokens.expire_all(),
    };
    Ok(json!({"expired": expired}))
}

fn requests(shared: &Shared, call: &Call) -> Result<Value, String> {
    let query = call.query();
    let since: u64 = match query.get("since") {
        Some(text) => text.parse().map_err(|_| format!("`since` must be a number, not {text:?}"))?,
        None => 0,
    };
    let mut requests = shared.log.snapshot();
    requests.retain(|request| request.seq > since);
    Ok(json!({"requests": requests}))
}

fn script(shared: &Shared, call: &Call) -> Result<Value, String> {
    let text = std::str::from_utf8(&call.bytes).map_err(|error| error.to_string())?;
    let script = Script::from_json(text).map_err(|error| error.to_string())?;
    shared.replace_script(script);
    Ok(json!({}))
}

/// An empty body means that all members are absent.
fn params<T: DeserializeOwned + Default>(call: &Call) -> Result<T, String> {
    if call.bytes.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&call.bytes).map_err(|error| error.to_string())
}
