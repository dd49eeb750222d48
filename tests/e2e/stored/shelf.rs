//! Putting threads away: into the archive and out of it again, or for good.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_protocol::methods as m;
use valet_sim::{Chunks, Response};

use super::{Bench, MISSING, file_of, find, ids, mark, model, story, str_of, words};

#[tokio::test]
async fn a_thread_is_archived_with_its_file_and_comes_back() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["hello"]).await;
    let params = json!({ "threadId": thread });
    let path = file_of(bench.host.home(), &thread);
    let turns = bench.turns(&thread).await;
    let mut other = bench.host.client().await;
    let start = mark(&bench.parent);
    bench.call("thread/archive", params.clone()).await;
    bench.parent.wait_for::<m::ThreadArchived>().await;
    let order = ["thread/status/changed notLoaded", "result", "thread/archived"];
    assert_eq!(story(&bench.parent, start), order);
    assert_eq!(other.wait_for::<m::ThreadArchived>().await.thread_id, thread);
    let archived = bench.host.home().join("archived_sessions").join(path.file_name().unwrap());
    assert!(archived.exists() && !path.exists());
    assert_eq!(bench.listed(json!({})).await, Vec::<String>::new());
    assert_eq!(bench.listed(json!({ "archived": true })).await, [thread.as_str()]);
    assert_eq!(bench.turns(&thread).await, turns, "it can be read");
    let page = bench.call("thread/turns/list", params.clone()).await;
    assert_eq!(ids(&page), [str_of(&turns[0], "id")]);
    let again = bench.refused("thread/archive", params.clone()).await;
    assert_eq!(again, (-32600, format!("no rollout found for thread id {thread}")));
    let turn = json!({ "threadId": thread, "input": [] });
    assert_eq!(bench.refused("turn/start", turn).await.1, format!("thread not found: {thread}"));
    let name = bench.refused("thread/name/set", json!({ "threadId": thread, "name": "x" })).await;
    assert_eq!(name, (-32600, format!("no rollout found for thread id {thread}")));

    let mut bench = bench.restarted().await;
    assert_eq!(bench.listed(json!({ "archived": true })).await, [thread.as_str()]);
    let start = mark(&bench.parent);
    let unarchived = bench.call("thread/unarchive", params.clone()).await;
    bench.parent.wait_for::<m::ThreadUnarchived>().await;
    assert_eq!(story(&bench.parent, start), ["result", "thread/unarchived"]);
    let row = &unarchived["thread"];
    assert_eq!((&row["status"], &row["path"]), (&json!({ "type": "notLoaded" }), &json!(path)));
    assert!(path.exists() && !archived.exists());
    let again = bench.refused("thread/unarchive", params.clone()).await;
    assert_eq!(again, (-32600, format!("no archived rollout found for thread id {thread}")));
    bench.resume(&thread).await;
    bench.say(&thread, "again").await;
    assert_eq!(bench.given(), ["hello", "A word.", "again"]);
}

#[tokio::test]
async fn what_runs_in_a_thread_is_interrupted_before_the_thread_is_put_away() {
    for (method, told) in [("thread/archive", "thread/archived"), ("thread/delete", "thread/deleted")] {
        let slow = Chunks::repeat("w ", 6000).every(Duration::from_millis(10));
        let mut bench = Bench::start(model([Response::new().chunks(slow)])).await;
        let thread = bench.parent.thread().await;
        bench.parent.start_turn(&thread, "hello").await;
        bench.parent.wait_for::<m::AgentMessageDelta>().await;
        let start = mark(&bench.parent);
        bench.call(method, json!({ "threadId": thread })).await;
        while bench.parent.next().await.0 != told {}
        let story = story(&bench.parent, start);
        let story: Vec<&str> = story.iter().map(String::as_str).filter(|name| !name.ends_with("/delta")).collect();
        let order = ["thread/status/changed idle", "turn/completed", "thread/status/changed notLoaded", "result", told];
        assert_eq!(story, order);
        if method == "thread/archive" {
            assert_eq!(str_of(&bench.turns(&thread).await[0], "status"), "interrupted");
            bench.call("thread/unarchive", json!({ "threadId": thread })).await;
            bench.resume(&thread).await;
            bench.say(&thread, "again").await;
            assert!(bench.given()[1].starts_with("<turn_aborted>"));
        }
    }
}

#[tokio::test]
async fn a_deleted_thread_leaves_nothing_behind() {
    let mut bench = Bench::start(words()).await;
    let (thread, archived) = (bench.talk(&["hello"]).await, bench.talk(&["hello"]).await);
    bench.call("thread/archive", json!({ "threadId": archived })).await;
    for thread in [&thread, &archived] {
        if thread != &archived {
            bench.call("thread/name/set", json!({ "threadId": thread, "name": "A name" })).await;
        }
        bench.call("thread/delete", json!({ "threadId": thread })).await;
        assert_eq!(bench.parent.wait_for::<m::ThreadDeleted>().await.thread_id, *thread);
        let again = bench.refused("thread/delete", json!({ "threadId": thread })).await;
        assert_eq!(again, (-32600, format!("no rollout found for thread id {thread}")));
        let read = bench.refused("thread/read", json!({ "threadId": thread })).await;
        assert_eq!(read.1, format!("thread not loaded: {thread}"));
        assert_eq!(find(bench.host.home(), thread), None, "no file of it is left");
    }
    let names = std::fs::read_to_string(bench.host.home().join("session_index.jsonl")).unwrap();
    assert_eq!(names, "");
    for archived in [true, false] {
        assert_eq!(bench.listed(json!({ "archived": archived })).await, Vec::<String>::new());
    }
    assert_eq!(bench.call("thread/search", json!({ "searchTerm": "hello" })).await["data"], json!([]));
    assert_eq!(bench.call("thread/loaded/list", json!({})).await["data"], json!([]));
}

#[tokio::test]
async fn a_thread_that_was_never_used_can_be_put_away_too() {
    let mut bench = Bench::start(words()).await;
    let (one, two) = (bench.parent.thread().await, bench.parent.thread().await);
    bench.call("thread/archive", json!({ "threadId": one })).await;
    bench.call("thread/unarchive", json!({ "threadId": one })).await;
    bench.resume(&one).await;
    bench.say(&one, "hello").await;
    bench.call("thread/delete", json!({ "threadId": two })).await;
    let loaded = bench.call("thread/loaded/list", json!({})).await;
    assert_eq!(loaded["data"], json!([one]));
}

#[tokio::test]
async fn what_cannot_be_put_away_is_refused() {
    let mut bench = Bench::start(words()).await;
    let ephemeral = bench.call("thread/start", json!({ "ephemeral": true })).await;
    let ephemeral = str_of(&ephemeral["thread"], "id").to_owned();
    let none = |thread: &str| format!("no rollout found for thread id {thread}");
    let cases = [
        ("thread/archive", MISSING, none(MISSING)),
        ("thread/archive", &ephemeral, none(&ephemeral)),
        ("thread/delete", MISSING, none(MISSING)),
        ("thread/delete", &ephemeral, format!("thread is not persisted and cannot be deleted: {ephemeral}")),
        ("thread/unarchive", MISSING, format!("no archived rollout found for thread id {MISSING}")),
    ];
    for (method, thread, message) in cases {
        assert_eq!(bench.refused(method, json!({ "threadId": thread })).await, (-32600, message));
    }
    for (method, kind) in [("thread/archive", "session"), ("thread/unarchive", "session"), ("thread/delete", "thread")]
    {
        let (_, message) = bench.refused(method, json!({ "threadId": "nope" })).await;
        assert!(message.starts_with(&format!("invalid {kind} id: ")), "{message}");
    }
    bench.say(&ephemeral, "hello").await;
}

#[tokio::test]
async fn the_source_of_a_fork_can_go_and_the_fork_stays_whole() {
    let mut bench = Bench::start(words()).await;
    let source = bench.talk(&["one"]).await;
    let forked = bench.call("thread/fork", json!({ "threadId": source })).await;
    let fork = str_of(&forked["thread"], "id").to_owned();
    bench.call("thread/delete", json!({ "threadId": source })).await;
    let mut bench = bench.restarted().await;
    let resumed = bench.resume(&fork).await;
    assert_eq!(resumed["thread"]["turns"], forked["thread"]["turns"]);
    bench.say(&fork, "two").await;
    assert_eq!(bench.given(), ["one", "A word.", "two"]);
}
