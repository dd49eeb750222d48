//! `POST /oauth/revoke`: the whole grant of a token falls.

use serde_json::json;

use crate::{
    http::{call::Call, reply::Reply},
    shared::Shared,
};

/// As RFC 7009 has it, a token that is not known is as good as revoked.
pub(super) fn reply(shared: &Shared, call: &Call) -> Reply {
    match call.fields().get("token") {
        Some(token) => {
            shared.tokens.revoke(token);
            Reply::value(200, json!({}))
        }
        None => Reply::refusal("invalid_request", "`token` is missing."),
    }
}
