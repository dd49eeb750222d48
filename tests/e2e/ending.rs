//! How a host ends: what it still takes, what it finishes, and what it says.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_protocol::methods as m;
use valet_protocol::v2::TurnStatus;
use valet_server::{End, Host};
use valet_sim::{Chunks, Response, Rule, Script, TokenRequest};
use valet_tests::{TestClient, TestHost};

/// It ends after half a second.
fn short() -> Response {
    Response::new().chunks(Chunks::repeat("w ", 150).every(Duration::from_millis(10)))
}

/// A turn that ends after a second and a half, and one that would go on for minutes.
fn script() -> Script {
    let endless = Response::new().chunks(Chunks::repeat("w ", 60_000).every(Duration::from_millis(5)));
    Script::new().rule(Rule::when("short").respond(short())).rule(Rule::always().respond(endless))
}

/// Begins to drain; returns when the host does.
async fn drain(host: &Host, limit: Option<Duration>) {
    let draining = host.clone();
    let mut drained = Box::pin(async move { draining.drain(limit, End::Shutdown).await });
    tokio::select! {
        biased;
        () = &mut drained => {}
        // Asked behind the other, so answered behind it.
        _ = host.is_alive() => drop(tokio::spawn(drained)),
    }
}

/// A host with a turn that streams.
async fn running(text: &str) -> (TestHost, TestClient, String, String) {
    let host = TestHost::start(script()).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let turn = parent.start_turn(&thread, text).await;
    parent.wait_for::<m::AgentMessageDelta>().await;
    (host, parent, thread, turn)
}

#[tokio::test]
async fn t_4_a_host_that_drains_refuses_new_work_serves_the_rest_and_ends_with_the_turn() {
    let (host, mut parent, thread, turn) = running("short").await;
    drain(host.host(), None).await;
    let expected = json!({
        "code": -32600,
        "message": "Server is draining; retry after reconnecting",
        "data": { "kind": "draining", "retryable": true, "reason": "serverShuttingDown" },
    });
    let input = json!([{ "type": "text", "text": "more" }]);
    for (method, params) in [("thread/start", json!({})), ("turn/start", json!({ "threadId": thread, "input": input }))]
    {
        assert_eq!(parent.ask(json!({ "id": method, "method": method, "params": params })).await["error"], expected);
    }
    parent.call("thread/read", json!({ "threadId": thread })).await.unwrap();
    let mut newcomer = host.client().await;
    newcomer.lend(TokenRequest::default()).await;
    assert_eq!(parent.end_of(&turn).await.turn.status, TurnStatus::Completed);
    host.host().ended().await;
    parent.closed().await;
    newcomer.closed().await;
}

#[tokio::test]
async fn a_turn_that_was_taken_before_a_drain_runs_to_its_end() {
    let host = TestHost::start(Script::respond(short())).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    parent.turn(&thread, "hello").await;
    let read = json!({ "threadId": thread });
    // It waits behind these, each of which reads a file, and is not yet a turn when the drain begins.
    let before: Vec<_> = (0..50).map(|_| parent.begin("thread/turns/list", read.clone())).collect();
    let input = json!([{ "type": "text", "text": "hello" }]);
    let started = parent.begin("turn/start", json!({ "threadId": thread, "input": input }));
    let behind = parent.begin("thread/compact/start", read);
    parent.call("account/read", json!({})).await.unwrap();
    drain(host.host(), None).await;
    let turn = started.await.unwrap()["turn"]["id"].as_str().unwrap().to_owned();
    assert_eq!(parent.end_of(&turn).await.turn.status, TurnStatus::Completed);
    behind.await.unwrap();
    let compacted = parent.wait_for::<m::TurnCompleted>().await;
    assert_eq!(compacted.turn.status, TurnStatus::Completed);
    host.host().ended().await;
    drop(before);
}

#[tokio::test]
async fn at_the_limit_of_the_drain_what_still_runs_is_interrupted_and_told() {
    let (host, mut parent, _thread, turn) = running("endless").await;
    drain(host.host(), Some(Duration::from_millis(50))).await;
    assert_eq!(parent.end_of(&turn).await.turn.status, TurnStatus::Interrupted);
    host.host().ended().await;
    parent.closed().await;
}

#[tokio::test]
async fn a_shutdown_in_the_middle_of_a_drain_waits_no_longer() {
    let (host, mut parent, _thread, turn) = running("endless").await;
    drain(host.host(), None).await;
    host.shutdown().await;
    assert_eq!(parent.end_of(&turn).await.turn.status, TurnStatus::Interrupted);
    parent.closed().await;
}

#[tokio::test]
async fn a_host_is_idle_when_nobody_was_there_and_nothing_ran_for_so_long() {
    let (host, parent, _thread, _turn) = running("short").await;
    let mut running = Box::pin(host.host().idle_for(Duration::from_millis(50)));
    drop(parent);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut running).await;
    assert!(early.is_err(), "a turn runs");
    running.await;
}

#[tokio::test]
async fn a_host_says_that_it_is_alive_until_it_has_ended() {
    let host = TestHost::start(Script::new()).await;
    assert!(host.host().is_alive().await && !host.host().is_draining());
    host.shutdown().await;
    assert!(!host.host().is_alive().await && host.host().is_draining());
}
