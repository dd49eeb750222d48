//! What is noted about a thread beside its turns: its name, its repository, what is unread, what is in force.

use pretty_assertions::assert_eq;
use rusqlite::{Connection, TransactionBehavior};
use serde_json::{Value, json};
use valet_protocol::methods as m;

use super::{Bench, MISSING, line_kinds, mark, sent_since, story, str_of, words};

#[tokio::test]
async fn everybody_is_told_a_name_after_the_answer_and_it_stays() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["hello"]).await;
    let mut other = bench.host.client().await;
    let start = mark(&bench.parent);
    bench.call("thread/name/set", json!({ "threadId": thread.to_uppercase(), "name": "  A name \n" })).await;
    let told = other.wait_for::<m::ThreadNameUpdated>().await;
    assert_eq!((told.thread_id.as_str(), told.thread_name.as_deref()), (thread.as_str(), Some("A name")));
    bench.parent.wait_for::<m::ThreadNameUpdated>().await;
    assert_eq!(story(&bench.parent, start), ["result", "thread/name/updated"]);
    for restart in [false, true] {
        if restart {
            bench = bench.restarted().await;
        }
        let read = bench.call("thread/read", json!({ "threadId": thread })).await;
        assert_eq!(read["thread"]["name"], "A name");
        assert_eq!(bench.call("thread/list", json!({})).await["data"][0]["name"], "A name");
    }
    let long = "n".repeat(3000);
    bench.call("thread/name/set", json!({ "threadId": thread, "name": long })).await;
    assert_eq!(bench.call("thread/list", json!({})).await["data"][0]["name"], json!(long));
    let line = std::fs::read_to_string(bench.host.home().join("session_index.jsonl")).unwrap();
    let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!((str_of(&line, "id"), str_of(&line, "thread_name")), (thread.as_str(), "A name"));
}

#[tokio::test]
async fn a_thread_can_be_named_before_its_first_turn() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.thread_outside().await;
    bench.call("thread/name/set", json!({ "threadId": thread, "name": "Early" })).await;
    assert_eq!(bench.listed(json!({})).await, Vec::<String>::new());
    bench.say(&thread, "hello").await;
    assert_eq!(bench.call("thread/list", json!({})).await["data"][0]["name"], "Early");
    let kinds = bench.log(&thread);
    assert_eq!(line_kinds(&kinds).iter().filter(|kind| **kind == "session_meta").count(), 1);
    let mut bench = bench.restarted().await;
    assert_eq!(bench.resume(&thread).await["thread"]["name"], "Early");
}

#[tokio::test]
async fn names_and_notes_that_cannot_be_are_refused() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["hello"]).await;
    let ephemeral = bench.call("thread/start", json!({ "ephemeral": true })).await;
    let ephemeral = str_of(&ephemeral["thread"], "id").to_owned();
    let at_all = "thread metadata update must include at least one field";
    let none = format!("no rollout found for thread id {MISSING}");
    let not_ephemeral = format!("ephemeral thread does not support metadata updates: {ephemeral}");
    let no_goals = format!("ephemeral thread does not support goals: {ephemeral}");
    let git = json!({ "sha": "abc" });
    let cases = [
        ("thread/name/set", json!({ "threadId": thread, "name": " " }), "thread name must not be empty"),
        ("thread/name/set", json!({ "threadId": MISSING, "name": "x" }), &none),
        ("thread/name/set", json!({ "threadId": ephemeral, "name": "x" }), &not_ephemeral),
        ("thread/metadata/update", json!({ "threadId": thread }), at_all),
        ("thread/metadata/update", json!({ "threadId": thread, "gitInfo": null }), at_all),
        (
            "thread/metadata/update",
            json!({ "threadId": thread, "gitInfo": {} }),
            "gitInfo must include at least one field",
        ),
        (
            "thread/metadata/update",
            json!({ "threadId": thread, "gitInfo": { "sha": "" } }),
            "gitInfo.sha must not be empty",
        ),
        ("thread/metadata/update", json!({ "threadId": MISSING, "gitInfo": git }), &none),
        ("thread/metadata/update", json!({ "threadId": ephemeral, "gitInfo": git }), &not_ephemeral),
        ("thread/goal/get", json!({ "threadId": ephemeral }), &no_goals),
        ("thread/goal/get", json!({ "threadId": MISSING }), &format!("thread not found: {MISSING}")),
        ("thread/settings/update", json!({ "threadId": MISSING }), &format!("thread not found: {MISSING}")),
    ];
    for (method, params, message) in cases {
        assert_eq!(bench.refused(method, params).await, (-32600, message.to_owned()), "{method}");
    }
    assert_eq!(bench.call("thread/goal/get", json!({ "threadId": thread })).await, json!({ "goal": null }));
}

#[tokio::test]
async fn a_repository_is_noted_member_by_member_loaded_or_not() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.thread_outside().await;
    bench.say(&thread, "hello").await;
    let update = |git: Value| json!({ "threadId": thread, "gitInfo": git });
    let noted = bench.call("thread/metadata/update", update(json!({ "sha": "abc", "branch": "main" }))).await;
    let git = json!({ "sha": "abc", "branch": "main", "originUrl": null });
    assert_eq!((&noted["thread"]["gitInfo"], &noted["thread"]["turns"]), (&git, &json!([])));
    let mut bench = bench.restarted().await;
    let read = bench.call("thread/read", json!({ "threadId": thread })).await;
    assert_eq!(read["thread"]["gitInfo"], git);
    let params = update(json!({ "sha": null, "originUrl": "https://example.org" }));
    let git = json!({ "sha": null, "branch": "main", "originUrl": "https://example.org" });
    assert_eq!(bench.call("thread/metadata/update", params).await["thread"]["gitInfo"], git);
    assert_eq!(bench.resume(&thread).await["thread"]["gitInfo"], git);
    bench.say(&thread, "again").await;
    let mut bench = bench.restarted().await;
    assert_eq!(bench.call("thread/list", json!({})).await["data"][0]["gitInfo"], git);
    let params = update(json!({ "branch": null, "originUrl": null }));
    assert_eq!(bench.call("thread/metadata/update", params).await["thread"]["gitInfo"], Value::Null);
    assert_eq!(bench.turns(&thread).await.len(), 2, "turns are what they were");
}

#[tokio::test]
async fn what_is_read_is_told_and_stays_read() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["hello"]).await;
    let state = bench.call("thread/read", json!({ "threadId": thread })).await["readState"].clone();
    let update = |state: &Value, operation: &str| json!({ "threadId": thread, "expectedRevision": state["revision"], "operation": { "type": operation } });
    let start = mark(&bench.parent);
    let read = bench.call("thread/readState/update", update(&state, "read")).await["readState"].clone();
    assert_eq!(story(&bench.parent, start), ["thread/readState/changed", "result"]);
    assert_eq!(read["firstUnread"], Value::Null);
    assert_ne!(read["revision"], state["revision"]);
    let conflict = bench.parent.refused("thread/readState/update", update(&state, "unread")).await;
    assert_eq!((conflict.code, conflict.message.as_str()), (-32600, "read state changed"));
    assert_eq!((&conflict.data["reason"], &conflict.data["readState"]), (&json!("readStateConflict"), &read));
    let mut bench = bench.restarted().await;
    let stored = bench.call("thread/read", json!({ "threadId": thread })).await["readState"].clone();
    assert_eq!(stored, read);
    let unread = bench.call("thread/readState/update", update(&stored, "unread")).await["readState"].clone();
    assert_eq!(unread["firstUnread"], json!({ "type": "threadStart" }));
    bench.resume(&thread).await;
    bench.say(&thread, "again").await;
    let after = bench.call("thread/read", json!({ "threadId": thread })).await["readState"].clone();
    assert_eq!(after["firstUnread"], unread["firstUnread"], "the first that is unread stays it");
    let read = bench.call("thread/readState/update", update(&after, "read")).await["readState"].clone();
    bench.say(&thread, "more").await;
    let turns = bench.turns(&thread).await;
    let now = bench.call("thread/read", json!({ "threadId": thread })).await["readState"].clone();
    assert_eq!(now["firstUnread"], json!({ "type": "turn", "turnId": turns[2]["id"] }));
    assert_ne!(now["revision"], read["revision"]);
    let missing = json!({ "threadId": MISSING, "expectedRevision": "x", "operation": { "type": "read" } });
    let (_, message) = bench.refused("thread/readState/update", missing).await;
    assert_eq!(message, format!("thread not loaded: {MISSING}"));
}

#[tokio::test]
async fn what_is_unread_is_noted_although_another_process_kept_the_index() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["hello"]).await;
    assert_eq!(bench.listed(json!({})).await, [thread.as_str()]);
    let state = bench.call("thread/read", json!({ "threadId": thread })).await["readState"].clone();
    let mut other = Connection::open(bench.host.home().join("valet-index.sqlite")).unwrap();
    let writing = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let update = json!({ "threadId": thread, "expectedRevision": state["revision"], "operation": { "type": "read" } });
    let (_, message) = bench.refused("thread/readState/update", update).await;
    assert!(message.contains("locked"), "{message}");
    drop(writing);
    let read = bench.call("thread/read", json!({ "threadId": thread })).await["readState"].clone();
    assert_eq!(read["firstUnread"], Value::Null);
    let mut bench = bench.restarted().await;
    assert_eq!(bench.call("thread/read", json!({ "threadId": thread })).await["readState"], read);
}

#[tokio::test]
async fn settings_that_are_changed_between_turns_are_told_and_kept() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.thread_outside().await;
    bench.say(&thread, "hello").await;
    let start = mark(&bench.parent);
    let change = json!({ "threadId": thread, "model": "gpt-6-sol", "effort": "high", "approvalPolicy": "untrusted" });
    bench.call("thread/settings/update", change.clone()).await;
    let told = bench.parent.wait_for::<m::ThreadSettingsUpdated>().await.thread_settings;
    assert_eq!((told.model.as_str(), told.effort.as_deref()), ("gpt-6-sol", Some("high")));
    assert_eq!(story(&bench.parent, start), ["result", "thread/settings/updated"]);
    let lines = bench.log(&thread);
    assert_eq!(*line_kinds(&lines).last().unwrap(), "thread_settings_applied", "at once");
    let start = mark(&bench.parent);
    bench.call("thread/settings/update", change).await;
    bench.call("thread/loaded/list", json!({})).await;
    assert_eq!(sent_since(&bench.parent, start).len(), 2, "nothing changed, nothing is told");
    assert_eq!(bench.log(&thread).len(), lines.len());
    let mut bench = bench.restarted().await;
    let resumed = bench.resume(&thread).await;
    let settings = ["model", "reasoningEffort", "approvalPolicy"].map(|member| str_of(&resumed, member).to_owned());
    assert_eq!(settings, ["gpt-6-sol", "high", "untrusted"]);
    bench.say(&thread, "again").await;
    assert_eq!(bench.posts().pop().unwrap()["model"], "gpt-6-sol");
}
