//! `--compat strict`: what a client of the reference could depend on is as it is there, mistakes included.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{CodexErrorInfo, TurnError, TurnStatus};
use valet_sim::{Chunks, Endpoint, Response, Rule, Script, TokenPolicy, TokenRequest};
use valet_tests::{HostBuilder, TestClient, TestHost};

fn strict(script: Script) -> HostBuilder {
    TestHost::builder().script(script).with("valet.compat=strict")
}

/// A backend that refuses the first token of each account.
fn refusing() -> Script {
    Script::text("Hello.").tokens(TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() })
}

async fn lender(host: &TestHost) -> (TestClient, String) {
    let mut parent = host.client().await;
    parent.lend(TokenRequest::default()).await;
    let thread = parent.thread().await;
    (parent, thread)
}

fn token(client: &TestClient, account: &str) -> Value {
    let token = client.token(TokenRequest::account(account));
    json!({ "accessToken": token.access_token, "chatgptAccountId": token.account_id })
}

fn other(message: &str) -> TurnError {
    TurnError {
        message: message.to_owned(),
        codex_error_info: Some(CodexErrorInfo::Other),
        additional_details: None,
        misalignment: None,
    }
}

#[tokio::test]
async fn nothing_of_ours_is_added_to_any_message() {
    let host = strict(refusing()).start().await;
    let mut parent = host.connect();
    parent.initialize_with(json!({ "experimentalApi": true, "valet": { "refreshTimeoutMs": 5000 } })).await;
    parent.lend(TokenRequest::default()).await;
    let thread = parent.thread().await;
    parent.call("account/read", json!({})).await.unwrap();
    parent.refused("no/such", json!({})).await;
    parent.refused("turn/interrupt", json!({ "threadId": thread, "turnId": "x" })).await;
    parent.answer_refreshes();
    parent.turn(&thread, "hello").await;
    let sent: String = parent.record().messages().iter().map(|(_, message)| message.to_string()).collect();
    let ours = sent.matches("\"valet\"").count();
    assert_eq!(ours, 1, "only what the client itself sent");
    assert!(!sent.contains("\"data\":{\"kind\""));
    assert!(!sent.contains("serverRequest/resolved"));
    assert!(!sent.contains("valet/"), "a method of ours is named among those that there are");
}

#[tokio::test]
async fn x_3_and_em_2_everybody_is_asked_and_an_error_of_anybody_decides() {
    let host = strict(refusing()).start().await;
    let (mut parent, thread) = lender(&host).await;
    let mut stranger = host.connect();
    stranger.initialize_with(Value::Null).await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let (asked, overheard) = (parent.asked().await, stranger.asked().await);
    assert_eq!(asked.id, overheard.id);
    stranger.refuse(&overheard, &json!({ "code": -32601, "message": "unsupported request" }));
    let error = parent.end_of(&turn_id).await.turn.error.unwrap();
    assert_eq!(error, other("auth refresh request failed: code=-32601"));
    parent.answer(&asked, &token(&parent, "acct-1"));
    let turn_id = parent.start_turn(&thread, "again").await;
    assert!(parent.asked().await.id != asked.id, "the late answer was not used");
    let again = stranger.asked().await;
    stranger.answer(&again, &token(&stranger, "acct-1"));
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn x_8_a_late_answer_is_ignored() {
    let host = strict(refusing()).with("valet.auth_refresh_timeout_ms=400").start().await;
    let (mut parent, thread) = lender(&host).await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    let error = parent.end_of(&turn_id).await.turn.error.unwrap();
    assert_eq!(error, other("auth refresh request timed out after 0.4s"));
    parent.answer(&asked, &token(&parent, "acct-1"));
    parent.call("account/login/cancel", json!({ "loginId": "zzz" })).await.unwrap_err();
    let turn_id = parent.start_turn(&thread, "again").await;
    parent.asked().await;
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Failed);
}

#[tokio::test]
async fn x_9_nothing_is_renewed_ahead() {
    let host = strict(Script::text("Hello.")).start().await;
    let mut parent = host.client().await;
    parent.lend(TokenRequest::default().lifetime(Duration::from_secs(60))).await;
    let thread = parent.thread().await;
    assert_eq!(parent.turn(&thread, "hello").await.turn.status, TurnStatus::Completed);
    assert!(!parent.was_asked());
}

#[tokio::test]
async fn x_10_and_er_9_a_token_that_is_refused_again_is_told_as_a_failed_connection() {
    let policy = TokenPolicy { uses: Some(0), ..TokenPolicy::default() };
    let host = strict(Script::text("Hello.").tokens(policy)).start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let error = parent.turn(&thread, "hello").await.turn.error.unwrap();
    assert_eq!(error.codex_error_info, Some(CodexErrorInfo::HttpConnectionFailed { http_status_code: Some(401) }));
    assert_eq!(error.additional_details, None);
}

#[tokio::test]
async fn x_13_a_changed_plan_is_not_told() {
    let host = strict(refusing()).start().await;
    let (mut parent, thread) = lender(&host).await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    let token = parent.token(TokenRequest::default().plan("plus"));
    parent.answer(&asked, &json!({ "accessToken": token.access_token, "chatgptAccountId": "acct-1" }));
    assert!(parent.end_of(&turn_id).await.all::<m::AccountUpdated>().is_empty());
}

#[tokio::test]
async fn x_14_a_switch_of_accounts_ends_the_running_turn() {
    let slow = Response::new().chunks(Chunks::repeat("w ", 6000).every(Duration::from_millis(10)));
    let script = Script::new().rule(Rule::when("slow").respond(slow)).rule(Rule::always().respond("Done."));
    let host = strict(script).start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let turn_id = parent.start_turn(&thread, "slow please").await;
    parent.wait_for::<m::AgentMessageDelta>().await;
    let mut login = token(&parent, "acct-2");
    login["type"] = json!("chatgptAuthTokens");
    parent.call("account/login/start", login).await.unwrap();
    let error = parent.end_of(&turn_id).await.turn.error.unwrap();
    assert_eq!(error, other("Fatal error: application network permission was revoked"));
    assert_eq!(parent.turn(&thread, "next").await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn x_15_and_er_7_a_token_of_another_account_fails_this_turn_and_is_used_by_the_next() {
    let host = strict(refusing()).start().await;
    let (mut parent, thread) = lender(&host).await;
    // The first token of an account is refused by this backend.
    parent.token(TokenRequest::account("acct-2"));
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    parent.answer(&asked, &token(&parent, "acct-2"));
    let error = parent.end_of(&turn_id).await.turn.error.unwrap();
    assert_eq!(error, other("Fatal error: application network policy is unavailable"));
    assert_eq!(parent.turn(&thread, "next").await.turn.status, TurnStatus::Completed);
    assert_eq!(host.sim.requests().last().unwrap().header("chatgpt-account-id"), Some("acct-2"));
}

#[tokio::test]
async fn x_19_and_ea_3_the_first_version_of_the_login_is_refused() {
    let host = strict(Script::new()).start().await;
    let mut client = host.client().await;
    let token = client.token(TokenRequest::default()).access_token;
    let params = json!({ "type": "chatgptAuthTokens", "idToken": token, "accessToken": token });
    let refusal = client.refused("account/login/start", params).await;
    assert_eq!(refusal.message, "Invalid request: missing field `chatgptAccountId`");
}

#[tokio::test]
async fn x_21_the_token_is_given_to_anybody() {
    let host = strict(Script::new()).start().await;
    let mut parent = host.client().await;
    let lent = parent.lend(TokenRequest::default()).await;
    let mut stranger = host.client().await;
    let status = stranger.call("getAuthStatus", json!({ "includeToken": true })).await.unwrap();
    assert_eq!(status["authToken"], lent.access_token.as_str());
}

#[tokio::test]
async fn x_24_a_failed_discovery_fails_the_login_and_the_reads_but_not_the_turns() {
    let broken = Endpoint::new(500, json!({}));
    let script = Script::text("Hello.").endpoint("GET /backend-api/wham/accounts/check", broken);
    let host = strict(script).start().await;
    let mut client = host.client().await;
    let mut login = token(&client, "acct-1");
    login["type"] = json!("chatgptAuthTokens");
    client.call("account/login/start", login).await.unwrap();
    let completed = client.wait_for::<m::AccountLoginCompleted>().await;
    assert_eq!((completed.success, completed.error.as_deref()), (false, Some("workspace routing discovery failed")));
    let refusal = client.refused("account/read", json!({})).await;
    assert_eq!((refusal.code, refusal.message.as_str()), (-32603, "workspace routing discovery failed"));
    let thread = client.thread().await;
    assert_eq!(client.turn(&thread, "hello").await.turn.status, TurnStatus::Completed);
    assert!(client.record().messages().iter().all(|(_, message)| message["method"] != "account/updated"));
}

#[tokio::test]
async fn ea_16_a_login_without_an_account_id_is_taken_and_told_to_have_failed() {
    let host = strict(Script::new()).start().await;
    let mut client = host.client().await;
    let token = client.token(TokenRequest::default()).access_token;
    let params = json!({ "type": "chatgptAuthTokens", "accessToken": token, "chatgptAccountId": "" });
    client.call("account/login/start", params).await.unwrap();
    let completed = client.wait_for::<m::AccountLoginCompleted>().await;
    assert_eq!(completed.error.as_deref(), Some("workspace routing requires a ChatGPT account id"));
}

#[tokio::test]
async fn x_23_a_read_after_a_refresh_asks_the_backend_again() {
    let host = strict(refusing()).start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    parent.turn(&thread, "hello").await;
    let checks = || host.sim.requests().iter().filter(|r| r.path.contains("accounts/check")).count();
    let before = checks();
    parent.call("account/read", json!({})).await.unwrap();
    parent.call("account/read", json!({})).await.unwrap();
    assert_eq!(checks(), before + 1, "once per token");
}

#[tokio::test]
async fn what_nobody_can_need_is_not_restored() {
    let host = strict(refusing()).start().await;
    let (mut parent, thread) = lender(&host).await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    parent.refuse(&asked, &json!("no"));
    let error = parent.end_of(&turn_id).await.turn.error.unwrap();
    assert_eq!(error, other("auth refresh request failed: code=none"), "X-18");
    let turn_id = parent.start_turn(&thread, "again").await;
    parent.asked().await;
    parent.call("account/logout", Value::Null).await.unwrap();
    let error = parent.end_of(&turn_id).await.turn.error.unwrap();
    assert_eq!(error, other("Fatal error: application network permission was revoked"), "X-16");
}
