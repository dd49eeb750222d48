//! Scope `connection`: of what is stored, each account sees its own.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use std::time::Duration;
use valet_protocol::methods as m;
use valet_protocol::v2::TurnStatus;
use valet_sim::{Chunks, Response, Script, TokenRequest};
use valet_tests::{HostBuilder, TestClient, TestHost};

use super::{file_of, ids, log, mark, story, str_of, words};

fn scoped() -> HostBuilder {
    TestHost::builder().script(words()).with("valet.auth_scope=connection")
}

async fn tenant(host: &TestHost, account: &str) -> TestClient {
    let mut client = host.client().await;
    client.answer_refreshes();
    client.lend(TokenRequest::account(account)).await;
    client
}

async fn talk(client: &mut TestClient) -> String {
    let thread = client.thread().await;
    client.turn(&thread, "a secret plan").await;
    thread
}

/// Nothing that a client can do with the id of a foreign thread tells it apart from one that is not there.
async fn sees_nothing_of(client: &mut TestClient, thread: &str) {
    let start = mark(client);
    let not_found = format!("thread not found: {thread}");
    let not_loaded = format!("thread not loaded: {thread}");
    let none = format!("no rollout found for thread id {thread}");
    let none_archived = format!("no archived rollout found for thread id {thread}");
    let cases = [
        ("thread/read", &not_loaded),
        ("thread/turns/list", &not_loaded),
        ("thread/readState/update", &not_loaded),
        ("thread/items/list", &"thread/items/list is not supported yet".to_owned()),
        ("thread/resume", &none),
        ("thread/fork", &none),
        ("thread/archive", &none),
        ("thread/delete", &none),
        ("thread/name/set", &none),
        ("thread/metadata/update", &none),
        ("thread/unarchive", &none_archived),
        ("thread/revert", &not_found),
        ("thread/rollback", &not_found),
        ("thread/settings/update", &not_found),
        ("thread/goal/get", &not_found),
        ("thread/compact/start", &not_found),
        ("thread/shellCommand", &not_found),
        ("thread/inject_items", &not_found),
        ("turn/start", &not_found),
        ("turn/steer", &not_found),
        ("turn/interrupt", &not_found),
    ];
    let params = json!({ "threadId": thread, "name": "mine", "gitInfo": { "sha": "x" }, "beforeTurnId": "x",
        "numTurns": 1, "command": "x", "items": [], "input": [], "turnId": "x", "expectedTurnId": "x",
        "expectedRevision": "x", "operation": { "type": "read" } });
    for (method, message) in cases {
        assert_eq!(client.refused(method, params.clone()).await.message, *message, "{method}");
    }
    let params = json!({ "threadId": "x", "path": format!("/x/rollout-2026-11-21T17-39-55-{thread}.jsonl") });
    assert_eq!(client.refused("thread/resume", params).await.message, none);
    let status = client.call("thread/unsubscribe", json!({ "threadId": thread })).await.unwrap();
    assert_eq!(status["status"], "notLoaded");
    for (method, params) in [
        ("thread/list", json!({ "modelProviders": [] })),
        ("thread/list", json!({ "archived": true })),
        ("thread/list", json!({ "searchTerm": "secret" })),
        ("thread/search", json!({ "searchTerm": "secret" })),
        ("thread/loaded/list", json!({})),
    ] {
        let listed = client.call(method, params).await.unwrap()["data"].to_string();
        assert!(!listed.contains(thread), "{method}: {listed}");
    }
    let told = story(client, start).into_iter().filter(|name| name.starts_with("thread/")).collect::<Vec<_>>();
    assert_eq!(told, Vec::<String>::new());
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_the_threads_of_another_account_loaded_or_stored() {
    let host = scoped().start().await;
    let (mut one, mut two) = (tenant(&host, "acct-1").await, tenant(&host, "acct-2").await);
    let (of_one, of_two) = (talk(&mut one).await, talk(&mut two).await);
    sees_nothing_of(&mut two, &of_one).await;
    sees_nothing_of(&mut one, &of_two).await;
    one.call("thread/name/set", json!({ "threadId": of_one, "name": "x" })).await.unwrap();
    one.wait_for::<m::ThreadNameUpdated>().await;
    one.call("thread/archive", json!({ "threadId": of_one })).await.unwrap();
    one.wait_for::<m::ThreadArchived>().await;
    sees_nothing_of(&mut two, &of_one).await;
    assert!(!story(&two, 0).contains(&"thread/name/updated".to_owned()));
    assert!(!story(&two, 0).contains(&"thread/archived".to_owned()));
    one.call("thread/unarchive", json!({ "threadId": of_one })).await.unwrap();

    drop((one, two));
    let host = host.restarted().await;
    let (mut one, mut two) = (tenant(&host, "acct-1").await, tenant(&host, "acct-2").await);
    sees_nothing_of(&mut two, &of_one).await;
    sees_nothing_of(&mut one, &of_two).await;
    let mut nobody = host.client().await;
    sees_nothing_of(&mut nobody, &of_one).await;
    assert_eq!(ids(&one.call("thread/list", json!({})).await.unwrap()), [of_one.as_str()]);
    let resumed = two.call("thread/resume", json!({ "threadId": of_two })).await.unwrap();
    assert_eq!(resumed["thread"]["turns"].as_array().unwrap().len(), 1);
    sees_nothing_of(&mut one, &of_two).await;
}

#[tokio::test]
async fn two_connections_of_an_account_share_its_threads() {
    let host = scoped().start().await;
    let (mut one, mut two) = (tenant(&host, "acct-1").await, tenant(&host, "acct-1").await);
    let thread = talk(&mut one).await;
    assert_eq!(ids(&two.call("thread/list", json!({})).await.unwrap()), [thread.as_str()]);
    let found = two.call("thread/search", json!({ "searchTerm": "secret" })).await.unwrap();
    assert_eq!(ids(&found), [thread.as_str()]);
    one.call("thread/name/set", json!({ "threadId": thread, "name": "Shared" })).await.unwrap();
    assert_eq!(two.wait_for::<m::ThreadNameUpdated>().await.thread_id, thread);
    two.call("thread/resume", json!({ "threadId": thread })).await.unwrap();
    two.turn(&thread, "again").await;
    one.wait_for::<m::TurnCompleted>().await;
    drop(one);
    two.turn(&thread, "and again").await;
    let read = two.call("thread/read", json!({ "threadId": thread, "includeTurns": true })).await.unwrap();
    assert_eq!(read["thread"]["turns"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn who_may_read_a_thread_hears_what_becomes_of_it() {
    let host = scoped().start().await;
    let (mut one, mut two) = (tenant(&host, "acct-1").await, tenant(&host, "acct-1").await);
    let thread = one.thread().await;
    let turn = one.turn(&thread, "a secret plan").await.turn.id;
    one.call("thread/revert", json!({ "threadId": thread, "beforeTurnId": turn })).await.unwrap();
    assert_eq!(two.wait_for::<m::ThreadReadStateChanged>().await.thread_id, thread, "though it does not listen");
    one.call("account/logout", Value::Null).await.unwrap();
    one.call("thread/read", json!({ "threadId": thread })).await.unwrap();
    two.call("thread/name/set", json!({ "threadId": thread, "name": "Shared" })).await.unwrap();
    assert_eq!(one.wait_for::<m::ThreadNameUpdated>().await.thread_id, thread, "though it has no account");
}

#[tokio::test]
async fn a_tenant_that_comes_back_finds_its_threads() {
    let host = scoped().start().await;
    let mut one = tenant(&host, "acct-1").await;
    let thread = talk(&mut one).await;
    drop(one);
    let mut again = tenant(&host, "acct-1").await;
    // Whoever leaves gives the thread back when the host has seen it.
    while let Err(refused) = again.call("thread/resume", json!({ "threadId": thread })).await {
        assert_eq!(refused.message, format!("thread {thread} already has an active writer"));
    }
    again.turn(&thread, "again").await;
    let lines = log(host.home(), &thread);
    assert_eq!(lines.iter().filter(|line| line["payload"]["type"] == "task_complete").count(), 2);
}

#[tokio::test]
async fn files_say_whose_they_are_and_a_fork_is_of_who_forked() {
    for builder in [TestHost::builder().script(words()), scoped()] {
        let host = builder.start().await;
        let mut one = tenant(&host, "acct-1").await;
        let thread = talk(&mut one).await;
        let forked = one.call("thread/fork", json!({ "threadId": thread })).await.unwrap();
        for thread in [thread.as_str(), str_of(&forked["thread"], "id")] {
            let head = log(host.home(), thread)[0].clone();
            assert_eq!(head["type"], "session_meta");
            let payload = &head["payload"];
            assert_eq!((&payload["creator_account_id"], &payload["account_scoped"]), (&json!("acct-1"), &json!(true)));
            assert!(payload["creator_user_id"].is_string(), "{payload}");
        }
    }
}

#[tokio::test]
async fn who_logs_in_with_another_account_is_somebody_else() {
    let host = scoped().start().await;
    let mut client = tenant(&host, "acct-1").await;
    let thread = talk(&mut client).await;
    client.lend(TokenRequest::account("acct-2")).await;
    sees_nothing_of(&mut client, &thread).await;
    client.lend(TokenRequest::account("acct-1")).await;
    client.call("thread/read", json!({ "threadId": thread })).await.unwrap();
}

#[tokio::test]
async fn who_comes_back_in_the_middle_of_a_turn_can_follow_it_to_its_end() {
    let slow = Chunks::repeat("w ", 200).every(Duration::from_millis(10));
    let script = Script::respond(Response::new().chunks(slow));
    let host = TestHost::builder().script(script).with("valet.auth_scope=connection").start().await;
    let mut client = tenant(&host, "acct-1").await;
    let thread = client.thread().await;
    let turn = client.start_turn(&thread, "go").await;
    client.wait_for::<m::AgentMessageDelta>().await;
    drop(client);
    let mut back = tenant(&host, "acct-1").await;
    let resumed = back.call("thread/resume", json!({ "threadId": thread })).await.unwrap();
    assert_eq!(resumed["thread"]["turns"][0]["status"], "inProgress");
    assert_eq!(back.end_of(&turn).await.turn.status, TurnStatus::Completed);
    assert_eq!(back.turn(&thread, "more").await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn who_brings_a_key_sees_only_what_it_has_loaded_itself() {
    let host = scoped().start().await;
    let mut keys = Vec::new();
    for key in ["sk-one", "sk-two"] {
        let mut client = host.client().await;
        let login = json!({ "type": "apiKey", "apiKey": key });
        client.call("account/login/start", login).await.unwrap();
        client.wait_for::<m::AccountUpdated>().await;
        keys.push(client);
    }
    let thread = talk(&mut keys[0]).await;
    sees_nothing_of(&mut keys[1], &thread).await;
    assert_eq!(ids(&keys[0].call("thread/list", json!({})).await.unwrap()), [thread.as_str()]);
    let found = keys[0].call("thread/search", json!({ "searchTerm": "secret" })).await.unwrap();
    assert_eq!(ids(&found), [thread.as_str()]);
    assert_eq!(log(host.home(), &thread)[0]["payload"].get("creator_account_id"), None::<&Value>);
    keys[0].call("thread/name/set", json!({ "threadId": thread, "name": "mine" })).await.unwrap();
    keys[0].call("thread/fork", json!({ "threadId": thread })).await.unwrap();
    keys.clear();
    let mut account = tenant(&host, "acct-1").await;
    sees_nothing_of(&mut account, &thread).await;
    assert!(file_of(host.home(), &thread).exists(), "it is kept for who may see it one day");
}
