//! How much of a subscription is used up, as the backend tells it.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Request, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use valet_auth::{Account, Mode, SendError, send_authorized};
use valet_protocol::v1::PlanType;
use valet_protocol::v2::{CreditsSnapshot, GetAccountRateLimitsResponse, RateLimitSnapshot, RateLimitWindow};
use valet_protocol::{ErrorKind, ErrorObject};

use super::Accounts;
use crate::connection::ConnectionId;
use crate::convert;

/// How long the backend may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The limit of turns.
const TURNS: &str = "codex";

#[derive(Deserialize)]
struct Usage {
    plan_type: Option<String>,
    rate_limit: Option<Limit>,
    credits: Option<Credits>,
    additional_rate_limits: Option<Vec<FeatureLimit>>,
    account_id: Option<String>,
    rate_limit_upsell: Option<Value>,
}

/// The limit of a single feature.
#[derive(Deserialize)]
struct FeatureLimit {
    limit_name: Option<String>,
    metered_feature: String,
    rate_limit: Option<Limit>,
}

#[derive(Deserialize)]
struct Limit {
    allowed: Option<bool>,
    primary_window: Option<Window>,
    secondary_window: Option<Window>,
}

#[derive(Deserialize)]
struct Window {
    used_percent: f64,
    limit_window_seconds: Option<i64>,
    reset_at: Option<i64>,
}

#[derive(Deserialize)]
struct Credits {
    #[serde(default)]
    has_credits: bool,
    #[serde(default)]
    unlimited: bool,
    balance: Option<Value>,
}

impl Accounts {
    /// The answer to `account/rateLimits/read`.
    pub(crate) async fn rate_limits(&self, asker: ConnectionId) -> Result<GetAccountRateLimitsResponse, ErrorObject> {
        let refused = |message: &str| ErrorObject::invalid_request(message).kind(ErrorKind::AuthRequired);
        let account =
            self.current(asker).ok_or_else(|| refused("codex account authentication required to read rate limits"))?;
        if account.mode() == Mode::ApiKey {
            return Err(refused("chatgpt authentication required to read rate limits"));
        }
        let caller = asker.caller();
        let url = format!("{}/wham/usage", self.shared.config.chatgpt_base_url());
        let failed = |reason: String| {
            ErrorObject::internal(format!("failed to fetch codex rate limits: {reason}")).kind(ErrorKind::Upstream)
        };
        // The time for headers and body of two requests, and for the parent in between.
        let asked = tokio::time::timeout(3 * TIME_LIMIT, self.usage(&account, &caller, &url)).await;
        match asked.unwrap_or_else(|_elapsed| Err(Failed::Other("no answer in time".to_owned()))) {
            Ok(usage) => Ok(response(usage)),
            Err(Failed::Auth(failure)) => {
                Err(ErrorObject::internal(failure.message).kind(convert::auth_kind(failure.kind)))
            }
            Err(Failed::Refused(reason)) => Err(failed(reason).kind(ErrorKind::ReauthRequired)),
            Err(Failed::Other(reason)) => Err(failed(reason)),
        }
    }

    async fn usage(
        &self,
        account: &std::sync::Arc<Account>,
        caller: &valet_auth::Caller,
        url: &str,
    ) -> Result<Usage, Failed> {
        let request = Request::new(Method::GET, Url::parse(url).map_err(|error| Failed::of(&error))?);
        let client = self.shared.http.get().map_err(|error| Failed::of(&error))?;
        let response = match send_authorized(client, Some(account), caller, request, TIME_LIMIT).await {
            Ok(response) => response,
            Err(SendError::Auth(failure)) => return Err(Failed::Auth(failure)),
            Err(error) => return Err(Failed::of(&error)),
        };
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return Err(Failed::Refused(format!("GET {url} failed: {status}")));
        }
        if status.is_success() {
            return response.json().await.map_err(|error| Failed::of(&error.without_url()));
        }
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("none").to_owned();
        let body = response.text().await.unwrap_or_default();
        Err(Failed::Other(format!("GET {url} failed: {status}; content-type={kind}; body={body}")))
    }
}

/// Why the backend's word is not known.
enum Failed {
    Auth(valet_auth::AuthFailure),
    /// A new token was refused too.
    Refused(String),
    Other(String),
}

impl Failed {
    fn of(error: &dyn std::fmt::Display) -> Self {
        Self::Other(error.to_string())
    }
}

fn response(usage: Usage) -> GetAccountRateLimitsResponse {
    let plan_type = usage.plan_type.as_deref().map(PlanType::from_words);
    let limit = usage.rate_limit.as_ref();
    let credits = usage.credits.map(credits);
    let rate_limits = RateLimitSnapshot { credits, plan_type: plan_type.clone(), ..snapshot(TURNS.to_owned(), limit) };
    let features = usage.additional_rate_limits.unwrap_or_default().into_iter().map(|feature| {
        let limits = snapshot(feature.metered_feature.clone(), feature.rate_limit.as_ref());
        let plan_type = plan_type.clone();
        (feature.metered_feature, RateLimitSnapshot { limit_name: feature.limit_name, plan_type, ..limits })
    });
    let turns = (TURNS.to_owned(), rate_limits.clone());
    GetAccountRateLimitsResponse {
        ordinary_usage_allowed: limit.and_then(|limit| limit.allowed),
        rate_limits_by_limit_id: Some(features.chain([turns]).collect()),
        rate_limits,
        rate_limit_reset_credits: None,
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
    RateLimitWindow {
        used_percent: window.used_percent.round() as i32,
        window_duration_mins: window.limit_window_seconds.map(|seconds| seconds / 60),
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
