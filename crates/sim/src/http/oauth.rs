//! A stub of the issuer's token endpoint: refresh tokens only, rotated at every use.

use serde_json::json;

use crate::{
    http::{call::Call, reply::Reply},
    shared::Shared,
};

pub(super) fn token(shared: &Shared, call: &Call) -> Reply {
    let fields = call.fields();
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    if field("grant_type") != "refresh_token" {
        return refusal("unsupported_grant_type", "The sim redeems refresh tokens only.");
    }
    match shared.tokens.refresh(field("refresh_token")) {
        Ok(token) => Reply::value(
            200,
            json!({
                "id_token": token.access_token,
                "access_token": token.access_token,
                "refresh_token": token.refresh_token,
                "token_type": "Bearer",
            }),
        ),
        Err(error) => refusal("invalid_grant", &error.to_string()),
    }
}

/// An error as RFC 6749 spells it.
fn refusal(error: &str, description: &str) -> Reply {
    Reply::value(400, json!({"error": error, "error_description": description}))
}
