//! What the parent may answer to a refresh, and what comes of it. Row names are those of the specification.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{CodexErrorInfo, TurnError, TurnStatus};
use valet_sim::{Chunks, IssuedToken, RecordedRequest, Response, Rule, Script, TokenPolicy, TokenRequest};
use valet_tests::{TestClient, TestHost, TestTurn};

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

/// An answer that no turn waits for any more is as good for the next one.
async fn good_for_the_next_turn(host: &TestHost, parent: &mut TestClient, thread: &str, asked: &valet_tests::Asked) {
    parent.answer(asked, &result(&parent.token(TokenRequest::default())));
    // Answers of one connection are taken in order, so this read comes after the late answer.
    parent.call("account/read", json!({})).await.unwrap();
    assert_eq!(parent.turn(thread, "again").await.turn.status, TurnStatus::Completed);
    assert!(!parent.was_asked());
    assert_eq!(posts(host), [Some(401), Some(200)]);
}

/// The parent need not answer any more, and hears it before the end of the turn or after it.
async fn told_that_it_is_not_needed(parent: &mut TestClient, ended: &TestTurn, asked: &valet_tests::Asked) {
    let request = match ended.all::<m::ServerRequestResolved>().pop() {
        Some(resolved) => resolved.request_id,
        None => parent.wait_for::<m::ServerRequestResolved>().await.request_id,
    };
    assert_eq!(json!(request), asked.id);
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
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "far below the deadline");
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
    good_for_the_next_turn(&host, &mut parent, &thread, &asked).await;
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
    for _ in 0..64 {
        let thread = parent.thread().await;
        turns.push(parent.start_turn(&thread, "hello").await);
    }
    host.sim.wait_for_requests(|request: &RecordedRequest| request.status == Some(401), 64).await;
    let asked = parent.asked().await;
    parent.answer(&asked, &result(&parent.token(TokenRequest::default())));
    let mut open: std::collections::HashSet<String> = turns.into_iter().collect();
    while !open.is_empty() {
        let ended = parent.wait_for::<m::TurnCompleted>().await.turn;
        assert_eq!(ended.status, TurnStatus::Completed);
        open.remove(&ended.id);
    }
    assert!(!parent.was_asked());
    assert_eq!(posts(&host).iter().filter(|status| **status == Some(200)).count(), 64);
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
    let asked = parent.asked().await;
    let token = parent.token(TokenRequest::default());
    let mut params = result(&token);
    params["type"] = json!("chatgptAuthTokens");
    parent.call("account/login/start", params).await.unwrap();
    let ended = parent.end_of(&turn_id).await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    assert_eq!(posts(&host), [Some(401), Some(200)]);
    told_that_it_is_not_needed(&mut parent, &ended, &asked).await;
}

#[tokio::test]
async fn em_8_an_interrupt_during_a_refresh_is_carried_out_at_once_and_the_answer_is_kept() {
    let (host, mut parent, thread) = refused().await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    parent.call("turn/interrupt", json!({ "threadId": thread, "turnId": turn_id })).await.unwrap();
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Interrupted);
    good_for_the_next_turn(&host, &mut parent, &thread, &asked).await;
}

#[tokio::test]
async fn x_16_a_logout_during_a_refresh_does_not_wait_for_it() {
    let (_host, mut parent, thread) = refused().await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    parent.call("account/logout", Value::Null).await.unwrap();
    let ended = parent.end_of(&turn_id).await;
    told_that_it_is_not_needed(&mut parent, &ended, &asked).await;
    let error = ended.turn.error.unwrap();
    unauthorized(&error, "reauthRequired", "Fatal error: application network permission was revoked");
}

const SHORT: &str = "auth refresh request timed out after 1s";

/// A parent that gives itself a second, and perhaps a key to come back with.
fn short(key: Option<&str>) -> Value {
    json!({ "experimentalApi": true, "valet": { "refreshTimeoutMs": 1000, "ownerKey": key } })
}

#[tokio::test]
async fn a_lender_that_leaves_during_a_refresh_was_asked_and_the_turn_fails_at_the_deadline() {
    let (host, parent, _) = refused_with(short(None)).await;
    let mut parent = parent;
    let mut other = host.connect();
    other.initialize_with(Value::Null).await;
    let thread = other.thread().await;
    let turn_id = other.start_turn(&thread, "hello").await;
    parent.asked().await;
    drop(parent);
    let error = other.end_of(&turn_id).await.turn.error.unwrap();
    unauthorized(&error, "refreshTimeout", SHORT);
    assert!(!other.was_asked(), "whoever has not opted into what is experimental is not asked");
}

#[tokio::test]
async fn no_owner_is_told_when_nobody_was_there_to_be_asked() {
    let policy = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    let script = Script::text("Hello.").tokens(policy);
    let host = TestHost::builder().script(script).with("valet.auth_refresh_timeout_ms=300").start().await;
    let mut parent = host.client().await;
    parent.lend(TokenRequest::default()).await;
    let mut other = host.connect();
    other.initialize_with(Value::Null).await;
    let thread = other.thread().await;
    drop(parent);
    let turn_id = other.start_turn(&thread, "hello").await;
    let error = other.end_of(&turn_id).await.turn.error.unwrap();
    assert_eq!(error.message, "auth refresh request timed out after 0.3s");
    assert_eq!(error.additional_details.as_deref(), Some("noOwner"));
}

#[tokio::test]
async fn a_stand_in_that_is_silent_was_asked_and_its_late_answer_is_used_by_the_next_turn() {
    let policy = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    let script = Script::text("Hello.").tokens(policy);
    let host = TestHost::builder().script(script).with("valet.auth_refresh_timeout_ms=2200").start().await;
    let mut parent = host.client().await;
    parent.lend(TokenRequest::default()).await;
    let mut stand_in = host.client().await;
    let thread = stand_in.thread().await;
    drop(parent);
    let turn_id = stand_in.start_turn(&thread, "hello").await;
    let asked = stand_in.asked().await;
    let error = stand_in.end_of(&turn_id).await.turn.error.unwrap();
    unauthorized(&error, "refreshTimeout", "auth refresh request timed out after 2.2s");
    good_for_the_next_turn(&host, &mut stand_in, &thread, &asked).await;
}

/// A turn that waits for a token, with nobody there who could be asked for it.
async fn waiting() -> (TestHost, TestClient, String) {
    let (host, parent, _) = refused().await;
    let mut watcher = host.connect();
    watcher.initialize_with(Value::Null).await;
    let thread = watcher.thread().await;
    drop(parent);
    watcher.start_turn(&thread, "hello").await;
    host.sim.wait_for_requests(|request: &RecordedRequest| request.status == Some(401), 1).await;
    (host, watcher, thread)
}

#[tokio::test]
async fn whoever_comes_to_watch_a_turn_that_waits_for_a_token_is_asked_for_it() {
    let (host, mut watcher, thread) = waiting().await;
    let mut late = host.client().await;
    late.call("thread/resume", json!({ "threadId": thread })).await.unwrap();
    let asked = late.asked().await;
    late.answer(&asked, &result(&late.token(TokenRequest::default())));
    assert_eq!(watcher.wait_for::<m::TurnCompleted>().await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn those_who_watch_a_turn_that_comes_to_wait_for_the_same_token_are_asked_for_it() {
    let (host, mut watcher, _) = waiting().await;
    let mut other = host.client().await;
    let thread = other.thread().await;
    other.start_turn(&thread, "hello").await;
    let asked = other.asked().await;
    other.answer(&asked, &result(&other.token(TokenRequest::default())));
    for client in [&mut watcher, &mut other] {
        assert_eq!(client.wait_for::<m::TurnCompleted>().await.turn.status, TurnStatus::Completed);
    }
}

#[tokio::test]
async fn x_3_when_the_lender_is_gone_those_who_watch_the_turn_are_asked_one_at_a_time() {
    let (host, parent, _) = refused().await;
    let mut first = host.client().await;
    let mut bystander = host.client().await;
    let thread = first.thread().await;
    drop(parent);
    let turn_id = first.start_turn(&thread, "hello").await;
    let asked = first.asked().await;
    first.answer(&asked, &result(&first.token(TokenRequest::default())));
    assert_eq!(first.end_of(&turn_id).await.turn.status, TurnStatus::Completed);
    bystander.call("account/read", json!({})).await.unwrap();
    assert!(!bystander.was_asked(), "whoever does not watch the turn is not asked");
}

#[tokio::test]
async fn when_all_who_stand_in_refuse_the_turn_fails_at_once() {
    let (host, parent, _) = refused().await;
    let mut stand_in = host.client().await;
    let thread = stand_in.thread().await;
    drop(parent);
    let error = failure(&mut stand_in, &thread, |client, asked| {
        client.refuse(asked, &json!({ "code": -32601, "message": "unsupported" }));
    })
    .await;
    unauthorized(&error, "refreshRejected", "auth refresh request failed: code=-32601");
}

#[tokio::test]
async fn x_6_a_lender_that_comes_back_with_its_key_is_asked_again_under_the_same_id() {
    let key = Some("a key that nobody can guess");
    let capabilities = json!({ "experimentalApi": true, "valet": { "ownerKey": key } });
    let (host, mut parent, _) = refused_with(capabilities.clone()).await;
    let mut watcher = host.connect();
    watcher.initialize_with(Value::Null).await;
    let thread = watcher.thread().await;
    let turn_id = watcher.start_turn(&thread, "hello").await;
    let before = parent.asked().await;
    drop(parent);
    let mut parent = host.connect();
    parent.initialize_with(capabilities).await;
    let again = parent.asked().await;
    assert_eq!((&again.id, &again.params), (&before.id, &before.params));
    parent.answer(&again, &result(&parent.token(TokenRequest::default())));
    assert_eq!(watcher.end_of(&turn_id).await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn an_owner_key_that_is_too_short_is_refused() {
    let host = TestHost::start(Script::new()).await;
    let mut client = host.connect();
    let params = json!({
        "clientInfo": { "name": "x", "version": "1" },
        "capabilities": { "valet": { "ownerKey": "short" } },
    });
    let refusal = client.refused("initialize", params).await;
    assert_eq!(refusal.message, "capabilities.valet.ownerKey must be 16 to 256 characters long");
}

#[tokio::test]
async fn whoever_is_asked_in_vain_is_told_that_no_answer_is_needed() {
    let (_host, mut parent, thread) = refused_with(short(None)).await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    let ended = parent.end_of(&turn_id).await;
    let resolved = ended.all::<m::ServerRequestResolved>();
    assert_eq!(resolved.len(), 1);
    assert_eq!(resolved[0].thread_id, thread);
    assert_eq!(serde_json::to_value(&resolved[0].request_id).unwrap(), asked.id);
}

#[tokio::test]
async fn x_13_a_refresh_that_changes_the_plan_is_told_to_everybody_before_the_turn_goes_on() {
    let (host, mut parent, thread) = refused().await;
    let mut other = host.client().await;
    other.wait_for::<m::AccountUpdated>().await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    parent.answer(&asked, &result(&parent.token(TokenRequest::default().plan("plus"))));
    let ended = parent.end_of(&turn_id).await;
    let story = ended.story();
    let told = story.iter().position(|method| *method == "account/updated").unwrap();
    let streamed = story.iter().position(|method| *method == "item/agentMessage/delta").unwrap();
    assert!(told < streamed, "{story:?}");
    assert_eq!(other.wait_for::<m::AccountUpdated>().await.plan_type.unwrap().as_str(), "plus");
}

#[tokio::test]
async fn x_15_a_parent_that_asks_for_it_may_answer_with_another_account() {
    let capabilities = json!({ "experimentalApi": true, "valet": { "allowAccountSwitchOnRefresh": true } });
    let (host, mut parent, thread) = refused_with(capabilities).await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    // The first token of an account is refused by this backend.
    parent.token(TokenRequest::account("acct-2"));
    parent.answer(&asked, &result(&parent.token(TokenRequest::account("acct-2"))));
    let ended = parent.end_of(&turn_id).await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    assert_eq!(ended.all::<m::AccountUpdated>().len(), 1);
    let last = host.sim.requests().last().unwrap().clone();
    assert_eq!(last.header("chatgpt-account-id"), Some("acct-2"));
}

#[tokio::test]
async fn er_6_a_token_of_a_forbidden_workspace_is_not_taken() {
    let policy = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    let host = TestHost::builder()
        .script(Script::text("Hello.").tokens(policy))
        .config("forced_chatgpt_workspace_id = [\"acct-1\", \"acct-9\"]")
        .start()
        .await;
    let mut parent = host.client().await;
    parent.lend(TokenRequest::default()).await;
    let thread = parent.thread().await;
    let other = parent.token(TokenRequest::account("acct-2"));
    let error = failure(&mut parent, &thread, |parent, asked| parent.answer(asked, &result(&other))).await;
    let message = "Login is restricted to workspace(s) acct-1, acct-9, but current credentials belong to acct-2";
    unauthorized(&error, "workspaceRestricted", message);
    repaired(&mut parent, &thread).await;
}

#[tokio::test]
async fn x_2_a_401_to_a_token_that_is_already_replaced_asks_nobody() {
    let late = Response::status(401).headers_after(std::time::Duration::from_millis(700));
    let script = Script::new().rule(Rule::when("slow").respond(late).respond("Hello."));
    let host = TestHost::start(script.rule(Rule::always().respond("Hello."))).await;
    let mut parent = host.client().await;
    let replaced = parent.lend(TokenRequest::default()).await.access_token;
    let threads = [parent.thread().await, parent.thread().await];
    let slow = parent.start_turn(&threads[0], "slow").await;
    host.sim.wait_for_requests(RecordedRequest::is_turn, 1).await;
    host.sim.tokens().expire(&replaced);
    let other = parent.start_turn(&threads[1], "hello").await;
    let asked = parent.asked().await;
    parent.answer(&asked, &result(&parent.token(TokenRequest::default())));
    assert_eq!(parent.end_of(&other).await.turn.status, TurnStatus::Completed);
    assert_eq!(parent.end_of(&slow).await.turn.status, TurnStatus::Completed);
    assert!(!parent.was_asked());
    let tokens: Vec<_> = host.sim.requests().into_iter().filter(RecordedRequest::is_turn).map(|r| r.bearer).collect();
    assert_eq!((&tokens[0], &tokens[1], &tokens[2]), (&Some(replaced.clone()), &Some(replaced), &tokens[3]));
}

#[tokio::test]
async fn x_9_a_token_about_to_expire_is_renewed_beside_the_turn_and_never_for_an_idle_host() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.client().await;
    let soon = TokenRequest::default().lifetime(std::time::Duration::from_secs(120));
    parent.lend(soon).await;
    let thread = parent.thread().await;
    assert!(!parent.was_asked(), "an idle host asks nobody");
    assert_eq!(parent.turn(&thread, "hello").await.turn.status, TurnStatus::Completed);
    let asked = parent.asked().await;
    assert_eq!(asked.params["valet"], json!({ "proactive": true }));
    let renewed = parent.token(TokenRequest::default());
    parent.answer(&asked, &result(&renewed));
    parent.call("account/read", json!({})).await.unwrap();
    assert_eq!(parent.turn(&thread, "again").await.turn.status, TurnStatus::Completed);
    assert!(!parent.was_asked());
    assert_eq!(host.sim.requests().last().unwrap().bearer.as_deref(), Some(renewed.access_token.as_str()));
    assert_eq!(posts(&host), [Some(200), Some(200)], "no 401 was seen");
}

#[tokio::test]
async fn x_9_a_failed_renewal_ahead_harms_nothing_and_is_not_tried_again_at_once() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.client().await;
    parent.lend(TokenRequest::default().lifetime(std::time::Duration::from_secs(120))).await;
    let thread = parent.thread().await;
    assert_eq!(parent.turn(&thread, "hello").await.turn.status, TurnStatus::Completed);
    let asked = parent.asked().await;
    parent.refuse(&asked, &json!({ "code": -32000, "message": "not now" }));
    parent.call("account/read", json!({})).await.unwrap();
    assert_eq!(parent.turn(&thread, "again").await.turn.status, TurnStatus::Completed);
    assert!(!parent.was_asked());
}

#[tokio::test]
async fn x_14_a_switch_of_accounts_leaves_the_running_turn_alone_and_counts_for_the_next() {
    let slow = Response::new().chunks(Chunks::repeat("w ", 20).every(std::time::Duration::from_millis(10)));
    let script = Script::new().rule(Rule::when("slow").respond(slow)).rule(Rule::always().respond("Done."));
    let host = TestHost::start(script).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let turn_id = parent.start_turn(&thread, "slow please").await;
    parent.wait_for::<m::AgentMessageDelta>().await;
    parent.lend(TokenRequest::account("acct-2")).await;
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Completed);
    assert_eq!(parent.turn(&thread, "next").await.turn.status, TurnStatus::Completed);
    let requests = host.sim.requests();
    let accounts: Vec<_> =
        requests.iter().filter(|r| r.is_turn()).map(|r| r.header("chatgpt-account-id").unwrap()).collect();
    assert_eq!(accounts, ["acct-1", "acct-2"]);
}

#[tokio::test]
async fn x_19_the_first_version_of_the_login_is_taken_and_its_account_is_read_from_the_token() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.client().await;
    let token = parent.token(TokenRequest::account("acct-7"));
    let params = json!({ "type": "chatgptAuthTokens", "idToken": "x.y.z", "accessToken": token.access_token });
    parent.call("account/login/start", params).await.unwrap();
    parent.wait_for::<m::AccountUpdated>().await;
    let thread = parent.thread().await;
    assert_eq!(parent.turn(&thread, "hello").await.turn.status, TurnStatus::Completed);
    assert_eq!(host.sim.requests().last().unwrap().header("chatgpt-account-id"), Some("acct-7"));
}

#[tokio::test]
async fn a_lender_that_comes_back_after_the_deadline_is_not_asked_for_what_nobody_waits_for() {
    let key = json!({ "experimentalApi": true, "valet": { "refreshTimeoutMs": 1000, "ownerKey": "a key of sixteen" } });
    let policy = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    let script = Script::text("Hello.").tokens(policy);
    let host = TestHost::builder().script(script).with("valet.auth_refresh_timeout_ms=100").start().await;
    let mut parent = host.connect();
    parent.initialize_with(key.clone()).await;
    parent.lend(TokenRequest::default()).await;
    let mut watcher = host.connect();
    watcher.initialize_with(Value::Null).await;
    let thread = watcher.thread().await;
    drop(parent);
    for _ in 0..3 {
        assert_eq!(watcher.turn(&thread, "hello").await.turn.status, TurnStatus::Failed);
    }
    let mut parent = host.connect();
    parent.initialize_with(key).await;
    parent.call("account/read", json!({})).await.unwrap();
    assert!(!parent.was_asked());
    // But the next turn finds it again.
    let turn_id = watcher.start_turn(&thread, "again").await;
    let asked = parent.asked().await;
    parent.answer(&asked, &result(&parent.token(TokenRequest::default())));
    assert_eq!(watcher.end_of(&turn_id).await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn x_6_a_lender_that_comes_back_is_asked_at_once_although_a_stand_in_is_silent() {
    let capabilities = json!({ "experimentalApi": true, "valet": { "ownerKey": "a key of sixteen" } });
    let (host, mut parent, _) = refused_with(capabilities.clone()).await;
    let mut silent = host.client().await;
    let thread = silent.thread().await;
    let turn_id = silent.start_turn(&thread, "hello").await;
    let before = parent.asked().await;
    drop(parent);
    silent.asked().await;
    let began = std::time::Instant::now();
    let mut parent = host.connect();
    parent.initialize_with(capabilities).await;
    let again = parent.asked().await;
    assert_eq!(again.id, before.id);
    parent.answer(&again, &result(&parent.token(TokenRequest::default())));
    let ended = silent.end_of(&turn_id).await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    assert_eq!(ended.all::<m::ServerRequestResolved>().len(), 1, "the stand-in is told that it need not answer");
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "not only when the stand-in's time is over");
}

#[tokio::test]
async fn a_turn_after_an_interrupted_one_has_the_whole_deadline_again() {
    let (host, mut parent, thread) = refused_with(short(None)).await;
    let turn_id = parent.start_turn(&thread, "hello").await;
    let first = parent.asked().await;
    parent.call("turn/interrupt", json!({ "threadId": thread, "turnId": turn_id })).await.unwrap();
    parent.end_of(&turn_id).await;
    let turn_id = parent.start_turn(&thread, "again").await;
    let second = parent.asked().await;
    assert!(second.id != first.id);
    parent.answer(&second, &result(&parent.token(TokenRequest::default())));
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Completed);
    assert_eq!(posts(&host), [Some(401), Some(401), Some(200)]);
}

#[tokio::test]
async fn x_9_a_parent_whose_tokens_are_all_short_lived_is_not_asked_at_every_request() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.client().await;
    let soon = || TokenRequest::default().lifetime(std::time::Duration::from_secs(100));
    parent.lend(soon()).await;
    let thread = parent.thread().await;
    parent.turn(&thread, "hello").await;
    let asked = parent.asked().await;
    parent.answer(&asked, &result(&parent.token(soon())));
    for _ in 0..5 {
        assert_eq!(parent.turn(&thread, "again").await.turn.status, TurnStatus::Completed);
    }
    assert!(!parent.was_asked());
}

#[tokio::test]
async fn the_connection_that_reads_rate_limits_stands_in_for_a_lender_that_is_gone() {
    let policy = TokenPolicy { refuse_everywhere: true, ..TokenPolicy::default() };
    let host = TestHost::start(Script::new().tokens(policy)).await;
    let mut parent = host.client().await;
    let lent = parent.lend(TokenRequest::default()).await;
    host.sim.tokens().expire(&lent.access_token);
    let mut reader = host.client().await;
    drop(parent);
    reader.answer_refreshes();
    let limits = reader.call("account/rateLimits/read", Value::Null).await.unwrap();
    assert_eq!(limits["rateLimits"]["limitId"], "codex");
}
