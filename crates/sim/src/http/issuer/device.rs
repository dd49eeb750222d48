//! The device login: a code for the client, a page for the person, and the client's polls.

use serde_json::json;

use crate::{
    http::{call::Call, issuer::pages, reply::Reply},
    issuer::Poll,
    shared::Shared,
};

pub(super) fn code(shared: &Shared, call: &Call) -> Reply {
    match shared.issuer.device_code(call.body["client_id"].as_str().unwrap_or_default()) {
        Ok(Some(code)) => Reply::value(200, json!(code)),
        Ok(None) => Reply::error(404, "Device login is disabled by the script.", "not_found"),
        Err(problem) => Reply::error(400, &problem, "invalid_client"),
    }
}

pub(super) fn poll(shared: &Shared, call: &Call) -> Reply {
    let text = |name: &str| call.body[name].as_str().unwrap_or_default();
    let redirect_uri = format!("http://{}/deviceauth/callback", call.header("host"));
    match shared.issuer.poll(text("device_auth_id"), text("user_code"), &redirect_uri) {
        Poll::Ready(grant) => Reply::value(200, json!(grant)),
        Poll::Pending(status) => Reply::error(status, "Nobody has decided yet.", "authorization_pending"),
        Poll::Denied => Reply::error(400, "The person refused.", "access_denied"),
        Poll::Expired => Reply::error(400, "The code has expired.", "expired_token"),
        Poll::Unknown => Reply::error(400, "No such login is waiting.", "invalid_grant"),
    }
}

pub(super) fn page(shared: &Shared, call: &Call) -> Reply {
    let query = call.query();
    pages::device(query.get("user_code").map_or("", String::as_str), &shared.issuer.accounts())
}
