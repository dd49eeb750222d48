//! How much of a subscription is used up: what is read, what is told with each response, and what is said at a limit.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{AccountRateLimitsUpdatedNotification, CodexErrorInfo, TurnStatus};
use valet_sim::{Endpoint, Response, Script, TokenPolicy, TokenRequest};
use valet_tests::{TestClient, TestHost, TestTurn};

const USAGE: &str = "GET /backend-api/wham/usage";
const CREDITS: &str = "GET /backend-api/wham/rate-limit-reset-credits";
const PROFILE: &str = "GET /backend-api/wham/profiles/me";

fn told(turn: &TestTurn) -> Vec<AccountRateLimitsUpdatedNotification> {
    turn.all::<m::AccountRateLimitsUpdated>()
}

fn used(turn: &TestTurn) -> Vec<(String, Option<i32>)> {
    let limits = told(turn).into_iter().map(|told| told.rate_limits);
    limits.map(|limit| (limit.limit_id.unwrap(), limit.primary.map(|window| window.used_percent))).collect()
}

async fn turn(client: &mut TestClient) -> TestTurn {
    let thread = client.thread().await;
    client.turn(&thread, "hello").await
}

fn paths(host: &TestHost) -> Vec<String> {
    let paths = host.sim.requests().into_iter().map(|request| request.path);
    paths.filter(|path| path.contains("wham/usage") || path.contains("credits")).collect()
}

#[tokio::test]
async fn everything_that_the_backend_says_of_the_limits_is_read() {
    let window =
        |used: f64, seconds: i64| json!({ "used_percent": used, "limit_window_seconds": seconds, "reset_at": 9 });
    let mut script = Script::new();
    script.usage = Some(json!({
        "plan_type": "pro", "account_id": "acct-1", "user_id": null,
        "rate_limit": { "allowed": false, "limit_reached": true, "primary_window": window(7.6, 18_000), "secondary_window": window(1.0, 90) },
        "rate_limit_reached_type": { "type": "rate_limit_reached" },
        "spend_control": { "reached": true, "individual_limit": { "limit": "10", "used": "5", "remaining_percent": 50, "reset_at": 8 } },
        "additional_rate_limits": [
            { "limit_name": "Other", "metered_feature": "codex_other", "rate_limit": { "primary_window": window(5.0, 0) } },
            { "limit_name": null, "metered_feature": "codex_alias", "normal_model_slug": "gpt-5.5" },
        ],
        "rate_limit_upsell": { "any_key": 1 },
    }));
    let host = TestHost::start(script).await;
    let mut parent = host.parent().await;
    let read = parent.call("account/rateLimits/read", Value::Null).await.unwrap();
    assert_eq!(read["ordinaryUsageAllowed"], false);
    let limits = &read["rateLimits"];
    assert_eq!(limits["primary"], json!({ "usedPercent": 8, "windowDurationMins": 300, "resetsAt": 9 }));
    assert_eq!(limits["secondary"]["windowDurationMins"], 2);
    assert_eq!(limits["individualLimit"], json!({ "limit": "10", "used": "5", "remainingPercent": 50, "resetsAt": 8 }));
    assert_eq!(
        (&limits["spendControlReached"], &limits["rateLimitReachedType"]),
        (&json!(true), &json!("rate_limit_reached"))
    );
    let by_id = &read["rateLimitsByLimitId"];
    assert_eq!(&by_id["codex"], limits);
    assert_eq!(
        (&by_id["codex_other"]["limitName"], &by_id["codex_other"]["planType"]),
        (&json!("Other"), &json!("pro"))
    );
    assert_eq!(by_id["codex_other"]["primary"]["windowDurationMins"], Value::Null);
    assert_eq!(by_id["codex_alias"]["normalModelSlug"], "gpt-5.5");
    let credits = &read["rateLimitResetCredits"];
    assert_eq!(
        (&credits["availableCount"], &credits["credits"][0]["resetType"]),
        (&json!(1), &json!("codexRateLimits"))
    );
    assert_eq!(credits["credits"][1]["status"], "redeemed");
    assert_eq!(credits["credits"][0]["grantedAt"], 1_767_225_600);
    assert_eq!((&read["accountId"], &read["rateLimitUpsell"]), (&json!("acct-1"), &json!({ "any_key": 1 })));
}

#[tokio::test]
async fn the_list_of_credits_is_left_out_on_request_and_harms_nothing_when_it_is_not_to_be_had() {
    let mut script = Script::new().endpoint(CREDITS, Endpoint::new(500, json!({})));
    script.usage = Some(json!({ "plan_type": "pro", "rate_limit_reset_credits": { "available_count": 3 } }));
    let host = TestHost::start(script).await;
    let mut parent = host.parent().await;
    let counted = json!({ "availableCount": 3, "credits": null });
    let read = parent.call("account/rateLimits/read", json!({ "excludeResetCreditDetails": true })).await.unwrap();
    assert_eq!(read["rateLimitResetCredits"], counted);
    assert_eq!(paths(&host), ["/backend-api/wham/usage"]);
    let read = parent.call("account/rateLimits/read", json!({ "supportsLunaReserve": true })).await.unwrap();
    assert_eq!(read["rateLimitResetCredits"], counted);
    let usage = host.sim.requests().into_iter().rfind(|request| request.path.ends_with("wham/usage")).unwrap();
    assert_eq!(usage.headers["x-openai-codex-luna-reserve"], "1");
}

#[tokio::test]
async fn what_is_allowed_to_another_account_is_not_told() {
    let usage = |account: &str| json!({ "account_id": account, "rate_limit": { "allowed": true } });
    let host = TestHost::start(Script::new().endpoint(USAGE, Endpoint::new(200, usage("acct-1")))).await;
    let mut parent = host.parent().await;
    let read = parent.call("account/rateLimits/read", json!({})).await.unwrap();
    assert_eq!(read["ordinaryUsageAllowed"], true);
    host.sim.replace_script(Script::new().endpoint(USAGE, Endpoint::new(200, usage("acct-9"))));
    let read = parent.call("account/rateLimits/read", json!({})).await.unwrap();
    assert_eq!(read["ordinaryUsageAllowed"], Value::Null);
}

#[tokio::test]
async fn what_responses_tell_bit_by_bit_is_told_whole_with_its_account() {
    let responses = [
        Response::new()
            .text("One.")
            .header("x-codex-primary-used-percent", "5")
            .header("x-codex-other-primary-used-percent", "50")
            .header("x-codex-other-limit-name", "Other"),
        Response::new().text("Two.").header("x-codex-secondary-used-percent", "7"),
        Response::new().text("Three.").header("x-codex-credits-has-credits", "true"),
    ];
    let host = TestHost::start(Script::responses(responses)).await;
    let mut parent = host.parent().await;
    let first = turn(&mut parent).await;
    assert_eq!(used(&first), [("codex".to_owned(), Some(5)), ("codex_other".to_owned(), Some(50))]);
    let second = turn(&mut parent).await;
    assert_eq!(used(&second), [("codex".to_owned(), Some(5))]);
    let third = told(&turn(&mut parent).await).remove(0);
    assert_eq!(third.valet.unwrap().account_id.as_deref(), Some("acct-1"));
    let whole = serde_json::to_value(third.rate_limits).unwrap();
    assert_eq!((&whole["primary"]["usedPercent"], &whole["secondary"]["usedPercent"]), (&json!(5), &json!(7)));
    assert_eq!((&whole["credits"]["hasCredits"], &whole["planType"]), (&json!(true), &json!("pro")));
}

#[tokio::test]
async fn all_limits_are_told_where_nobody_is_logged_in() {
    let response = Response::new()
        .text("One.")
        .header("x-codex-primary-used-percent", "5")
        .header("x-codex-other-primary-used-percent", "50");
    let tokens = TokenPolicy { anonymous: true, ..TokenPolicy::default() };
    let script = Script::responses([response]).tokens(tokens);
    let host = TestHost::builder().script(script).provider("requires_openai_auth = false").start().await;
    let mut client = host.client().await;
    let turn = turn(&mut client).await;
    assert_eq!(used(&turn), [("codex".to_owned(), Some(5)), ("codex_other".to_owned(), Some(50))]);
}

#[tokio::test]
async fn what_was_read_is_known_to_what_is_told_next() {
    let script = Script::responses([Response::new().text("Hello.").header("x-codex-secondary-used-percent", "99")]);
    let host = TestHost::start(script).await;
    let mut parent = host.parent().await;
    let read = parent.call("account/rateLimits/read", json!({})).await.unwrap();
    let told = serde_json::to_value(told(&turn(&mut parent).await).remove(0).rate_limits).unwrap();
    assert_eq!(told["primary"], read["rateLimits"]["primary"]);
    assert_eq!((&told["secondary"]["usedPercent"], &told["credits"]), (&json!(99), &read["rateLimits"]["credits"]));
}

#[tokio::test]
async fn nothing_is_told_to_one_account_of_the_limits_of_another() {
    let responses = [
        Response::new().text("One.").header("x-codex-primary-used-percent", "100"),
        Response::new().text("Two."),
        Response::new().text("Three."),
    ];
    let host = TestHost::start(Script::responses(responses)).await;
    let mut parent = host.parent().await;
    assert_eq!(used(&turn(&mut parent).await), [("codex".to_owned(), Some(100))]);
    parent.lend(TokenRequest::account("acct-2")).await;
    let second = turn(&mut parent).await;
    assert_eq!(used(&second), [("codex".to_owned(), None)]);
    assert_eq!(told(&second)[0].valet.as_ref().unwrap().account_id.as_deref(), Some("acct-2"));
    parent.lend(TokenRequest::account("acct-1")).await;
    assert_eq!(used(&turn(&mut parent).await), [("codex".to_owned(), None)], "a switch clears");
}

#[tokio::test]
async fn a_limit_that_stops_a_turn_says_why_until_a_turn_gets_through() {
    let limit = json!({ "error": { "type": "usage_limit_reached", "plan_type": "team" } });
    let responses = [
        Response::status(429)
            .body(limit)
            .header("x-codex-primary-used-percent", "100")
            .header("x-codex-rate-limit-reached-type", "workspace_member_credits_depleted"),
        Response::new().text("Again."),
    ];
    let host = TestHost::start(Script::responses(responses)).await;
    let mut parent = host.parent().await;
    let stopped = turn(&mut parent).await;
    let error = stopped.turn.error.clone().unwrap();
    assert_eq!(error.codex_error_info, Some(CodexErrorInfo::UsageLimitExceeded));
    assert!(
        error.message.starts_with("Your workspace is out of credits. Ask your workspace owner"),
        "{}",
        error.message
    );
    let reached =
        |turn: &TestTurn| told(turn)[0].rate_limits.rate_limit_reached_type.as_ref().map(|why| why.as_str().to_owned());
    assert_eq!(reached(&stopped).as_deref(), Some("workspace_member_credits_depleted"));
    let through = turn(&mut parent).await;
    assert_eq!((reached(&through), used(&through)), (None, vec![("codex".to_owned(), Some(100))]));
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_not_tried_again() {
    let body = json!({ "error": { "code": "insufficient_quota", "message": "You exceeded your current quota." } });
    let script = Script::responses([Response::status(429).body(body)]);
    let host = TestHost::builder().script(script).provider("stream_max_retries = 3").start().await;
    let mut parent = host.parent().await;
    let error = turn(&mut parent).await.turn.error.unwrap();
    assert_eq!(error.message, "Quota exceeded. Check your plan and billing details.");
    assert_eq!(error.codex_error_info, Some(CodexErrorInfo::UsageLimitExceeded));
    assert_eq!(host.sim.requests().iter().filter(|request| request.is_turn()).count(), 1);
}

#[tokio::test]
async fn usage_that_cannot_be_read_fails_no_turn() {
    let script = Script::text("Hello.").endpoint(USAGE, Endpoint::new(500, json!({})));
    let host = TestHost::start(script).await;
    let mut parent = host.parent().await;
    parent.refused("account/rateLimits/read", json!({})).await;
    assert_eq!(turn(&mut parent).await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn in_strict_mode_one_limit_is_told_and_it_is_sparse() {
    let responses = [
        Response::new()
            .text("One.")
            .header("x-codex-primary-used-percent", "5")
            .header("x-codex-credits-has-credits", "true")
            .header("x-codex-other-primary-used-percent", "50"),
        Response::new().text("Two."),
    ];
    let host = TestHost::builder().script(Script::responses(responses)).with("valet.compat=strict").start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    assert_eq!(used(&parent.turn(&thread, "one").await), [("codex_other".to_owned(), Some(50))]);
    let second = parent.turn(&thread, "two").await;
    assert_eq!(used(&second), [("codex".to_owned(), None)]);
    let told = told(&second).remove(0);
    assert!(told.rate_limits.credits.is_some(), "the credits are of the account");
    assert_eq!((told.valet, told.rate_limits.plan_type), (None, None));
}

#[tokio::test]
async fn what_the_account_has_used_is_read_with_its_days() {
    let host = TestHost::start(Script::new()).await;
    let mut parent = host.parent().await;
    let read = parent.call("account/usage/read", Value::Null).await.unwrap();
    let summary = json!({
        "lifetimeTokens": 1_234_567, "peakDailyTokens": 200_000, "longestRunningTurnSec": 600,
        "currentStreakDays": 2, "longestStreakDays": 5,
    });
    assert_eq!((&read["summary"], &read["threadUsage"]), (&summary, &Value::Null));
    assert_eq!(read["dailyUsageBuckets"][1], json!({ "startDate": "2026-01-02", "tokens": 2000 }));
}

#[tokio::test]
async fn what_a_thread_has_cost_is_read_where_the_account_is_told() {
    const QUERY: &str = "POST /backend-api/wham/usage/thread_usage/query";
    let host = TestHost::start(Script::new()).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let read = parent.call("account/usage/read", json!({ "threadId": thread })).await.unwrap();
    assert_eq!(read["threadUsage"]["threadId"], json!(thread));
    assert_eq!(read["threadUsage"]["groups"][0]["totalTokens"], 1000);
    assert_eq!((&read["summary"]["lifetimeTokens"], &read["dailyUsageBuckets"]), (&Value::Null, &Value::Null));
    host.sim.replace_script(Script::new().endpoint(QUERY, Endpoint::new(403, json!({}))));
    let read = parent.call("account/usage/read", json!({ "threadId": thread })).await.unwrap();
    assert_eq!(read["threadUsage"], Value::Null);
    host.sim.replace_script(Script::new().endpoint(QUERY, Endpoint::new(200, json!({ "threads": [] }))));
    let refusal = parent.refused("account/usage/read", json!({ "threadId": thread })).await;
    assert_eq!(refusal.message, "failed to fetch thread usage: thread usage response omitted requested thread");
    let refusal = parent.refused("account/usage/read", json!({ "threadId": "zzz" })).await;
    assert!(refusal.message.starts_with("invalid thread id: "), "{}", refusal.message);
}

#[tokio::test]
async fn usage_needs_a_subscription_and_a_failure_names_the_backends_words() {
    let host = TestHost::start(Script::new().endpoint(PROFILE, Endpoint::new(503, json!({ "error": "later" })))).await;
    let mut client = host.client().await;
    let refusal = client.refused("account/usage/read", json!({})).await;
    assert_eq!(refusal.message, "codex account authentication required to read token usage");
    client.call("account/login/start", json!({ "type": "apiKey", "apiKey": "sk-1" })).await.unwrap();
    let refusal = client.refused("account/usage/read", json!({})).await;
    assert_eq!(refusal.message, "chatgpt authentication required to read token usage");
    client.lend(TokenRequest::default()).await;
    let refusal = client.refused("account/usage/read", json!({})).await;
    assert_eq!((refusal.code, refusal.kind.as_deref()), (-32603, Some("upstream")));
    let (start, end) = (
        "failed to fetch token usage profile: GET http://",
        "failed: 503 Service Unavailable; content-type=application/json; body={\"error\":\"later\"}",
    );
    assert!(refusal.message.starts_with(start) && refusal.message.ends_with(end), "{}", refusal.message);
    host.sim.replace_script(Script::new().endpoint(PROFILE, Endpoint::new(200, json!({ "stats": 1 }))));
    let refusal = client.refused("account/usage/read", json!({})).await;
    assert!(
        refusal.message.starts_with("failed to fetch token usage profile: Decode error for http://"),
        "{}",
        refusal.message
    );
}

#[tokio::test]
async fn a_401_on_the_usage_asks_the_parent_once_for_both_calls() {
    let policy = TokenPolicy { refuse_everywhere: true, ..TokenPolicy::default() };
    let host = TestHost::start(Script::new().tokens(policy)).await;
    let mut parent = host.client().await;
    let lent = parent.lend(TokenRequest::default()).await;
    host.sim.tokens().expire(&lent.access_token);
    let reading = parent.begin("account/rateLimits/read", json!({}));
    let asked = parent.asked().await;
    let token = parent.token(TokenRequest::default());
    let answer =
        json!({ "accessToken": token.access_token, "chatgptAccountId": token.account_id, "chatgptPlanType": "pro" });
    parent.answer(&asked, &answer);
    let read = reading.await.unwrap();
    assert_eq!(read["rateLimitResetCredits"]["availableCount"], 1);
    assert!(!parent.was_asked(), "one refresh serves both");
}

#[tokio::test]
async fn a_refresh_that_brings_another_account_brings_none_of_the_limits_of_the_one_before() {
    let responses =
        [Response::new().text("One.").header("x-codex-primary-used-percent", "100"), Response::new().text("Two.")];
    let policy = TokenPolicy { first_uses: Some(1), ..TokenPolicy::default() };
    let host = TestHost::start(Script::responses(responses).tokens(policy)).await;
    let mut parent = host.connect();
    let capabilities = json!({ "experimentalApi": true, "valet": { "allowAccountSwitchOnRefresh": true } });
    parent.initialize_with(capabilities).await;
    parent.lend(TokenRequest::default()).await;
    assert_eq!(used(&turn(&mut parent).await), [("codex".to_owned(), Some(100))]);
    parent.token(TokenRequest::account("acct-2"));
    let other = parent.token(TokenRequest::account("acct-2"));
    let thread = parent.thread().await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    let answer = json!({ "accessToken": other.access_token, "chatgptAccountId": other.account_id });
    parent.answer(&asked, &answer);
    let told = told(&parent.end_of(&turn_id).await).remove(0);
    assert_eq!((told.valet.unwrap().account_id.as_deref(), told.rate_limits.primary), (Some("acct-2"), None));
}

#[tokio::test]
async fn a_login_that_the_host_keeps_has_models_limits_and_usage_too() {
    let first = TestHost::start(Script::text("Hello.")).await;
    let tokens = first.sim.tokens().issue(TokenRequest::default());
    let login = json!({
        "auth_mode": "chatgpt", "OPENAI_API_KEY": null, "last_refresh": "2033-01-01T00:00:00Z",
        "tokens": {
            "id_token": tokens.id_token, "access_token": tokens.access_token,
            "refresh_token": "rt", "account_id": tokens.account_id,
        },
    });
    std::fs::write(first.home().join("auth.json"), login.to_string()).unwrap();
    let host = first.beside();
    let mut client = host.client().await;
    let models = client.call("model/list", json!({})).await.unwrap();
    assert_eq!(models["data"][1]["id"], "gpt-5.5-mini");
    let limits = client.call("account/rateLimits/read", json!({})).await.unwrap();
    assert_eq!(limits["rateLimits"]["planType"], "pro");
    assert!(client.call("account/usage/read", json!({})).await.unwrap()["summary"]["lifetimeTokens"].is_number());
    let told = told(&turn(&mut client).await).remove(0);
    assert_eq!(told.valet.unwrap().account_id.as_deref(), Some("acct-1"));
}
