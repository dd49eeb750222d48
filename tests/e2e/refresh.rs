//! What the parent may answer to a refresh, and what comes of it. Row names are those of the specification.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{CodexErrorInfo, TurnError, TurnStatus};
use valet_sim::{IssuedToken, RecordedRequest, Script, TokenPolicy, TokenRequest};
use valet_tests::{TestClient, TestHost};

/// A host whose backend refuses the first token of each account, and a parent that has lent one.
async fn refused() -> (TestHost, TestClient, String) {
    refused_with(json!({ "experimentalApi": true })).await
}

async fn refused_with(capabilities: Value) -> (TestHost, TestClient, String) {
    let policy = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    let host = TestHost::start(Script::text("Hello.").tokens(policy)).await;
    let mut parent = host.connect();
    parent.initialize_with(capabilities).await;
    parent.lend(TokenRequest::default()).await;
    let thread = parent.thread().await;
    (host, parent, thread)
}

fn result(token: &IssuedToken) -> Value {
    json!({ "accessToken": token.access_token, "chatgptAccountId": token.account_id })
}

fn posts(host: &TestHost) -> Vec<Option<u16>> {
    host.sim.requests().iter().filter(|request| request.is_turn()).map(|request| request.status).collect()
}

/// Starts a turn, lets the test answer the refresh, and returns how the turn failed.
async fn failure(
    parent: &mut TestClient,
    thread: &str,
    answer: impl FnOnce(&TestClient, &valet_tests::Asked),
) -> TurnError {
    let turn_id = parent.start_turn(thread, "hello").await;
    let asked = parent.asked().await;
    assert_eq!(asked.method, "account/chatgptAuthTokens/refresh");
    assert_eq!(asked.params, json!({ "reason": "unauthorized", "previousAccountId": "acct-1" }));
    answer(parent, &asked);
    let ended = parent.end_of(&turn_id).await;
    assert_eq!(ended.turn.status, TurnStatus::Failed);
    let told = ended.all::<m::Error>();
    assert_eq!(told.len(), 1);
    assert!(!told[0].will_retry);
    assert_eq!(Some(&told[0].error), ended.turn.error.as_ref());
    ended.turn.error.unwrap()
}

/// The turn after a failed refresh asks again, and works.
async fn repaired(parent: &mut TestClient, thread: &str) {
    parent.answer_refreshes();
    assert_eq!(parent.turn(thread, "again").await.turn.status, TurnStatus::Completed);
}

fn unauthorized(error: &TurnError, kind: &str, message: &str) {
    assert_eq!(error.message, message);
    assert_eq!(error.codex_error_info, Some(CodexErrorInfo::Unauthorized));
    assert_eq!(error.additional_details.as_deref(), Some(kind));
}

#[tokio::test]
async fn er_1_an_error_of_the_parent_fails_the_turn_and_the_next_one_asks_again() {
    let (host, mut parent, thread) = refused().await;
    let error = failure(&mut parent, &thread, |parent, asked| {
        parent.refuse(asked, &json!({ "code": -32000, "message": "the user is asleep" }));
    })
    .await;
    unauthorized(&error, "refreshRejected", "auth refresh request failed: code=-32000");
    repaired(&mut parent, &thread).await;
    assert_eq!(posts(&host), [Some(401), Some(401), Some(200)]);
}

#[tokio::test]
async fn x_18_an_error_of_any_shape_fails_the_turn_at_once() {
    for error in [json!({ "message": "no" }), json!({ "code": "E_NO" }), json!("no"), json!(null)] {
        let (_host, mut parent, thread) = refused().await;
        let began = std::time::Instant::now();
        let failed = failure(&mut parent, &thread, |parent, asked| parent.refuse(asked, &error)).await;
        unauthorized(&failed, "refreshRejected", "auth refresh request failed: code=none");
        assert!(began.elapsed() < std::time::Duration::from_secs(1), "far below the deadline");
    }
}

#[tokio::test]
async fn x_18_an_id_that_comes_back_as_a_string_is_understood() {
    let (_host, mut parent, thread) = refused().await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let mut asked = parent.asked().await;
    asked.id = json!(asked.id.to_string());
    parent.answer(&asked, &result(&parent.token(TokenRequest::default())));
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn er_2_silence_fails_the_turn_after_the_deadline_that_the_parent_asked_for() {
    let capabilities = json!({ "experimentalApi": true, "valet": { "refreshTimeoutMs": 1000 } });
    let (_host, mut parent, thread) = refused_with(capabilities).await;
    let error = failure(&mut parent, &thread, |_, _| {}).await;
    unauthorized(&error, "refreshTimeout", "auth refresh request timed out after 1s");
    repaired(&mut parent, &thread).await;
}

#[tokio::test]
async fn x_8_a_late_answer_is_used_by_the_next_turn() {
    let capabilities = json!({ "experimentalApi": true, "valet": { "refreshTimeoutMs": 1000 } });
    let (host, mut parent, thread) = refused_with(capabilities).await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Failed);
    parent.answer(&asked, &result(&parent.token(TokenRequest::default())));
    // Answers of one connection are taken in order, so this read comes after the late answer.
    parent.call("account/read", json!({})).await.unwrap();
    assert_eq!(parent.turn(&thread, "again").await.turn.status, TurnStatus::Completed);
    assert!(!parent.was_asked());
    assert_eq!(posts(&host), [Some(401), Some(200)]);
}

#[tokio::test]
async fn er_4_an_answer_of_the_wrong_shape_is_invalid() {
    for answer in [json!(null), json!({}), json!([1]), json!({ "accessToken": 5, "chatgptAccountId": "acct-1" })] {
        let (_host, mut parent, thread) = refused().await;
        let error = failure(&mut parent, &thread, |parent, asked| parent.answer(asked, &answer)).await;
        unauthorized(&error, "refreshInvalid", "invalid auth refresh response");
        repaired(&mut parent, &thread).await;
    }
}

#[tokio::test]
async fn er_5_a_token_that_is_no_jwt_is_invalid() {
    for token in ["", "not-a-jwt"] {
        let (_host, mut parent, thread) = refused().await;
        let answer = json!({ "accessToken": token, "chatgptAccountId": "acct-1" });
        let error = failure(&mut parent, &thread, |parent, asked| parent.answer(asked, &answer)).await;
        unauthorized(&error, "refreshInvalid", "auth refresh returned invalid credentials");
    }
}

#[tokio::test]
async fn x_15_a_token_of_another_account_is_not_taken_and_the_old_one_is_kept() {
    let (_host, mut parent, thread) = refused().await;
    let other = parent.token(TokenRequest::account("acct-2"));
    let error = failure(&mut parent, &thread, |parent, asked| parent.answer(asked, &result(&other))).await;
    unauthorized(&error, "accountMismatch", "auth refresh returned credentials for another account");
    repaired(&mut parent, &thread).await;
}

#[tokio::test]
async fn er_9_a_good_token_that_is_refused_too_ends_the_turn_after_one_refresh() {
    let policy = TokenPolicy { uses: Some(0), ..TokenPolicy::default() };
    let host = TestHost::builder()
        .script(Script::text("Hello.").tokens(policy))
        .provider("stream_max_retries = 3")
        .start()
        .await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let error = parent.turn(&thread, "hello").await.turn.error.unwrap();
    assert!(error.message.starts_with("unexpected status 401 Unauthorized: "), "{}", error.message);
    assert_eq!(error.additional_details.as_deref(), Some("reauthRequired"));
    assert_eq!(posts(&host), [Some(401), Some(401)], "retries do not multiply a 401");
}

#[tokio::test]
async fn er_11_and_unknown_members_do_no_harm() {
    let (_host, mut parent, thread) = refused().await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    let mut answer = result(&parent.token(TokenRequest::default()));
    answer["idToken"] = json!("ignored");
    answer["chatgptPlanType"] = Value::Null;
    let both = json!({ "id": asked.id, "error": { "code": 1, "message": "ignored" }, "result": answer });
    parent.send_text(&both.to_string());
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn x_1_turns_that_are_refused_together_cause_one_request() {
    let (host, mut parent, _thread) = refused().await;
    let mut turns = Vec::new();
    for _ in 0..16 {
        let thread = parent.thread().await;
        turns.push(parent.start_turn(&thread, "hello").await);
    }
    host.sim.wait_for_requests(|request: &RecordedRequest| request.status == Some(401), 16).await;
    let asked = parent.asked().await;
    parent.answer(&asked, &result(&parent.token(TokenRequest::default())));
    let mut open: std::collections::HashSet<String> = turns.into_iter().collect();
    while !open.is_empty() {
        let ended = parent.wait_for::<m::TurnCompleted>().await.turn;
        assert_eq!(ended.status, TurnStatus::Completed);
        open.remove(&ended.id);
    }
    assert!(!parent.was_asked());
    assert_eq!(posts(&host).iter().filter(|status| **status == Some(200)).count(), 16);
}

#[tokio::test]
async fn x_4_an_answer_of_another_connection_has_no_effect() {
    let (host, mut parent, thread) = refused().await;
    let mut stranger = host.client().await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    stranger.refuse(&asked, &json!({ "code": -32601, "message": "unsupported request" }));
    stranger.answer(&asked, &result(&stranger.token(TokenRequest::account("acct-evil"))));
    stranger.call("account/read", json!({})).await.unwrap();
    parent.answer(&asked, &result(&parent.token(TokenRequest::default())));
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Completed);
    assert!(!stranger.was_asked(), "only the lender is asked");
}

#[tokio::test]
async fn x_5_a_login_in_time_saves_the_turn() {
    let (host, mut parent, thread) = refused().await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    parent.asked().await;
    let token = parent.token(TokenRequest::default());
    let mut params = result(&token);
    params["type"] = json!("chatgptAuthTokens");
    parent.call("account/login/start", params).await.unwrap();
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Completed);
    assert_eq!(posts(&host), [Some(401), Some(200)]);
}

#[tokio::test]
async fn em_8_an_interrupt_during_a_refresh_is_carried_out_at_once_and_the_answer_is_kept() {
    let (host, mut parent, thread) = refused().await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    parent.call("turn/interrupt", json!({ "threadId": thread, "turnId": turn_id })).await.unwrap();
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Interrupted);
    parent.answer(&asked, &result(&parent.token(TokenRequest::default())));
    parent.call("account/read", json!({})).await.unwrap();
    assert_eq!(parent.turn(&thread, "again").await.turn.status, TurnStatus::Completed);
    assert!(!parent.was_asked());
    assert_eq!(posts(&host), [Some(401), Some(200)]);
}

#[tokio::test]
async fn x_16_a_logout_during_a_refresh_does_not_wait_for_it() {
    let (_host, mut parent, thread) = refused().await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    parent.asked().await;
    parent.call("account/logout", Value::Null).await.unwrap();
    let error = parent.end_of(&turn_id).await.turn.error.unwrap();
    unauthorized(&error, "reauthRequired", "Fatal error: application network permission was revoked");
}

#[tokio::test]
async fn a_lender_that_leaves_during_a_refresh_fails_the_turn_as_nobody_can_be_asked() {
    let (host, mut parent, _) = refused().await;
    let mut other = host.client().await;
    let thread = other.thread().await;
    let turn_id = other.start_turn(&thread, "hello").await;
    parent.asked().await;
    drop(parent);
    let error = other.end_of(&turn_id).await.turn.error.unwrap();
    unauthorized(&error, "noOwner", "auth refresh request timed out after 10s");
}
