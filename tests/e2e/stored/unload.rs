//! Threads that nobody needs leave the memory, and others may take them up: one host at a time.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::ThreadStatus;
use valet_sim::{Chunks, Response};
use valet_tests::{HostBuilder, TestHost};

use super::{Bench, mark, model, story, str_of, words};

/// A host that unloads threads after so many seconds.
fn forgetful(seconds: u32) -> HostBuilder {
    TestHost::builder().script(words()).config(&format!("thread_unload_delay_secs = {seconds}"))
}

async fn unsubscribe(bench: &mut Bench, thread: &str) -> Value {
    bench.call("thread/unsubscribe", json!({ "threadId": thread })).await["status"].clone()
}

#[tokio::test]
async fn a_thread_without_listeners_is_closed_and_can_be_resumed() {
    for seconds in [0, 1] {
        let mut bench = Bench::of(forgetful(seconds)).await;
        let thread = bench.talk(&["one"]).await;
        let mut other = bench.host.client().await;
        let start = mark(&other);
        assert_eq!(unsubscribe(&mut bench, &thread).await, "unsubscribed");
        assert_eq!(bench.parent.wait_for::<m::ThreadClosed>().await.thread_id, thread);
        other.wait_for::<m::ThreadClosed>().await;
        assert_eq!(story(&other, start), ["thread/status/changed notLoaded", "thread/closed"]);
        assert_eq!(unsubscribe(&mut bench, &thread).await, "notLoaded");
        assert_eq!(bench.call("thread/loaded/list", json!({})).await["data"], json!([]));
        let turn = json!({ "threadId": thread, "input": [] });
        assert_eq!(bench.refused("turn/start", turn).await.1, format!("thread not found: {thread}"));
        assert_eq!(bench.turns(&thread).await.len(), 1);
        bench.resume(&thread).await;
        bench.say(&thread, "two").await;
        assert_eq!(bench.given(), ["one", "A word.", "two"]);
    }
}

#[tokio::test]
async fn a_thread_stays_while_somebody_listens_or_something_runs() {
    let slow = Chunks::repeat("w ", 150).every(Duration::from_millis(10));
    let builder = forgetful(0).script(model([Response::new().chunks(slow)]));
    let mut bench = Bench::of(builder).await;
    let thread = bench.parent.thread().await;
    let mut other = bench.host.client().await;
    bench.parent.start_turn(&thread, "one").await;
    bench.parent.wait_for::<m::AgentMessageDelta>().await;
    other.call("thread/resume", json!({ "threadId": thread })).await.unwrap();
    assert_eq!(unsubscribe(&mut bench, &thread).await, "unsubscribed");
    let start = mark(&other);
    other.wait_for::<m::TurnCompleted>().await;
    assert!(!story(&other, start).contains(&"thread/closed".to_owned()), "somebody listened");
    bench
        .host
        .sim
        .replace_script(model([Response::new().chunks(Chunks::repeat("w ", 50).every(Duration::from_millis(10)))]));
    other.start_turn(&thread, "two").await;
    other.wait_for::<m::AgentMessageDelta>().await;
    let start = mark(&bench.parent);
    drop(other);
    bench.parent.wait_for::<m::ThreadClosed>().await;
    let order = [
        "thread/status/changed active",
        "thread/status/changed idle",
        "thread/status/changed notLoaded",
        "thread/closed",
    ];
    let heard = story(&bench.parent, 0).into_iter().skip_while(|name| name != "result").collect::<Vec<_>>();
    assert_eq!(heard[heard.len() - 4..], order.map(str::to_owned), "it ran to its end without a listener");
    assert!(story(&bench.parent, start).len() <= 4);
    assert_eq!(str_of(&bench.turns(&thread).await[1], "status"), "completed");
}

#[tokio::test]
async fn a_thread_that_was_never_used_is_closed_and_gone() {
    let mut bench = Bench::of(forgetful(0)).await;
    let thread = bench.parent.thread().await;
    unsubscribe(&mut bench, &thread).await;
    bench.parent.wait_for::<m::ThreadClosed>().await;
    let refused = bench.refused("thread/resume", json!({ "threadId": thread })).await;
    assert_eq!(refused.1, format!("no rollout found for thread id {thread}"));
    assert!(!bench.host.home().join("sessions").exists());
}

#[tokio::test]
async fn one_host_at_a_time_goes_on_with_a_thread_and_all_may_read_it() {
    let mut first = Bench::start(words()).await;
    let thread = first.talk(&["one"]).await;
    let mut second = Bench::on(first.host.beside()).await;
    let resume = json!({ "threadId": thread });
    for method in ["thread/resume", "thread/archive", "thread/delete"] {
        let refused = second.parent.refused(method, resume.clone()).await;
        assert_eq!((refused.code, refused.message), (-32600, format!("thread {thread} already has an active writer")));
        let holder = &refused.data["holder"];
        assert_eq!(holder["pid"], std::process::id());
        assert!(holder["since"].as_i64().unwrap() > 1_700_000_000, "{holder}");
    }
    let turn = json!({ "threadId": thread, "input": [] });
    assert_eq!(second.refused("turn/start", turn).await.1, format!("thread not found: {thread}"));
    assert_eq!(second.turns(&thread).await, first.turns(&thread).await);
    assert_eq!(second.listed(json!({})).await, [thread.as_str()]);
    let forked = second.call("thread/fork", resume.clone()).await;
    assert_eq!(forked["thread"]["turns"].as_array().unwrap().len(), 1);
    second.call("thread/name/set", json!({ "threadId": thread, "name": "Ours" })).await;
    let git = json!({ "threadId": thread, "gitInfo": { "sha": "abc" } });
    let noted = second.parent.refused("thread/metadata/update", git).await;
    assert_eq!(noted.kind.as_deref(), Some("threadBusy"), "the log is the place of this, and has a writer");

    let read = first.call("thread/read", json!({ "threadId": thread })).await;
    assert_eq!(read["thread"]["name"], "Ours");

    unsubscribe(&mut first, &thread).await;
    let resumed = second.resume(&thread).await;
    assert_eq!(resumed["thread"]["name"], "Ours");
    second.say(&thread, "two").await;
    let refused = first.parent.refused("thread/resume", resume).await;
    assert_eq!(refused.message, format!("thread {thread} already has an active writer"));
}

#[tokio::test]
async fn a_thread_that_another_host_went_on_with_is_read_anew() {
    let mut first = Bench::start(words()).await;
    let thread = first.talk(&["one"]).await;
    unsubscribe(&mut first, &thread).await;
    let mut second = Bench::on(first.host.beside()).await;
    second.resume(&thread).await;
    second.say(&thread, "two").await;
    assert_eq!(first.turns(&thread).await.len(), 2, "who only reads sees it at once");
    unsubscribe(&mut second, &thread).await;
    let back = json!({ "threadId": thread, "beforeTurnId": first.turns(&thread).await[1]["id"] });
    let refused = first.refused("thread/revert", back).await;
    assert_eq!(refused.1, format!("thread {thread} was changed by another process; resume it again"));
    let start = mark(&first.parent);
    let resumed = first.resume(&thread).await;
    assert_eq!(resumed["thread"]["turns"].as_array().unwrap().len(), 2);
    assert_eq!(
        story(&first.parent, start)[..2],
        ["deprecationNotice", "thread/status/changed notLoaded"].map(str::to_owned)
    );
    first.say(&thread, "three").await;
    assert_eq!(first.given(), ["one", "A word.", "two", "A word.", "three"]);
    let log = first.log(&thread);
    let ordinals: Vec<u64> = log.iter().map(|line| line["ordinal"].as_u64().unwrap()).collect();
    assert!(ordinals.is_sorted_by(|one, other| one + 1 == *other), "{ordinals:?}");
}

#[tokio::test]
async fn a_turn_in_a_thread_that_another_host_holds_is_told_to_have_failed() {
    let mut first = Bench::start(words()).await;
    let thread = first.talk(&["one"]).await;
    unsubscribe(&mut first, &thread).await;
    let mut second = Bench::on(first.host.beside()).await;
    second.resume(&thread).await;
    // Whoever does not listen may still start a turn.
    first.parent.start_turn(&thread, "two").await;
    while first.parent.wait_for::<m::ThreadStatusChanged>().await.status != (ThreadStatus::SystemError {}) {}
    second.say(&thread, "three").await;
    assert_eq!(second.given(), ["one", "A word.", "three"]);
    assert_eq!(second.turns(&thread).await.len(), 2);
}

#[tokio::test]
async fn a_resume_that_is_refused_keeps_nobody_from_the_thread() {
    let mut first = Bench::start(words()).await;
    let thread = first.talk(&["one"]).await;
    let mut first = first.restarted().await;
    for bad in [json!({ "modelProvider": "nope" }), json!({ "config": { "sandbox_mode": 7 } })] {
        let mut params = bad;
        params["threadId"] = json!(thread);
        let (_, message) = first.refused("thread/resume", params).await;
        assert!(message.starts_with("failed to load configuration: "), "{message}");
    }
    assert_eq!(first.call("thread/loaded/list", json!({})).await["data"], json!([]));
    let mut second = Bench::on(first.host.beside()).await;
    second.resume(&thread).await;
    second.say(&thread, "two").await;
}
