//! The calls around a turn: models, workspace, settings, usage.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::{
    http::{call::Call, reply::Reply, turn::refused},
    shared::Shared,
    tokens::{Identity, TokenRequest, unix_seconds},
};

const HOUR: u64 = 3600;

pub(super) fn models(shared: &Shared, call: &Call) -> Reply {
    admitted(shared, call, || {
        let models = [("gpt-5.5", "GPT-5.5"), ("gpt-5.5-mini", "GPT-5.5 mini")];
        let catalog = models.map(
            |(slug, name)| json!({"slug": slug, "display_name": name, "context_window": 272_000, "visibility": "list"}),
        );
        let data = models.map(|(slug, _)| json!({"id": slug, "object": "model", "owned_by": "sim"}));
        json!({"object": "list", "data": data, "models": catalog})
    })
}

pub(super) fn accounts_check(shared: &Shared, call: &Call) -> Reply {
    admitted(shared, call, || {
        let owner = owner(call);
        let account = match call.header("chatgpt-account-id") {
            "" => owner.account,
            named => named.to_owned(),
        };
        json!({
            "accounts": [{
                "id": account,
                "plan_type": owner.plan,
                "name": "Demo",
                "structure": "workspace",
                "workspace_backend_origin": "NO_CONSTRAINT",
                "account_routing_override": "NO_CONSTRAINT",
            }],
            "account_ordering": [account],
            "default_account_id": account,
        })
    })
}

pub(super) fn settings(shared: &Shared, call: &Call) -> Reply {
    admitted(shared, call, || json!({}))
}

pub(super) fn usage(shared: &Shared, call: &Call) -> Reply {
    admitted(shared, call, || {
        shared.playback.usage().unwrap_or_else(|| {
            json!({
                "plan_type": owner(call).plan,
                "rate_limit": {
                    "allowed": true,
                    "limit_reached": false,
                    "primary_window": window(12, 5 * HOUR, HOUR),
                    "secondary_window": window(34, 7 * 24 * HOUR, 24 * HOUR),
                },
                "credits": {"has_credits": false, "unlimited": false, "balance": null},
            })
        })
    })
}

fn window(used_percent: u8, length: u64, reset_after: u64) -> Value {
    json!({
        "used_percent": used_percent,
        "limit_window_seconds": length,
        "reset_after_seconds": reset_after,
        "reset_at": unix_seconds(SystemTime::now()) + reset_after,
    })
}

fn admitted(shared: &Shared, call: &Call, body: impl FnOnce() -> Value) -> Reply {
    match shared.tokens.admit_side_call(call.bearer.as_deref()) {
        Ok(()) => Reply::value(200, body()),
        Err(refusal) => refused(refusal),
    }
}

/// Who calls, as the token says; somebody with the default names otherwise.
fn owner(call: &Call) -> Identity {
    let TokenRequest { account, user, email, plan, .. } = TokenRequest::default();
    let anybody = Identity { account, user, email, plan };
    call.bearer.as_deref().and_then(Identity::of_token).unwrap_or(anybody)
}
