//! When threads cannot be stored: nobody is told that something is done that is not, and the host goes on.

use std::path::Path;
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::TurnStatus;
use valet_sim::{Chunks, Response};
use valet_tests::{TestHost, TestTurn};

use super::{Bench, file_of, find, model, sent_since, str_of, words};

/// The turn failed because it could not be stored, and says so; nothing of it was told to be whole.
fn check_not_stored(turn: &TestTurn) {
    assert_eq!(turn.turn.status, TurnStatus::Failed);
    let error = turn.turn.error.as_ref().unwrap();
    assert!(error.message.contains("cannot be stored"), "{}", error.message);
    assert!(turn.all::<m::ItemCompleted>().is_empty(), "{:?}", turn.story());
    assert!(turn.story().contains(&"error"));
}

#[tokio::test]
async fn a_home_that_cannot_be_written_fails_turns_in_words_and_the_host_goes_on() {
    let mut bench = Bench::start(words()).await;
    // No rights are needed to refuse a folder where a file is.
    let sessions = bench.host.home().join("sessions");
    std::fs::write(&sessions, "").unwrap();
    let thread = bench.parent.thread().await;
    for text in ["one", "two"] {
        check_not_stored(&bench.parent.turn(&thread, text).await);
    }
    assert_eq!(bench.posts().len(), 0, "the model is not asked for what nobody could keep");
    let ephemeral = bench.call("thread/start", json!({ "ephemeral": true })).await;
    bench.say(str_of(&ephemeral["thread"], "id"), "hello").await;
    assert_eq!(bench.listed(json!({})).await, [""; 0], "there is nothing, and that is no error");
    std::fs::remove_file(&sessions).unwrap();
    bench.say(&thread, "three").await;
    let turns = bench.turns(&thread).await;
    assert_eq!(turns.last().unwrap()["status"], "completed");
    let mut bench = bench.restarted().await;
    assert_eq!(json!(bench.turns(&thread).await), json!(turns));
    assert_eq!(bench.listed(json!({})).await, [thread]);
}

#[tokio::test]
async fn a_lease_that_cannot_be_taken_fails_turns_and_not_the_host() {
    let mut bench = Bench::start(words()).await;
    std::fs::write(bench.host.home().join("thread-writer-locks"), "").unwrap();
    let thread = bench.parent.thread().await;
    check_not_stored(&bench.parent.turn(&thread, "one").await);
    std::fs::remove_file(bench.host.home().join("thread-writer-locks")).unwrap();
    bench.say(&thread, "two").await;
}

#[tokio::test]
async fn an_index_that_cannot_be_written_stops_nothing() {
    let mut bench = Bench::start(words()).await;
    std::fs::create_dir(bench.host.home().join("valet-index.sqlite")).unwrap();
    let thread = bench.talk(&["one"]).await;
    bench.say(&thread, "two").await;
    assert_eq!(bench.listed(json!({})).await, [thread.as_str()]);
    let found = bench.call("thread/search", json!({ "searchTerm": "two" })).await;
    assert_eq!(super::ids(&found), [thread.as_str()]);
    let mut bench = bench.restarted().await;
    bench.resume(&thread).await;
    bench.say(&thread, "three").await;
    assert_eq!(bench.listed(json!({})).await, [thread]);
}

#[tokio::test]
async fn an_index_that_is_damaged_or_gone_is_made_anew() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one"]).await;
    for damage in [None, Some("no database at all, but a text of some length"), Some("")] {
        drop(bench.parent);
        bench.host.shutdown().await;
        for name in ["valet-index.sqlite", "valet-index.sqlite-wal", "valet-index.sqlite-shm"] {
            let path = bench.host.home().join(name);
            let _ = std::fs::remove_file(&path);
            damage.into_iter().for_each(|text| std::fs::write(&path, text).unwrap());
        }
        bench = Bench::on(bench.host.beside()).await;
        assert_eq!(bench.listed(json!({})).await, [thread.as_str()], "{damage:?}");
        bench.resume(&thread).await;
        bench.say(&thread, "more").await;
    }
    assert_eq!(bench.turns(&thread).await.len(), 4);
}

#[tokio::test]
async fn a_file_that_is_deleted_under_a_loaded_thread_fails_its_turns() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one"]).await;
    std::fs::remove_file(file_of(bench.host.home(), &thread)).unwrap();
    check_not_stored(&bench.parent.turn(&thread, "two").await);
    assert_eq!(bench.listed(json!({})).await, Vec::<String>::new());
    let other = bench.talk(&["hello"]).await;
    assert_eq!(bench.listed(json!({})).await, [other.as_str()]);
    let mut bench = bench.restarted().await;
    let refused = bench.refused("thread/resume", json!({ "threadId": thread })).await;
    assert_eq!(refused, (-32600, format!("no rollout found for thread id {thread}")));
}

#[tokio::test]
async fn a_file_that_is_deleted_in_the_middle_of_a_turn_fails_the_turn() {
    let slow = Chunks::repeat("w ", 60).every(Duration::from_millis(10));
    let mut bench = Bench::start(model([Response::new().chunks(slow)])).await;
    let thread = bench.parent.thread().await;
    let turn = bench.parent.start_turn(&thread, "hello").await;
    bench.parent.wait_for::<m::AgentMessageDelta>().await;
    std::fs::remove_file(file_of(bench.host.home(), &thread)).unwrap();
    let ended = bench.parent.end_of(&turn).await;
    check_not_stored(&ended);
    let fresh = bench.talk(&["hello"]).await;
    assert_eq!(bench.turns(&fresh).await.len(), 1);
}

#[tokio::test]
async fn an_item_that_could_not_be_stored_when_it_was_whole_fails_the_turn_though_it_was_later() {
    let slow = || Chunks::repeat("w ", 100).every(Duration::from_millis(10));
    let said_twice = Response::new().chunks(slow()).chunks(slow());
    let mut bench = Bench::start(model([said_twice, Response::new().text("Again.")])).await;
    let thread = bench.parent.thread().await;
    let turn = bench.parent.start_turn(&thread, "hello").await;
    let first = bench.parent.wait_for::<m::AgentMessageDelta>().await.item_id;
    let (file, away) = (file_of(bench.host.home(), &thread), bench.host.home().join("away"));
    std::fs::rename(&file, &away).unwrap();
    while bench.parent.wait_for::<m::AgentMessageDelta>().await.item_id == first {}
    // The first message is whole, and nobody could store it. The second one is not, and can be stored.
    std::fs::rename(&away, &file).unwrap();
    let ended = bench.parent.end_of(&turn).await;
    assert!(ended.turn.error.as_ref().unwrap().message.contains("cannot be stored"));
    let told = ended.all::<m::ItemCompleted>();
    assert!(told.iter().all(|told| told.item.id() != Some(first.as_str())), "{:?}", ended.story());
    assert!(stored_items(bench.host.home(), &thread).contains(&first), "it was stored later");
    bench.say(&thread, "more").await;
    let mut bench = bench.restarted().await;
    let turns = bench.turns(&thread).await;
    let outcomes: Vec<&str> = turns.iter().map(|turn| str_of(turn, "status")).collect();
    assert_eq!(outcomes, ["failed", "completed"], "what was told is what is stored");
}

/// The ids of the items in a thread's file.
fn stored_items(home: &Path, thread: &str) -> Vec<String> {
    let Some(path) = find(&home.join("sessions"), thread) else { return Vec::new() };
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let items = lines.filter(|line| line["payload"]["type"] == "item_completed");
    items.map(|line| str_of(&line["payload"]["item"], "id").to_owned()).collect()
}

#[tokio::test]
async fn what_is_told_to_be_whole_is_in_the_file_at_that_moment() {
    let call = json!({ "cmd": "echo out", "login": false, "shell": "/bin/sh" });
    let patch = "*** Begin Patch\n*** Add File: made\n+text\n*** End Patch";
    let responses = [
        Response::new().reasoning("Hm.").text("First.").function_call("exec_command", call),
        Response::new().custom_tool_call("apply_patch", patch),
    ];
    let folder = tempfile::tempdir().unwrap();
    let builder = TestHost::builder().config("sandbox_mode = \"workspace-write\"").script(model(responses));
    let mut bench = Bench::of(builder).await;
    let started = bench.call("thread/start", json!({ "cwd": folder.path().canonicalize().unwrap() })).await;
    let thread = str_of(&started["thread"], "id").to_owned();
    let turn = bench.parent.start_turn(&thread, "go").await;
    let mut whole = Vec::new();
    loop {
        let (method, params) = bench.parent.next().await;
        match method.as_str() {
            "item/completed" => {
                let id = str_of(&params["item"], "id").to_owned();
                assert!(stored_items(bench.host.home(), &thread).contains(&id), "{params}");
                whole.push(id);
            }
            "turn/completed" => break,
            _ => {}
        }
    }
    assert_eq!(stored_items(bench.host.home(), &thread), whole);
    assert_eq!(whole.len(), 6);
    let kinds = super::log(bench.host.home(), &thread);
    let ends = kinds
        .iter()
        .filter(|line| line["payload"]["turn_id"] == turn.as_str() && line["payload"]["type"] == "task_complete");
    assert_eq!(ends.count(), 1);
}

#[tokio::test]
async fn a_thread_that_is_damaged_beyond_reading_is_refused_in_words() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one"]).await;
    let mut bench = bench.restarted().await;
    std::fs::write(file_of(bench.host.home(), &thread), "").unwrap();
    let refused = bench.parent.refused("thread/resume", json!({ "threadId": thread })).await;
    assert!(refused.message.contains(&thread), "{}", refused.message);
    let start = super::mark(&bench.parent);
    let other = bench.talk(&["hello"]).await;
    assert_eq!(bench.listed(json!({})).await, [other]);
    assert!(!sent_since(&bench.parent, start).is_empty());
}
