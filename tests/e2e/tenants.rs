//! Scope `connection`: each connection is a tenant with an account, threads and refreshes of its own.

use std::collections::HashMap;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{GetAccountParams, TurnStatus};
use valet_server::End;
use valet_sim::{RecordedRequest, Script, TokenPolicy, TokenRequest};
use valet_tests::{Direction, TestClient, TestHost};

async fn host() -> TestHost {
    let policy = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    TestHost::builder().script(Script::text("Hello.").tokens(policy)).with("valet.auth_scope=connection").start().await
}

async fn tenant(host: &TestHost, account: &str) -> TestClient {
    let mut client = host.client().await;
    client.answer_refreshes();
    client.lend(TokenRequest::account(account)).await;
    client
}

/// Every text that a client got.
fn heard(client: &TestClient) -> String {
    let record = client.record();
    let texts = record.messages().iter().filter(|(to, _)| *to == Direction::ToClient);
    texts.map(|(_, message)| message.to_string()).collect()
}

#[tokio::test]
async fn x_20_each_tenant_has_its_own_account_and_hears_of_no_other() {
    let host = host().await;
    let mut one = tenant(&host, "acct-1").await;
    let mut two = tenant(&host, "acct-2").await;
    let mut nobody = host.client().await;
    let threads = [one.thread().await, two.thread().await];
    assert_eq!(one.turn(&threads[0], "hello").await.turn.status, TurnStatus::Completed);
    assert_eq!(two.turn(&threads[1], "hello").await.turn.status, TurnStatus::Completed);
    assert_eq!(nobody.request::<m::AccountRead>(GetAccountParams::default()).await.account, None);
    for (client, foreign) in [(&one, "acct-2"), (&two, "acct-1"), (&nobody, "acct-")] {
        assert!(!heard(client).contains(foreign));
    }
    assert!(!heard(&one).contains(&threads[1]) && !heard(&two).contains(&threads[0]));
    assert!(!heard(&nobody).contains("thread/"), "who has no thread hears of none");
    nobody.call("account/logout", Value::Null).await.unwrap();
    assert!(one.request::<m::AccountRead>(GetAccountParams::default()).await.account.is_some());
}

#[tokio::test]
async fn a_tenant_cannot_see_read_or_use_the_threads_of_another() {
    let host = host().await;
    let mut one = tenant(&host, "acct-1").await;
    let mut two = tenant(&host, "acct-2").await;
    let thread = one.thread().await;
    one.turn(&thread, "a secret plan").await;
    for method in ["thread/list", "thread/loaded/list"] {
        assert_eq!(two.call(method, json!({})).await.unwrap()["data"], json!([]));
    }
    let params = json!({ "threadId": thread, "turnId": "x", "input": [] });
    assert_eq!(two.refused("thread/read", params.clone()).await.message, format!("thread not loaded: {thread}"));
    for method in ["turn/start", "turn/interrupt"] {
        assert_eq!(two.refused(method, params.clone()).await.message, format!("thread not found: {thread}"));
    }
    assert_eq!(two.call("thread/unsubscribe", params).await.unwrap()["status"], "notLoaded");
}

#[tokio::test]
async fn a_tenant_that_leaves_is_forgotten_and_a_turn_that_runs_ends_under_its_own_account() {
    let slow = valet_sim::Chunks::repeat("w ", 20).every(std::time::Duration::from_millis(10));
    let plans = valet_sim::Response::new().chunks(slow).function_call("update_plan", json!({ "plan": [] }));
    let script = Script::responses([plans, valet_sim::Response::new().text("Done.")]);
    let host = TestHost::builder().script(script).with("valet.auth_scope=connection").start().await;
    let mut one = host.client().await;
    let lent = one.lend(TokenRequest::account("acct-1")).await;
    let thread = one.thread().await;
    one.start_turn(&thread, "hello").await;
    one.wait_for::<m::AgentMessageDelta>().await;
    drop(one);
    // Who has the same account sees the thread until its turn has ended.
    let mut two = tenant(&host, "acct-1").await;
    let forgotten = async { while two.call("thread/loaded/list", json!({})).await.unwrap()["data"] != json!([]) {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), forgotten).await.unwrap();
    let turns = host.sim.requests().into_iter().filter(RecordedRequest::is_turn);
    let bearers: Vec<_> = turns.map(|request| request.bearer.unwrap()).collect();
    assert_eq!(bearers, [lent.access_token.clone(), lent.access_token]);
}

#[tokio::test]
async fn a_turn_of_a_tenant_without_an_account_that_has_left_ends_with_the_host() {
    let command = json!({ "cmd": "touch made", "login": false, "shell": "/bin/sh" });
    let asks = valet_sim::Response::new().function_call("exec_command", command);
    let slow = valet_sim::Chunks::repeat("w ", 3_000).every(std::time::Duration::from_millis(10));
    let script = Script::responses([asks, valet_sim::Response::new().chunks(slow)]);
    let host = TestHost::builder()
        .script(script.tokens(TokenPolicy { anonymous: true, ..TokenPolicy::default() }))
        .config("approval_policy = \"untrusted\"")
        .provider("requires_openai_auth = false")
        .with("valet.auth_scope=connection")
        .start()
        .await;
    let mut one = host.client().await;
    let thread = one.thread().await;
    one.start_turn(&thread, "hello").await;
    one.asked().await;
    drop(one);
    // Once it has left, nobody can answer, and the turn goes on.
    host.sim.wait_for_requests(RecordedRequest::is_turn, 2).await;
    host.shutdown().await;
    let cut = |request: &RecordedRequest| request.outcome == valet_sim::Outcome::Abandoned;
    let cut = host.sim.wait_for_requests(cut, 1);
    tokio::time::timeout(std::time::Duration::from_secs(10), cut).await.unwrap();
}

#[tokio::test]
async fn a_question_to_a_tenant_that_took_a_turn_over_does_not_outlive_it() {
    let slow = valet_sim::Chunks::repeat("w ", 200).every(std::time::Duration::from_millis(10));
    let command = json!({ "cmd": "touch made", "login": false, "shell": "/bin/sh" });
    let asks = valet_sim::Response::new().chunks(slow).function_call("exec_command", command);
    let script = Script::responses([asks, valet_sim::Response::new().text("Done.")]);
    let host = TestHost::builder()
        .script(script)
        .config("approval_policy = \"untrusted\"")
        .with("valet.auth_scope=connection")
        .start()
        .await;
    let mut one = tenant(&host, "acct-1").await;
    let thread = one.thread().await;
    one.start_turn(&thread, "hello").await;
    one.wait_for::<m::AgentMessageDelta>().await;
    drop(one);
    let mut two = tenant(&host, "acct-1").await;
    two.call("thread/resume", json!({ "threadId": thread })).await.unwrap();
    two.asked().await;
    drop(two);
    // Returns when no turn runs.
    let drained = tokio::time::timeout(std::time::Duration::from_secs(20), host.host().drain(None, End::Shutdown));
    drained.await.unwrap();
}

#[tokio::test]
async fn three_hundred_tenants_refused_at_the_same_moment_are_each_asked_once_and_nothing_crosses() {
    const TENANTS: usize = 300;
    let host = host().await;
    let mut tenants = Vec::new();
    for number in 0..TENANTS {
        let mut client = tenant(&host, &format!("acct-{number:04}")).await;
        let thread = client.thread().await;
        tenants.push((client, thread));
    }
    let turns = tenants.into_iter().map(|(mut client, thread)| {
        tokio::spawn(async move {
            let turn = client.turn(&thread, "hello").await;
            assert_eq!(turn.turn.status, TurnStatus::Completed);
            let record = client.record();
            let asked = record.messages().iter().filter(|(_, m)| m["method"] == "account/chatgptAuthTokens/refresh");
            assert_eq!(asked.count(), 1);
        })
    });
    for turn in turns.collect::<Vec<_>>() {
        turn.await.unwrap();
    }
    let mut account_of_bearer: HashMap<String, String> = HashMap::new();
    for request in host.sim.requests().into_iter().filter(RecordedRequest::is_turn) {
        let account = request.header("chatgpt-account-id").unwrap().to_owned();
        let bearer = request.bearer.unwrap();
        let known = account_of_bearer.entry(bearer).or_insert_with(|| account.clone());
        assert_eq!(*known, account, "a token never goes out under another account");
    }
    assert_eq!(account_of_bearer.len(), 2 * TENANTS);
}

#[tokio::test]
async fn a_key_that_two_tenants_share_does_not_make_them_one() {
    let host = host().await;
    let capabilities = json!({ "experimentalApi": true, "valet": { "ownerKey": "one key for all of us" } });
    let mut one = host.connect();
    one.initialize_with(capabilities.clone()).await;
    one.answer_refreshes();
    one.lend(TokenRequest::account("acct-1")).await;
    let mut two = host.connect();
    two.initialize_with(capabilities).await;
    let thread = one.thread().await;
    assert_eq!(one.turn(&thread, "hello").await.turn.status, TurnStatus::Completed);
    assert!(!two.was_asked());
}
