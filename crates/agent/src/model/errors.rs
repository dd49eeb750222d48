//! What the backend's failures mean: status codes and error codes in, [`Failure`]s with the reference's
//! words out.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use valet_auth::{AuthFailureKind, HttpError};

use super::chat;
use super::responses::event::ResponseError;
use super::wire::Wire;
use crate::failure::{Failure, FailureClass};
use crate::limits::{self, RateLimits};

/// How much of an error body is read.
const MAX_BODY_BYTES: usize = 64 * 1024;

const HIGH_DEMAND: &str = "We’re currently experiencing high demand, which may cause temporary errors.";
const AT_CAPACITY: &str = "Selected model is at capacity. Please try a different model.";
const CONTEXT_FULL: &str =
    "Codex ran out of room in the model's context window. Start a new thread or clear earlier history before retrying.";
const QUOTA: &str = "Quota exceeded. Check your plan and billing details.";
const NOT_INCLUDED: &str = "To use Codex with your ChatGPT plan, upgrade to Plus: https://chatgpt.com/explore/plus.";

/// What a refusal of a model says that has no code of its own.
const NOT_SUPPORTED: &str = "model is not supported";

#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error: Option<ErrorDetail>,
    #[serde(default)]
    detail: Option<String>,
}

#[derive(Default, Deserialize)]
struct ErrorDetail {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    plan_type: Option<String>,
    #[serde(default)]
    resets_at: Option<i64>,
}

/// What the headers of a refusal say of the limit that is reached.
#[derive(Default)]
pub(crate) struct AtLimit {
    limit: RateLimits,
    promo: Option<String>,
}

impl AtLimit {
    fn of(headers: &HeaderMap) -> Self {
        let limit = RateLimits::at_a_limit(headers).pop().unwrap_or_default();
        Self { limit, promo: limits::promo(headers).map(str::to_owned) }
    }
}

impl ErrorDetail {
    /// Backends put the name of an error into either member.
    fn is(&self, name: &str) -> bool {
        self.code.as_deref() == Some(name) || self.kind.as_deref() == Some(name)
    }
}

/// Reads a response that is not a stream, for as long as `limit`. `lent` says whether the credential was lent
/// by a parent.
pub(crate) async fn of_response(mut response: Response, wire: Wire, lent: bool, limit: Duration) -> Failure {
    let status = response.status();
    let mut url = response.url().clone();
    // A key may be in it.
    url.set_query(None);
    let headers = response.headers().clone();
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY_BYTES {
                body.truncate(MAX_BODY_BYTES);
                return;
            }
        }
    };
    // What has come by then has to do.
    let _ = tokio::time::timeout(limit, read).await;
    let body = String::from_utf8_lossy(&body);
    match wire {
        Wire::Responses => of_status(status, url.as_str(), &headers, &body, lent),
        Wire::Chat => chat::of_status(status, url.as_str(), &headers, &body),
    }
}

pub(crate) fn of_status(status: StatusCode, url: &str, headers: &HeaderMap, body: &str, lent: bool) -> Failure {
    let after = retry_after(headers);
    let detail = serde_json::from_str::<ErrorBody>(body).unwrap_or_default().error.unwrap_or_default();
    let unexpected = || {
        let message = detail.message.as_deref().unwrap_or(body);
        format!("unexpected status {status}: {message}, url: {url}")
    };
    let code = status.as_u16();
    match status {
        StatusCode::UNAUTHORIZED if lent => {
            let kind = AuthFailureKind::ReauthRequired;
            Failure::new(FailureClass::Unauthorized { kind, refused: true }, unexpected())
        }
        StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
            if detail.code.as_deref() == Some("model_not_found") =>
        {
            let words = detail.message.filter(|message| !message.trim().is_empty());
            Failure::new(FailureClass::ModelNotFound, words.unwrap_or_else(|| body.to_owned()))
        }
        StatusCode::BAD_REQUEST if body.contains(NOT_SUPPORTED) => Failure::new(FailureClass::ModelNotSupported, body),
        StatusCode::BAD_REQUEST => Failure::new(FailureClass::Other, body),
        StatusCode::TOO_MANY_REQUESTS if detail.is("usage_limit_reached") => {
            let words = usage_limit(detail.plan_type.as_deref(), detail.resets_at, &AtLimit::of(headers));
            Failure::new(FailureClass::UsageLimitExceeded, words)
        }
        StatusCode::TOO_MANY_REQUESTS if detail.is("insufficient_quota") => {
            Failure::new(FailureClass::QuotaExceeded, QUOTA)
        }
        StatusCode::TOO_MANY_REQUESTS if detail.is("usage_not_included") => {
            Failure::new(FailureClass::UsageNotIncluded, NOT_INCLUDED)
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let message = format!("exceeded retry limit, last status: {status}");
            Failure::passing(FailureClass::TooManyAttempts(code), message, after)
        }
        StatusCode::SERVICE_UNAVAILABLE if detail.is("server_is_overloaded") => {
            Failure::new(FailureClass::ServerOverloaded, AT_CAPACITY)
        }
        StatusCode::INTERNAL_SERVER_ERROR => Failure::passing(FailureClass::InternalServerError, HIGH_DEMAND, after),
        _ if status.is_server_error() => Failure::passing(FailureClass::HttpStatus(code), unexpected(), after),
        _ => Failure::new(FailureClass::HttpStatus(code), unexpected()),
    }
}

/// The words for people in the body of an error, if there are any.
pub(crate) fn words(body: &str) -> Option<String> {
    let body: ErrorBody = serde_json::from_str(body).ok()?;
    body.detail.or_else(|| body.error?.message)
}

/// Reads the error of a `response.failed` event.
pub(crate) fn of_failed(error: ResponseError) -> Failure {
    let message = error.message.unwrap_or_default();
    match error.code.as_deref() {
        Some("context_length_exceeded") => Failure::new(FailureClass::ContextWindowExceeded, CONTEXT_FULL),
        Some("insufficient_quota") => Failure::new(FailureClass::QuotaExceeded, QUOTA),
        Some("model_not_found") => Failure::new(FailureClass::ModelNotFound, message),
        Some("usage_not_included") => Failure::new(FailureClass::UsageNotIncluded, NOT_INCLUDED),
        Some("usage_limit_reached") => {
            Failure::new(FailureClass::UsageLimitExceeded, usage_limit(None, None, &AtLimit::default()))
        }
        Some("server_is_overloaded") => Failure::new(FailureClass::ServerOverloaded, AT_CAPACITY),
        Some("rate_limit_exceeded" | "slow_down") => {
            Failure::passing(FailureClass::RateLimitExceeded, format!("rate limit exceeded: {message}"), None)
        }
        Some("invalid_prompt" | "bio_policy") => Failure::new(FailureClass::Other, message),
        Some("cyber_policy") => Failure::new(FailureClass::CyberPolicy, message),
        _ => Failure::disconnected(&message),
    }
}

/// The response stopped before it was whole.
pub(crate) fn of_incomplete(reason: Option<String>) -> Failure {
    let reason = reason.unwrap_or_else(|| "unknown".to_owned());
    let message = format!("Incomplete response returned, reason: {reason}");
    match reason.as_str() {
        "content_filter" => Failure::disconnected(&message).classed(FailureClass::ContentFiltered),
        _ => Failure::new(FailureClass::Other, message),
    }
}

/// There is no answer.
pub(crate) fn of_transport(error: HttpError) -> Failure {
    let failure = Failure::disconnected(&error.to_string());
    if error.is_connect() { failure.classed(FailureClass::Unreachable) } else { failure }
}

/// What helps depends on the limit, on why it is reached, and on the plan.
fn usage_limit(plan: Option<&str>, resets_at: Option<i64>, at: &AtLimit) -> String {
    let again = resets_at.and_then(crate::time::local).map_or_else(|| "later".to_owned(), |time| format!("at {time}"));
    if let Some(name) = &at.limit.name {
        return format!("You’ve hit your usage limit for {name}. Switch to another model now, or try again {again}.");
    }
    if let Some(words) = at.limit.reached.as_deref().and_then(of_the_workspace) {
        return words.to_owned();
    }
    if let Some(promo) = &at.promo {
        return format!("You’ve hit your usage limit. {promo}, or try again {again}.");
    }
    let way_out = match plan.unwrap_or_default() {
        "free" | "go" => "Upgrade to Plus to continue using Codex (https://chatgpt.com/explore/plus), or try",
        "plus" => {
            "Upgrade to Pro (https://chatgpt.com/explore/pro), visit https://chatgpt.com/settings/usage to purchase more credits or try"
        }
        "pro" | "prolite" | "promax" => "Visit https://chatgpt.com/settings/usage to purchase more credits or try",
        "team"
        | "business"
        | "self_serve_business_prolite"
        | "self_serve_business_usage_based"
        | "ent26"
        | "enterprise_cbp_automation"
        | "enterprise_cbp_usage_based"
        | "sci"
        | "sci_plus" => "To get more access now, send a request to your admin or try",
        _ => "Try",
    };
    format!("You’ve hit your usage limit. {way_out} again {again}.")
}

/// What only the workspace can change.
fn of_the_workspace(reached: &str) -> Option<&'static str> {
    Some(match reached {
        "workspace_owner_credits_depleted" => "Your workspace is out of credits. Add credits to continue.",
        "workspace_member_credits_depleted" => {
            "Your workspace is out of credits. Ask your workspace owner to refill in order to continue."
        }
        "workspace_owner_usage_limit_reached" => {
            "You hit your spend cap set in your workspace. Increase your spend cap to continue."
        }
        "workspace_member_usage_limit_reached" => {
            "You hit your spend cap set by the owner of your workspace. Ask an owner to increase your spend cap to continue."
        }
        _ => return None,
    })
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::{AtLimit, of_failed, of_status, usage_limit};
    use crate::failure::{FailureClass, RetryAdvice};
    use crate::limits::RateLimits;
    use crate::model::responses::event::ResponseError;
    use pretty_assertions::assert_eq;
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;
    use valet_auth::AuthFailureKind;

    fn class(status: u16, body: &str) -> (FailureClass, bool) {
        let status = StatusCode::from_u16(status).unwrap();
        let failure = of_status(status, "http://x/responses", &HeaderMap::new(), body, true);
        (failure.class().clone(), failure.retry_advice() != RetryAdvice::Never)
    }

    #[test]
    fn each_status_has_the_class_and_the_advice_of_the_specification() {
        let rows = [
            (400, "", FailureClass::Other, false),
            (401, "", FailureClass::Unauthorized { kind: AuthFailureKind::ReauthRequired, refused: true }, false),
            (402, "", FailureClass::HttpStatus(402), false),
            (403, "", FailureClass::HttpStatus(403), false),
            (404, r#"{"error":{"code":"model_not_found"}}"#, FailureClass::ModelNotFound, false),
            (400, r#"{"error":{"code":"model_not_found"}}"#, FailureClass::ModelNotFound, false),
            (403, r#"{"error":{"code":"model_not_found"}}"#, FailureClass::ModelNotFound, false),
            (400, r#"{"detail":"The 'x' model is not supported here."}"#, FailureClass::ModelNotSupported, false),
            (429, r#"{"error":{"code":"insufficient_quota"}}"#, FailureClass::QuotaExceeded, false),
            (404, "", FailureClass::HttpStatus(404), false),
            (429, "", FailureClass::TooManyAttempts(429), true),
            (429, r#"{"error":{"code":"rate_limit_exceeded"}}"#, FailureClass::TooManyAttempts(429), true),
            (429, r#"{"error":{"type":"usage_limit_reached"}}"#, FailureClass::UsageLimitExceeded, false),
            (429, r#"{"error":{"type":"usage_not_included"}}"#, FailureClass::UsageNotIncluded, false),
            (500, "", FailureClass::InternalServerError, true),
            (503, "", FailureClass::HttpStatus(503), true),
            (503, r#"{"error":{"code":"server_is_overloaded"}}"#, FailureClass::ServerOverloaded, false),
        ];
        for (status, body, expected, retried) in rows {
            assert_eq!(class(status, body), (expected, retried), "{status} {body}");
        }
    }

    #[test]
    fn each_code_of_a_failed_response_has_the_class_of_the_specification() {
        let rows = [
            ("context_length_exceeded", FailureClass::ContextWindowExceeded),
            ("insufficient_quota", FailureClass::QuotaExceeded),
            ("model_not_found", FailureClass::ModelNotFound),
            ("usage_not_included", FailureClass::UsageNotIncluded),
            ("server_is_overloaded", FailureClass::ServerOverloaded),
            ("rate_limit_exceeded", FailureClass::RateLimitExceeded),
            ("invalid_prompt", FailureClass::Other),
            ("cyber_policy", FailureClass::CyberPolicy),
            ("anything else", FailureClass::Other),
        ];
        for (code, expected) in rows {
            let error = ResponseError { code: Some(code.to_owned()), message: Some("because".to_owned()) };
            assert_eq!(*of_failed(error).class(), expected, "{code}");
        }
    }

    #[test]
    fn a_403_names_the_status_the_message_and_the_url() {
        let body = r#"{"error":{"message":"no"}}"#;
        let failure = of_status(StatusCode::FORBIDDEN, "http://x/responses", &HeaderMap::new(), body, false);
        assert_eq!(failure.message, "unexpected status 403 Forbidden: no, url: http://x/responses");
    }

    #[test]
    fn what_helps_at_a_limit_depends_on_the_limit_on_the_reason_and_on_the_plan() {
        let words = |plan, at: &AtLimit| usage_limit(Some(plan), None, at);
        let named = |name: &str| AtLimit {
            limit: RateLimits { name: Some(name.to_owned()), ..RateLimits::default() },
            promo: Some("Promo".to_owned()),
        };
        let reached = |why: &str| AtLimit {
            limit: RateLimits { reached: Some(why.to_owned()), ..RateLimits::default() },
            promo: Some("Promo".to_owned()),
        };
        let hit = "You’ve hit your usage limit.";
        let rows = [
            (
                "plus",
                named("Other"),
                "You’ve hit your usage limit for Other. Switch to another model now, or try again later.".to_owned(),
            ),
            (
                "team",
                reached("workspace_owner_credits_depleted"),
                "Your workspace is out of credits. Add credits to continue.".to_owned(),
            ),
            ("team", reached("rate_limit_reached"), format!("{hit} Promo, or try again later.")),
            (
                "sci_plus",
                AtLimit::default(),
                format!("{hit} To get more access now, send a request to your admin or try again later."),
            ),
            (
                "promax",
                AtLimit::default(),
                format!("{hit} Visit https://chatgpt.com/settings/usage to purchase more credits or try again later."),
            ),
            ("enterprise", AtLimit::default(), format!("{hit} Try again later.")),
        ];
        for (plan, at, expected) in rows {
            assert_eq!(words(plan, &at), expected);
        }
    }
}
