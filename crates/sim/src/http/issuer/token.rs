//! `POST /oauth/token`: codes and refresh tokens are exchanged for tokens.

use std::collections::HashMap;

use serde_json::json;

use crate::{
    http::{call::Call, reply::Reply},
    issuer::Exchange,
    shared::Shared,
    tokens::{IssuedToken, RefreshRequest},
};

pub(super) fn reply(shared: &Shared, call: &Call) -> Reply {
    let fields = call.fields();
    match fields.get("grant_type").map_or("", String::as_str) {
        "authorization_code" => exchange(shared, &fields),
        "refresh_token" => refresh(shared, &fields),
        other => Reply::refusal("unsupported_grant_type", &format!("The sim has no grant type {other:?}.")),
    }
}

fn exchange(shared: &Shared, fields: &HashMap<String, String>) -> Reply {
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    let exchange = Exchange {
        code: field("code"),
        client_id: field("client_id"),
        redirect_uri: field("redirect_uri"),
        verifier: field("code_verifier"),
    };
    match shared.issuer.redeem(&exchange) {
        Ok(login) => granted(&shared.tokens.grant(login.kind, login.identity, login.client_id)),
        Err(error) => Reply::refusal("invalid_grant", &error.to_string()),
    }
}

fn refresh(shared: &Shared, fields: &HashMap<String, String>) -> Reply {
    let field = |name: &str| fields.get(name).map(String::as_str);
    let request = RefreshRequest {
        refresh_token: field("refresh_token").unwrap_or_default(),
        client_id: field("client_id"),
        reason: field("refresh_reason"),
    };
    match shared.tokens.refresh(&request) {
        Ok(token) => granted(&token),
        Err(error) => Reply::error(401, &error.to_string(), error.code()),
    }
}

fn granted(token: &IssuedToken) -> Reply {
    Reply::value(
        200,
        json!({
            "id_token": token.id_token,
            "access_token": token.access_token,
            "refresh_token": token.refresh_token,
            "expires_in": token.expires_in,
            "token_type": "Bearer",
        }),
    )
}
