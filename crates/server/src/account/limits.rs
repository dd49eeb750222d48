//! How much of a subscription is used up, as the backend tells whoever asks: `account/rateLimits/read`.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use valet_auth::usage::{self, Credits, IndividualLimit, Limit, ResetCredit, ResetCredits, Usage, Window};
use valet_auth::{Account, Caller, Identity};
use valet_protocol::ErrorObject;
use valet_protocol::v1::PlanType;
use valet_protocol::v2::{
    CreditsSnapshot, GetAccountRateLimitsParams, GetAccountRateLimitsResponse, RateLimitResetCredit,
    RateLimitResetCreditStatus, RateLimitResetCreditsSummary, RateLimitResetType, RateLimitSnapshot, RateLimitWindow,
    SpendControlLimitSnapshot,
};

use super::backend::Failed;
use super::{Accounts, AccountsState};
use crate::connection::ConnectionId;
use crate::convert;

/// Tells the backend that the client can go on with the reserve model.
const RESERVE: HeaderName = HeaderName::from_static("x-openai-codex-luna-reserve");

impl Accounts {
    /// The answer to `account/rateLimits/read`.
    pub(crate) async fn rate_limits(
        &self,
        asker: ConnectionId,
        params: &GetAccountRateLimitsParams,
    ) -> Result<GetAccountRateLimitsResponse, ErrorObject> {
        let chosen = params.valet.as_ref().filter(|_| !self.shared.config.strict());
        let account = match chosen.and_then(|choice| choice.chatgpt_account_id.as_ref()?.as_deref()) {
            Some(account_id) => self.lent_account(asker, account_id)?,
            None => self.subscriber(asker, "rate limits")?,
        };
        let caller = asker.caller();
        let usage = self.shared.usage(&account, &caller, params.supports_luna_reserve);
        let (usage, details) = if params.exclude_reset_credit_details {
            (usage.await, None)
        } else {
            tokio::join!(usage, self.shared.reset_credits(&account, &caller))
        };
        let usage = usage.map_err(|failed| failed.error("codex rate limits"))?;
        let identity = account.snapshot().identity.clone();
        let allowed = allowed(&usage, identity.as_ref(), self.shared.config.strict());
        let response = response(usage, allowed, details);
        if let Some(limits) = &response.rate_limits_by_limit_id {
            self.meters().set(&account, limits.clone());
        }
        Ok(response)
    }
}

impl AccountsState {
    async fn usage(&self, account: &Arc<Account>, caller: &Caller, reserve: bool) -> Result<Usage, Failed> {
        let mut request = self.request(Method::GET, usage::PATH)?;
        if reserve {
            request.headers_mut().insert(RESERVE, HeaderValue::from_static("1"));
        }
        self.fetch(account, caller, request).await?.read()
    }

    /// Without them the rest is known all the same.
    async fn reset_credits(&self, account: &Arc<Account>, caller: &Caller) -> Option<RateLimitResetCreditsSummary> {
        let request = self.request(Method::GET, "/wham/rate-limit-reset-credits").ok()?;
        let credits: ResetCredits = self.fetch(account, caller, request).await.ok()?.read().ok()?;
        let details = credits.credits?.into_iter().map(reset_credit).collect::<Option<_>>()?;
        Some(RateLimitResetCreditsSummary { available_count: credits.available_count, credits: Some(details) })
    }
}

/// What the backend allows, if it speaks of who is logged in. In strict mode it has to say so.
fn allowed(usage: &Usage, identity: Option<&Identity>, strict: bool) -> Option<bool> {
    let allowed = usage.rate_limit.as_ref()?.allowed?;
    let is_theirs = |said: Option<&str>, known: Option<&str>| if said.is_none() { !strict } else { said == known };
    let account = is_theirs(usage.account_id.as_deref(), identity.map(|identity| identity.account_id.as_str()));
    let user = is_theirs(usage.user_id.as_deref(), identity.and_then(|identity| identity.user_id.as_deref()));
    (account && user).then_some(allowed)
}

fn response(
    usage: Usage,
    ordinary_usage_allowed: Option<bool>,
    details: Option<RateLimitResetCreditsSummary>,
) -> GetAccountRateLimitsResponse {
    let plan_type = usage.plan_type.as_deref().map(PlanType::from_words);
    let (spend_control_reached, individual) =
        usage.spend_control.map(|control| (control.reached, control.individual_limit)).unwrap_or_default();
    let rate_limits = RateLimitSnapshot {
        credits: usage.credits.map(credits),
        plan_type: plan_type.clone(),
        spend_control_reached,
        individual_limit: individual.map(individual_limit),
        rate_limit_reached_type: usage.rate_limit_reached_type.and_then(|reached| convert::reached(&reached.kind)),
        ..snapshot(usage::TURNS.to_owned(), usage.rate_limit.as_ref())
    };
    let features = usage.additional_rate_limits.unwrap_or_default().into_iter().map(|feature| RateLimitSnapshot {
        limit_name: feature.limit_name,
        normal_model_slug: feature.normal_model_slug,
        plan_type: plan_type.clone(),
        ..snapshot(feature.metered_feature, feature.rate_limit.as_ref())
    });
    let all = features.chain([rate_limits.clone()]);
    let by_id: BTreeMap<_, _> = all.map(|limit| (limit.limit_id.clone().unwrap_or_default(), limit)).collect();
    let count = usage.rate_limit_reset_credits.map(|credits| credits.available_count);
    let counted = count.map(|available_count| RateLimitResetCreditsSummary { available_count, credits: None });
    GetAccountRateLimitsResponse {
        ordinary_usage_allowed,
        rate_limits,
        rate_limits_by_limit_id: Some(by_id),
        rate_limit_reset_credits: details.or(counted),
        account_id: usage.account_id,
        rate_limit_upsell: usage.rate_limit_upsell,
    }
}

fn snapshot(id: String, limit: Option<&Limit>) -> RateLimitSnapshot {
    RateLimitSnapshot {
        limit_id: Some(id),
        primary: limit.and_then(|limit| limit.primary_window.as_ref()).map(window),
        secondary: limit.and_then(|limit| limit.secondary_window.as_ref()).map(window),
        ..RateLimitSnapshot::default()
    }
}

fn window(window: &Window) -> RateLimitWindow {
    let length = window.limit_window_seconds.filter(|seconds| *seconds > 0);
    RateLimitWindow {
        used_percent: window.used_percent.round() as i32,
        window_duration_mins: length.map(|seconds| seconds.saturating_add(59) / 60),
        resets_at: window.reset_at,
    }
}

fn credits(credits: Credits) -> CreditsSnapshot {
    let balance = credits.balance.and_then(|balance| match balance {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => Some(other.to_string()),
    });
    CreditsSnapshot { has_credits: credits.has_credits, unlimited: credits.unlimited, balance }
}

fn individual_limit(limit: IndividualLimit) -> SpendControlLimitSnapshot {
    SpendControlLimitSnapshot {
        limit: limit.limit,
        used: limit.used,
        remaining_percent: limit.remaining_percent.round() as i32,
        resets_at: limit.reset_at,
    }
}

/// None: its times make no sense.
fn reset_credit(credit: ResetCredit) -> Option<RateLimitResetCredit> {
    let seconds = |time: &str| DateTime::parse_from_rfc3339(time).ok().map(|time| time.timestamp());
    Some(RateLimitResetCredit {
        reset_type: match credit.reset_type.as_str() {
            "codex_rate_limits" => RateLimitResetType::CodexRateLimits,
            _ => RateLimitResetType::Other,
        },
        status: match credit.status.as_str() {
            "available" => RateLimitResetCreditStatus::Available,
            "redeeming" => RateLimitResetCreditStatus::Redeeming,
            "redeemed" => RateLimitResetCreditStatus::Redeemed,
            _ => RateLimitResetCreditStatus::Other,
        },
        granted_at: seconds(&credit.granted_at)?,
        expires_at: match credit.expires_at {
            Some(time) => Some(seconds(&time)?),
            None => None,
        },
        id: credit.id,
        title: credit.title,
        description: credit.description,
    })
}
