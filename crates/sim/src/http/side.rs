//! The calls around a turn: models, workspace, settings, usage.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::{
    http::{call::Call, reply::Reply, turn::refused},
    shared::Shared,
    tokens::{Identity, unix_seconds},
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
        let owner = owner(call);
        shared.playback.usage(&owner.account).unwrap_or_else(|| {
            json!({
                "plan_type": owner.plan,
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

/// Credits that reset a limit: one that can be used, and one that was.
pub(super) fn reset_credits(shared: &Shared, call: &Call) -> Reply {
    let credit = |id: &str, status: &str, title: Option<&str>| {
        json!({
            "id": id,
            "reset_type": "codex_rate_limits",
            "status": status,
            "granted_at": "2026-01-01T00:00:00Z",
            "expires_at": "2030-01-01T00:00:00Z",
            "title": title,
            "description": null,
        })
    };
    admitted(shared, call, || {
        let credits = [credit("rc_1", "available", Some("Reset")), credit("rc_2", "redeemed", None)];
        json!({"available_count": 1, "credits": credits})
    })
}

/// What each thread that is asked for has cost: the same for all.
pub(super) fn thread_usage(shared: &Shared, call: &Call) -> Reply {
    admitted(shared, call, || {
        let asked = call.body["thread_ids"].as_array().cloned().unwrap_or_default();
        let threads = asked.into_iter().map(|thread_id| {
            json!({
                "thread_id": thread_id,
                "estimated_usage_credits_micros": 1_500_000,
                "groups": [{"model": "gpt-5.5", "estimated_usage_credits_micros": 1_500_000, "total_tokens": 1000}],
            })
        });
        json!({"threads": threads.collect::<Vec<_>>()})
    })
}

/// What the account has used so far, for `account/usage/read`.
pub(super) fn profile(shared: &Shared, call: &Call) -> Reply {
    admitted(shared, call, || {
        json!({"stats": {
            "lifetime_tokens": 1_234_567,
            "peak_daily_tokens": 200_000,
            "longest_running_turn_sec": 600,
            "current_streak_days": 2,
            "longest_streak_days": 5,
            "daily_usage_buckets": [
                {"start_date": "2026-01-01", "tokens": 1000},
                {"start_date": "2026-01-02", "tokens": 2000},
            ],
        }})
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
    call.bearer.as_deref().and_then(Identity::of_token).unwrap_or_default()
}
