//! Taking turns back: nobody, and no model, sees them again.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::TurnStatus;
use valet_sim::{Chunks, Response};

use super::{Bench, MISSING, kinds, mark, model, story, str_of, words};

async fn revert(bench: &mut Bench, thread: &str, turn: &Value) -> Value {
    let reverted = bench.call("thread/revert", json!({ "threadId": thread, "beforeTurnId": turn })).await;
    bench.parent.wait_for::<m::ThreadReverted>().await;
    reverted
}

#[tokio::test]
async fn a_turn_and_all_after_it_are_taken_back_for_good() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one", "two", "three"]).await;
    bench.call("thread/name/set", json!({ "threadId": thread, "name": "Numbers" })).await;
    let turns = bench.turns(&thread).await;
    let mut other = bench.host.client().await;
    bench.parent.wait_for::<m::ThreadNameUpdated>().await;
    let start = mark(&bench.parent);
    let reverted = revert(&mut bench, &thread, &turns[1]["id"]).await;
    let order = ["thread/status/changed notLoaded", "thread/status/changed idle", "result", "thread/reverted"];
    assert_eq!(story(&bench.parent, start), order);
    assert_eq!(other.wait_for::<m::ThreadReverted>().await.thread_id, thread);
    assert_eq!((&reverted["thread"]["turns"], str_of(&reverted["thread"], "name")), (&json!([]), "Numbers"));
    let last = json!({ "threadId": thread, "cursor": reverted["turnsBackwardsCursor"], "limit": 1 });
    assert_eq!(bench.call("thread/turns/list", last).await["data"][0]["id"], turns[0]["id"]);
    assert_eq!(json!(bench.turns(&thread).await), json!(turns[..1]));
    bench.say(&thread, "four").await;
    assert_eq!(bench.given(), ["one", "A word.", "four"]);
    let found = bench.call("thread/search", json!({ "searchTerm": "three" })).await;
    assert_eq!(found["data"], json!([]), "nor is it found any more");
    let mut bench = bench.restarted().await;
    let resumed = bench.resume(&thread).await;
    assert_eq!(resumed["thread"]["turns"].as_array().unwrap().len(), 2);
    bench.say(&thread, "five").await;
    assert_eq!(bench.given(), ["one", "A word.", "four", "A word.", "five"]);
}

#[tokio::test]
async fn what_was_never_stored_of_a_turn_is_not_left_behind_when_it_is_reverted() {
    let slow = Chunks::repeat("w ", 6000).every(Duration::from_millis(10));
    let mut bench = Bench::start(model([Response::new().text("A word."), Response::new().chunks(slow)])).await;
    let thread = bench.talk(&["one"]).await;
    let turn = bench.parent.start_turn(&thread, "two").await;
    bench.parent.wait_for::<m::AgentMessageDelta>().await;
    let start = mark(&bench.parent);
    revert(&mut bench, &thread, &json!(turn)).await;
    let story = story(&bench.parent, start);
    let story: Vec<&str> = story.iter().map(String::as_str).filter(|name| !name.ends_with("/delta")).collect();
    let order = [
        "thread/status/changed idle",
        "turn/completed",
        "thread/status/changed notLoaded",
        "thread/status/changed idle",
        "result",
        "thread/reverted",
    ];
    assert_eq!(story, order);
    assert_eq!(bench.turns(&thread).await.len(), 1);
    bench.say(&thread, "three").await;
    assert_eq!(bench.given(), ["one", "A word.", "three"]);
    let mut bench = bench.restarted().await;
    assert_eq!(bench.resume(&thread).await["thread"]["turns"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_thread_can_be_emptied_and_begun_anew() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one"]).await;
    let turns = bench.turns(&thread).await;
    let start = mark(&bench.parent);
    let reverted = revert(&mut bench, &thread, &turns[0]["id"]).await;
    let order = [
        "thread/status/changed notLoaded",
        "thread/readState/changed",
        "thread/status/changed idle",
        "result",
        "thread/reverted",
    ];
    assert_eq!(story(&bench.parent, start), order, "what was unread is gone");
    assert_eq!((&reverted["turnsBackwardsCursor"], &reverted["itemsBackwardsCursor"]), (&Value::Null, &Value::Null));
    assert_eq!(bench.listed(json!({})).await, Vec::<String>::new(), "nothing was said in it");
    let read = bench.call("thread/read", json!({ "threadId": thread })).await;
    assert_eq!((&read["readState"]["firstUnread"], &read["thread"]["preview"]), (&Value::Null, &json!("")));
    bench.say(&thread, "two").await;
    assert_eq!(bench.given(), ["two"]);
    let row = bench.call("thread/list", json!({})).await["data"][0].clone();
    assert_eq!((str_of(&row, "id"), str_of(&row, "preview")), (thread.as_str(), "two"));
    let mut bench = bench.restarted().await;
    assert_eq!(
        kinds(&bench.resume(&thread).await["thread"]["turns"][0]["items"]),
        [("userMessage", "two"), ("agentMessage", "A word.")]
    );
}

#[tokio::test]
async fn what_a_turn_changed_for_later_turns_stays_and_what_it_used_does_not_count() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one"]).await;
    let input = json!([{ "type": "text", "text": "two" }]);
    let turn = bench.call("turn/start", json!({ "threadId": thread, "input": input, "model": "gpt-6-sol" })).await;
    let turn = turn["turn"]["id"].clone();
    bench.parent.end_of(turn.as_str().unwrap()).await;
    revert(&mut bench, &thread, &turn).await;
    let start = mark(&bench.parent);
    let resumed = bench.resume(&thread).await;
    assert_eq!(resumed["model"], "gpt-6-sol");
    let told = super::sent_since(&bench.parent, start);
    let told = told.iter().find(|message| message["method"] == "thread/tokenUsage/updated").unwrap();
    let usage = &told["params"]["tokenUsage"];
    assert_eq!(usage["total"], usage["last"], "that of the first turn");
    bench.say(&thread, "three").await;
    assert_eq!(bench.posts().pop().unwrap()["model"], "gpt-6-sol");
    let mut bench = bench.restarted().await;
    assert_eq!(bench.resume(&thread).await["model"], "gpt-6-sol");
}

#[tokio::test]
async fn a_summary_that_is_taken_back_gives_the_whole_conversation_again() {
    let script = valet_sim::Script::new()
        .rule(valet_sim::Rule::when("Sum up this conversation").respond("All about words."))
        .rule(valet_sim::Rule::always().respond("A word."));
    let mut bench = Bench::start(script).await;
    let thread = bench.talk(&["one", "two"]).await;
    bench.call("thread/compact/start", json!({ "threadId": thread })).await;
    bench.parent.wait_for::<m::TurnCompleted>().await;
    let turns = bench.turns(&thread).await;
    revert(&mut bench, &thread, &turns[2]["id"]).await;
    bench.say(&thread, "three").await;
    assert_eq!(bench.given(), ["one", "A word.", "two", "A word.", "three"]);
}

#[tokio::test]
async fn older_clients_count_the_turns_that_they_take_back() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one", "two", "three"]).await;
    let back = |turns: u32| json!({ "threadId": thread, "numTurns": turns });
    let rolled = bench.call("thread/rollback", back(2)).await;
    let turns = rolled["thread"]["turns"].as_array().unwrap();
    assert_eq!((turns.len(), kinds(&turns[0]["items"])[0]), (1, ("userMessage", "one")));
    bench.say(&thread, "four").await;
    assert_eq!(bench.given(), ["one", "A word.", "four"]);
    assert_eq!(bench.refused("thread/rollback", back(0)).await, (-32600, "numTurns must be >= 1".to_owned()));
    assert_eq!(bench.call("thread/rollback", back(10)).await["thread"]["turns"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_refused_and_changes_nothing() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one"]).await;
    let ephemeral = bench.call("thread/start", json!({ "ephemeral": true })).await;
    let ephemeral = str_of(&ephemeral["thread"], "id").to_owned();
    let cases = [
        (thread.as_str(), "turn not found: nope".to_owned()),
        (MISSING, format!("thread not found: {MISSING}")),
        (&ephemeral, "ephemeral threads do not support thread/revert".to_owned()),
    ];
    for (thread, message) in cases {
        let params = json!({ "threadId": thread, "beforeTurnId": "nope" });
        assert_eq!(bench.refused("thread/revert", params).await, (-32600, message));
    }
    bench.say(&thread, "two").await;
    assert_eq!(bench.given(), ["one", "A word.", "two"]);
}

#[tokio::test]
async fn what_waits_behind_the_turn_that_runs_is_ended_with_it() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one", "two"]).await;
    let turns = bench.turns(&thread).await;
    for _ in 0..3 {
        bench.call("thread/shellCommand", json!({ "threadId": thread, "command": "sleep 1000" })).await;
    }
    revert(&mut bench, &thread, &turns[1]["id"]).await;
    assert_eq!(json!(bench.turns(&thread).await), json!(turns[..1]));
    bench.say(&thread, "three").await;
    assert_eq!(bench.given(), ["one", "A word.", "three"]);
}

#[tokio::test]
async fn a_rollback_behind_a_turn_that_has_not_begun_is_refused_and_the_turn_runs() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one"]).await;
    let input = json!([{ "type": "text", "text": "two" }]);
    let started = bench.parent.begin("turn/start", json!({ "threadId": thread, "input": input }));
    let refused = bench.parent.begin("thread/rollback", json!({ "threadId": thread, "numTurns": 1 }));
    let turn = started.await.unwrap();
    assert_eq!(refused.await.unwrap_err().kind.as_deref(), Some("threadBusy"));
    let ended = bench.parent.end_of(str_of(&turn["turn"], "id")).await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    assert_eq!(bench.turns(&thread).await.len(), 2);
}
