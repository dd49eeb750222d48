//! The control endpoints of the issuer: what waits, what was granted, and decisions.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    http::{call::Call, control::params},
    shared::Shared,
};

pub(super) fn show(shared: &Shared) -> Value {
    json!({"pending": shared.issuer.pending(), "grants": shared.tokens.grants()})
}

/// The body of `POST /sim/issuer/approve`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct ApproveParams {
    id: String,
    /// Absent: the first of the accounts that are offered.
    account: Option<String>,
}

pub(super) fn approve(shared: &Shared, call: &Call) -> Result<Value, String> {
    let ApproveParams { id, account } = params(call)?;
    let account = account.or_else(|| {
        let login = shared.issuer.pending().into_iter().find(|login| login.id == id)?;
        Some(login.accounts.into_iter().next()?.account)
    });
    let location = shared.issuer.approve(&id, &account.unwrap_or_default()).map_err(|error| error.to_string())?;
    Ok(json!({"location": location}))
}

/// The body of `POST /sim/issuer/deny`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct DenyParams {
    id: String,
}

pub(super) fn deny(shared: &Shared, call: &Call) -> Result<Value, String> {
    let DenyParams { id } = params(call)?;
    let location = shared.issuer.deny(&id).map_err(|error| error.to_string())?;
    Ok(json!({"location": location}))
}

/// The body of `POST /sim/issuer/expire` and `POST /sim/issuer/revoke`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct TokenParams {
    /// The token or its fingerprint.
    token: String,
}

pub(super) fn expire(shared: &Shared, call: &Call) -> Result<Value, String> {
    let TokenParams { token } = params(call)?;
    known(shared.tokens.expire_refresh(&token), "no such refresh token")
}

pub(super) fn revoke(shared: &Shared, call: &Call) -> Result<Value, String> {
    let TokenParams { token } = params(call)?;
    known(shared.tokens.revoke(&token), "no such token")
}

fn known(is_known: bool, otherwise: &str) -> Result<Value, String> {
    if is_known { Ok(json!({})) } else { Err(otherwise.to_owned()) }
}
