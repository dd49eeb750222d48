//! Logins that the host owns are renewed, in company.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{CodexErrorInfo, TurnError, TurnStatus};
use valet_sim::{Fault, RecordedRequest, TokenPolicy, TokenRequest};
use valet_tests::{TestClient, TestHost};

use super::{account, issuer, kept, log_in, refreshes, script, script_with};

/// Has every access token that was given so far refused.
fn expire(host: &TestHost) {
    host.sim.tokens().expire_all();
}

async fn logged_in(fault: Option<Fault>) -> (TestHost, TestClient, String) {
    let issuer = fault.into_iter().fold(issuer(), |issuer, fault| issuer.fault(fault));
    let host = TestHost::start(script_with(issuer)).await;
    let mut client = host.client().await;
    log_in(&mut client).await;
    let thread = client.thread().await;
    (host, client, thread)
}

async fn failure(client: &mut TestClient, thread: &str) -> TurnError {
    let ended = client.turn(thread, "hi").await;
    assert_eq!(ended.turn.status, TurnStatus::Failed);
    ended.turn.error.unwrap()
}

fn refresh_calls(host: &TestHost) -> Vec<RecordedRequest> {
    let mut requests = host.sim.requests();
    requests.retain(|request| request.body["grant_type"] == "refresh_token");
    requests
}

#[tokio::test]
async fn a_refused_token_is_renewed_kept_and_the_turn_goes_on() {
    let (host, mut client, thread) = logged_in(None).await;
    let before = kept(&host);
    for round in 1..=3 {
        expire(&host);
        assert_eq!(client.turn(&thread, "hi").await.streamed_text(), "Hello.");
        assert_eq!(refreshes(&host), round);
    }
    let after = kept(&host);
    assert_ne!(before["tokens"]["refresh_token"], after["tokens"]["refresh_token"], "it rotates");
    let last = host.sim.requests().into_iter().rfind(RecordedRequest::is_turn).unwrap();
    assert_eq!(last.bearer.as_deref(), after["tokens"]["access_token"].as_str());
    for call in refresh_calls(&host) {
        assert_eq!(call.header("content-type"), Some("application/json"));
        assert_eq!(call.body["refresh_reason"], "unauthorized_recovery");
        assert_eq!(call.body["client_id"], "app_EMoamEEZ73f0CkXaXp7hrann");
    }
    // Nothing was spent twice.
    assert!(host.sim.tokens().grants().iter().flat_map(|grant| &grant.redemptions).all(|use_| use_.refused.is_none()));
}

#[tokio::test]
async fn a_client_can_have_it_renewed() {
    let (host, mut client, _) = logged_in(None).await;
    client.call("account/read", json!({ "refreshToken": true })).await.unwrap();
    client.call("getAuthStatus", json!({ "refreshToken": true })).await.unwrap();
    let reasons: Vec<_> = refresh_calls(&host).iter().map(|call| call.body["refresh_reason"].clone()).collect();
    assert_eq!(reasons, ["forced", "forced"]);
    client.call("account/read", json!({ "refreshToken": false })).await.unwrap();
    assert_eq!(refreshes(&host), 2);
}

#[tokio::test]
async fn many_turns_on_one_expired_token_are_one_refresh() {
    let (host, mut client, _) = logged_in(None).await;
    expire(&host);
    for _ in 0..16 {
        let thread = client.thread().await;
        client.start_turn(&thread, "hi").await;
    }
    for _ in 0..16 {
        assert_eq!(client.wait_for::<m::TurnCompleted>().await.turn.status, TurnStatus::Completed);
    }
    assert_eq!(refreshes(&host), 1);
}

#[tokio::test]
async fn a_refusal_for_good_is_said_in_the_references_words_remembered_and_lifted_by_a_login() {
    let rows = [
        ("refresh_token_expired", " because your refresh token has expired"),
        ("refresh_token_reused", " because your refresh token was already used"),
        ("refresh_token_invalidated", " because your refresh token was revoked"),
        ("invalid_grant", ""),
    ];
    for (code, why) in rows {
        let body = json!({ "error": { "code": code, "message": "no" } });
        let fault = Fault::status("/oauth/token", 401).grant_type("refresh_token").body(body);
        let (host, mut client, thread) = logged_in(Some(fault)).await;
        expire(&host);
        let error = failure(&mut client, &thread).await;
        let expected = format!("Your access token could not be refreshed{why}. Please log out and sign in again.");
        assert_eq!((error.message, error.codex_error_info), (expected, Some(CodexErrorInfo::Unauthorized)));
        assert_eq!(error.additional_details.as_deref(), Some("reauthRequired"));
        assert_eq!(account(&mut client).await, None);
        let status = client.call("getAuthStatus", json!({ "includeToken": true })).await.unwrap();
        assert_eq!((&status["authMethod"], &status["authToken"]), (&json!("chatgpt"), &Value::Null));
        failure(&mut client, &thread).await;
        assert_eq!(refreshes(&host), 1, "it is not asked again");
        assert_eq!(kept(&host)["auth_mode"], "chatgpt", "and what is kept stays");
        log_in(&mut client).await;
        assert_eq!(client.turn(&thread, "hi").await.streamed_text(), "Hello.");
    }
}

#[tokio::test]
async fn a_refusal_for_good_is_lifted_by_a_login_of_another_process() {
    let (host, mut client, thread) = logged_in(None).await;
    for grant in host.sim.tokens().grants() {
        assert!(host.sim.tokens().revoke(&grant.refresh_tokens[0].fingerprint));
    }
    failure(&mut client, &thread).await;
    assert_eq!(account(&mut client).await, None);
    log_in(&mut host.beside().client().await).await;
    assert_eq!(client.turn(&thread, "hi").await.streamed_text(), "Hello.");
    assert!(account(&mut client).await.is_some());
}

#[tokio::test]
async fn an_issuer_that_fails_fails_the_turn_and_the_next_one_asks_again() {
    let fault = Fault::status("/oauth/token", 500).grant_type("refresh_token").times(2);
    let (host, mut client, thread) = logged_in(Some(fault)).await;
    let read = client.call("account/read", json!({ "refreshToken": true })).await.unwrap();
    assert_eq!(read["account"]["type"], "chatgpt", "what is there is still good");
    expire(&host);
    let error = failure(&mut client, &thread).await;
    assert!(error.message.starts_with("Failed to refresh token: 500 Internal Server Error"), "{}", error.message);
    assert!(account(&mut client).await.is_some());
    assert_eq!(client.turn(&thread, "hi").await.streamed_text(), "Hello.");
    assert_eq!(refreshes(&host), 3);
}

#[tokio::test]
async fn somebody_else_in_the_file_is_not_used_for_work_that_goes_on() {
    let (host, mut client, thread) = logged_in(None).await;
    expire(&host);
    let mut other = kept(&host);
    other["tokens"]["account_id"] = json!("acct-9");
    std::fs::write(super::file(&host), other.to_string()).unwrap();
    let error = failure(&mut client, &thread).await;
    assert_eq!(
        error.message,
        "Your access token could not be refreshed because you have since logged out or signed in to another account. \
         Please sign in again."
    );
    assert_eq!(refreshes(&host), 0, "no refresh token was spent");
    assert_eq!(kept(&host), other, "and the other login was left alone");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let policy = TokenPolicy { lifetime_ms: 60_000, ..TokenPolicy::default() };
    let host = TestHost::start(script().tokens(policy)).await;
    let mut client = host.client().await;
    log_in(&mut client).await;
    let thread = client.thread().await;
    assert_eq!(client.turn(&thread, "hi").await.streamed_text(), "Hello.");
    host.sim.wait_for_requests(|call| call.body["grant_type"] == "refresh_token", 1).await;
    let turns: Vec<_> = host.sim.requests().iter().filter(|call| call.is_turn()).map(|call| call.status).collect();
    assert_eq!(turns, [Some(200)], "nobody waited for a refusal");
}

#[tokio::test]
async fn what_another_process_has_renewed_is_used_and_a_plan_that_has_changed_is_told() {
    let (host, mut client, thread) = logged_in(None).await;
    expire(&host);
    let mut renewed = kept(&host);
    let token = client.token(TokenRequest::default().plan("plus"));
    renewed["tokens"]["access_token"] = json!(token.access_token);
    renewed["tokens"]["id_token"] = json!(token.id_token);
    std::fs::write(super::file(&host), renewed.to_string()).unwrap();
    assert_eq!(client.turn(&thread, "hi").await.streamed_text(), "Hello.");
    assert_eq!(refreshes(&host), 0);
    let record = client.record();
    let (_, told) = record.messages().iter().rfind(|(_, message)| message["method"] == "account/updated").unwrap();
    assert_eq!(told["params"], json!({ "authMode": "chatgpt", "planType": "plus" }));
}

#[tokio::test]
async fn what_another_process_has_put_there_and_is_refused_as_well_is_renewed() {
    let (host, mut client, thread) = logged_in(None).await;
    let mut renewed = kept(&host);
    renewed["tokens"]["access_token"] = json!(client.token(TokenRequest::default()).access_token);
    expire(&host);
    std::fs::write(super::file(&host), renewed.to_string()).unwrap();
    assert_eq!(client.turn(&thread, "hi").await.streamed_text(), "Hello.");
    assert_eq!(refreshes(&host), 1);
}
