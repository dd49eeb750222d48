//! `POST /v1/responses`: the credential first, then the script.

use crate::{
    http::{call::Call, reply::Reply},
    playback::{Cue, last_user_text},
    shared::Shared,
    tokens::Refusal,
};

pub(super) fn reply(shared: &Shared, call: &Call) -> Reply {
    // A refused request must not move the script on: the client will send it again.
    if let Err(refusal) = shared.tokens.admit_turn(call.bearer.as_deref()) {
        return refused(refusal);
    }
    let (rule, response) = shared.playback.choose(&Cue {
        user_text: last_user_text(&call.body),
        model: call.body["model"].as_str().unwrap_or_default(),
        account: call.header("chatgpt-account-id"),
    });
    Reply::scripted(response, rule)
}

/// The 401 of a refusal.
pub(super) fn refused(refusal: Refusal) -> Reply {
    let (message, code) = match refusal {
        Refusal::Expired => ("Provided authentication token is expired.", "token_expired"),
        Refusal::Revoked => ("The authentication token was revoked.", "token_revoked"),
        Refusal::Unknown => ("The authentication token was not issued by this sim.", "token_unknown"),
        Refusal::BadKey => ("The API key is not one of the script's.", "invalid_api_key"),
        Refusal::Missing => ("The request carries no bearer token.", "missing_token"),
    };
    Reply::error(401, message, code)
}
