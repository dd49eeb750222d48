//! `valet status`.

use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{GetAccountParams, GetAccountRateLimitsParams, RateLimitSnapshot, RateLimitWindow};
use valet_server::Config;

use crate::ending::Signals;

use super::args::StatusArgs;
use super::session::{Session, words};
use super::who::Who;
use super::{block_on, tell, times};

/// How long the backend may take to tell of the limits.
const LIMITS: Duration = Duration::from_secs(15);

/// What the host says, as it says it.
struct Told {
    account: Value,
    limits: Result<Value, String>,
    /// Whether the login will never be renewed: the issuer has refused it for good.
    refused: bool,
}

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load_for_logins()?;
    let Some(login) = config.store().load()? else {
        let nobody = "Nobody is logged in: `valet login` logs in.";
        tell(if args.json { json!({ "loggedIn": false }).to_string() } else { nobody.to_owned() });
        return Ok(ExitCode::FAILURE);
    };
    config.rules().check(&login)?;
    let told = block_on(ask(config))?;
    let who = Who::of(&login);
    if args.json {
        tell(format_args!("{:#}", as_json(&who, &told)));
    } else {
        show(&who, &told);
    }
    Ok(if told.refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn ask(config: Config) -> anyhow::Result<Told> {
    let store = config.store();
    let session = Session::open(config).await?;
    let account = read(&session).await?;
    let mut signals = Signals::new();
    let params = GetAccountRateLimitsParams { exclude_reset_credit_details: true, ..Default::default() };
    let limits = tokio::select! {
        limits = session.client.request_part::<m::AccountRateLimitsRead, Value>(params) => Ok(limits),
        () = tokio::time::sleep(LIMITS) => Err(format!("no answer within {} s", LIMITS.as_secs())),
        _ = signals.next() => Err("interrupted".to_owned()),
    };
    if limits.is_err() {
        // The host may have begun to renew the login. Whoever gets the lock knows that it is kept.
        let _ = tokio::task::spawn_blocking(move || store.lock(valet_auth::store::PATIENCE).map(drop)).await;
    }
    let limits = limits.and_then(|limits| limits.map_err(|error| words(error).to_string()));
    // The host has nobody any more when it finds out that a login is refused for good.
    let refused = !account["account"].is_null() && read(&session).await?["account"].is_null();
    session.close().await;
    Ok(Told { account, limits, refused })
}

async fn read(session: &Session) -> anyhow::Result<Value> {
    session.client.request_part::<m::AccountRead, Value>(GetAccountParams::default()).await.map_err(words)
}

fn as_json(who: &Who, told: &Told) -> Value {
    json!({
        "loggedIn": true,
        "name": who.name,
        "account": told.account["account"],
        "accountId": who.account_id,
        "userId": told.account["userId"],
        "expiresAt": told.account["valet"]["expiresAt"],
        "loginNeeded": told.refused,
        "rateLimits": told.limits.as_ref().ok(),
        "rateLimitsError": told.limits.as_ref().err(),
    })
}

fn show(who: &Who, told: &Told) {
    tell(format_args!("Logged in with {who}"));
    if let Some(plan) = told.account["account"]["planType"].as_str() {
        row("plan", plan);
    }
    if let Some(account_id) = &who.account_id {
        row("account", account_id);
    }
    if told.refused {
        row("token", "refused for good: log in again with `valet login`");
    } else if let Some(expires_at) = told.account["valet"]["expiresAt"].as_i64().and_then(times::time) {
        row("token", &format!("good until {expires_at}; a host renews it before"));
    }
    match &told.limits {
        Ok(limits) => {
            let limits = RateLimitSnapshot::deserialize(&limits["rateLimits"]);
            let windows = limits.map(|limits| [limits.primary, limits.secondary]).unwrap_or_default();
            windows.into_iter().flatten().for_each(|window| row("limit", &used(&window)));
        }
        Err(why) => row("limits", &format!("not known: {why}")),
    }
}

fn row(name: &str, value: &str) {
    tell(format_args!("  {name:<8} {value}"));
}

fn used(window: &RateLimitWindow) -> String {
    let length =
        window.window_duration_mins.map(|minutes| format!(" of {}", times::length(minutes.saturating_mul(60))));
    let resets = window.resets_at.and_then(times::time).map(|time| format!("; starts anew {time}"));
    format!("{} %{} used{}", window.used_percent, length.unwrap_or_default(), resets.unwrap_or_default())
}
