//! New threads that begin with what happened in another one.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_sim::{Chunks, Response};

use super::{Bench, MISSING, kinds, log, mark, model, story, str_of, words};

async fn fork(bench: &mut Bench, thread: &str, mut params: Value) -> Value {
    params["threadId"] = json!(thread);
    let forked = bench.call("thread/fork", params).await;
    bench.parent.wait_for::<m::ThreadStarted>().await;
    forked
}

fn id_of(opened: &Value) -> String {
    str_of(&opened["thread"], "id").to_owned()
}

/// What was said in a thread by people.
fn asked(thread: &Value) -> Vec<&str> {
    thread["turns"].as_array().unwrap().iter().map(|turn| kinds(&turn["items"])[0].1).collect()
}

#[tokio::test]
async fn a_fork_begins_with_everything_and_goes_its_own_way() {
    let mut bench = Bench::start(words()).await;
    let source = bench.talk(&["one", "two"]).await;
    bench.call("thread/name/set", json!({ "threadId": source, "name": "Numbers" })).await;
    let mut other = bench.host.client().await;
    let start = mark(&bench.parent);
    let forked = fork(&mut bench, &source, json!({})).await;
    let order = ["deprecationNotice", "result", "thread/tokenUsage/updated", "thread/started"];
    assert_eq!(story(&bench.parent, start), order);
    let told = other.wait_for::<m::ThreadStarted>().await.thread;
    let fork = id_of(&forked);
    assert_eq!((told.id.as_str(), told.turns.len()), (fork.as_str(), 0));
    let thread = &forked["thread"];
    assert_eq!((str_of(thread, "forkedFromId"), str_of(thread, "name")), (source.as_str(), "Numbers"));
    assert_eq!(str_of(thread, "preview"), "one");
    assert_ne!(fork, source);
    let turns = bench.turns(&source).await;
    assert_eq!(thread["turns"], json!(turns));
    bench.say(&fork, "three").await;
    assert_eq!(bench.given(), ["one", "A word.", "two", "A word.", "three"]);
    bench.say(&source, "four").await;
    assert_eq!(bench.given(), ["one", "A word.", "two", "A word.", "four"]);
    let mut bench = bench.restarted().await;
    let (of_fork, of_source) = (bench.resume(&fork).await, bench.resume(&source).await);
    assert_eq!(asked(&of_fork["thread"]), ["one", "two", "three"]);
    assert_eq!(asked(&of_source["thread"]), ["one", "two", "four"]);
    assert_eq!(
        (str_of(&of_fork["thread"], "name"), str_of(&of_fork["thread"], "forkedFromId")),
        ("Numbers", source.as_str())
    );
    bench.say(&fork, "five").await;
    assert_eq!(bench.given()[4..], ["three", "A word.", "five"]);
    assert_eq!(bench.listed(json!({})).await, [fork, source]);
}

#[tokio::test]
async fn a_fork_can_end_before_or_after_a_turn() {
    let mut bench = Bench::start(words()).await;
    let source = bench.talk(&["one", "two", "three"]).await;
    let turns = bench.turns(&source).await;
    let second = &turns[1]["id"];
    let to_second = fork(&mut bench, &source, json!({ "lastTurnId": second })).await;
    assert_eq!(asked(&to_second["thread"]), ["one", "two"]);
    bench.say(&id_of(&to_second), "four").await;
    assert_eq!(bench.given(), ["one", "A word.", "two", "A word.", "four"]);
    let before_second = fork(&mut bench, &source, json!({ "beforeTurnId": second })).await;
    assert_eq!(asked(&before_second["thread"]), ["one"]);
    let empty = fork(&mut bench, &source, json!({ "beforeTurnId": turns[0]["id"] })).await;
    assert_eq!((asked(&empty["thread"]), str_of(&empty["thread"], "preview")), (Vec::<&str>::new(), ""));
    bench.say(&id_of(&empty), "new").await;
    assert_eq!(bench.given(), ["new"]);
    let of_fork = fork(&mut bench, &id_of(&to_second), json!({})).await;
    assert_eq!(asked(&of_fork["thread"]), ["one", "two", "four"]);
    let lines = log(bench.host.home(), &id_of(&of_fork));
    assert_eq!(lines.iter().filter(|line| line["type"] == "session_meta").count(), 1);
}

#[tokio::test]
async fn a_fork_without_turns_says_less_and_can_be_kept_nowhere() {
    let mut bench = Bench::start(words()).await;
    let source = bench.talk(&["one"]).await;
    let start = mark(&bench.parent);
    let silent = fork(&mut bench, &source, json!({ "excludeTurns": true })).await;
    assert_eq!(story(&bench.parent, start), ["result", "thread/started"]);
    assert_eq!(silent["thread"]["turns"], json!([]));
    let ephemeral = fork(&mut bench, &source, json!({ "excludeTurns": true, "ephemeral": true })).await;
    let thread = &ephemeral["thread"];
    assert_eq!((&thread["path"], &thread["ephemeral"]), (&Value::Null, &json!(true)));
    assert_eq!(str_of(thread, "forkedFromId"), source);
    bench.say(&id_of(&ephemeral), "two").await;
    assert_eq!(bench.given(), ["one", "A word.", "two"]);
    let listed = bench.listed(json!({})).await;
    assert!(!listed.contains(&id_of(&ephemeral)) && listed.contains(&id_of(&silent)), "{listed:?}");
    assert!(super::find(&bench.host.home().join("sessions"), &id_of(&ephemeral)).is_none());
}

#[tokio::test]
async fn a_fork_that_is_refused_leaves_nothing_behind() {
    let mut bench = Bench::start(words()).await;
    let config = json!({
        "model_provider": "mine",
        "model_providers.mine.base_url": bench.host.sim.base_url(),
        "model_providers.mine.http_headers.authorization": "Bearer sk-mine",
    });
    let source = id_of(&bench.call("thread/start", json!({ "config": config })).await);
    bench.say(&source, "one").await;
    // The next day nobody knows of the provider.
    let mut bench = bench.restarted().await;
    let refusals = [
        (json!({}), "Model provider `mine` not found"),
        (json!({ "permissions": "strict" }), "unknown permission profile `strict`"),
        (json!({ "permissions": ":workspace", "sandbox": "read-only" }), "`permissions` cannot be combined with"),
        (json!({ "excludeTurns": true, "ephemeral": true }), "Model provider `mine` not found"),
    ];
    for (mut params, words) in refusals {
        params["threadId"] = json!(source);
        let (_, message) = bench.refused("thread/fork", params).await;
        assert!(message.contains(words), "{message}");
        assert_eq!(bench.listed(json!({ "modelProviders": [] })).await, [source.as_str()], "{words}");
        assert_eq!(bench.call("thread/loaded/list", json!({})).await["data"], json!([]), "{words}");
    }
}

#[tokio::test]
async fn a_fork_takes_settings_of_its_own() {
    let mut bench = Bench::start(words()).await;
    let source = bench.talk(&["one"]).await;
    let params = json!({ "model": "gpt-6-sol", "cwd": "/", "threadSource": "user", "approvalPolicy": "untrusted" });
    let forked = fork(&mut bench, &source, params).await;
    let settings = |opened: &Value| ["model", "cwd", "approvalPolicy"].map(|member| str_of(opened, member).to_owned());
    assert_eq!(settings(&forked), ["gpt-6-sol", "/", "untrusted"]);
    assert_eq!(str_of(&forked["thread"], "threadSource"), "user");
    let mut bench = bench.restarted().await;
    let resumed = bench.resume(&id_of(&forked)).await;
    assert_eq!(settings(&resumed), settings(&forked));
    assert_ne!(settings(&bench.resume(&source).await), settings(&forked));
}

#[tokio::test]
async fn what_cannot_be_forked_is_refused() {
    let mut bench = Bench::start(words()).await;
    let source = bench.talk(&["one"]).await;
    let fresh = bench.parent.thread().await;
    let archived = bench.talk(&["one"]).await;
    bench.call("thread/archive", json!({ "threadId": archived })).await;
    let none = |thread: &str| format!("no rollout found for thread id {thread}");
    let cases = [
        (
            json!({ "threadId": source, "lastTurnId": "x", "beforeTurnId": "y" }),
            "`beforeTurnId` cannot be combined with `lastTurnId`".to_owned(),
        ),
        (json!({ "threadId": source, "lastTurnId": "nope" }), "turn not found: nope".to_owned()),
        (
            json!({ "threadId": source, "ephemeral": true }),
            "ephemeral paginated thread/fork requires `excludeTurns: true`".to_owned(),
        ),
        (json!({ "threadId": MISSING }), none(MISSING)),
        (json!({ "threadId": fresh }), none(&fresh)),
        (
            json!({ "threadId": archived }),
            format!("session {archived} is archived. Run `codex unarchive {archived}` to unarchive it first."),
        ),
    ];
    for (params, message) in cases {
        assert_eq!(bench.refused("thread/fork", params).await, (-32600, message));
    }
    let (_, message) = bench.refused("thread/fork", json!({ "threadId": "nope" })).await;
    assert!(message.starts_with("invalid session id: "), "{message}");
}

#[tokio::test]
async fn a_thread_whose_turn_runs_is_forked_as_far_as_it_is() {
    let slow = Response::new().text("First.").chunks(Chunks::repeat("w ", 6000).every(Duration::from_millis(10)));
    let mut bench = Bench::start(model([Response::new().text("A word."), slow])).await;
    let source = bench.talk(&["one"]).await;
    let turn = bench.parent.start_turn(&source, "two").await;
    while !bench.parent.wait_for::<m::AgentMessageDelta>().await.delta.starts_with('w') {}
    let (_, message) = bench.refused("thread/fork", json!({ "threadId": source, "lastTurnId": turn })).await;
    assert_eq!(message, format!("lastTurnId '{turn}' identifies an in-progress turn"));
    let before = fork(&mut bench, &source, json!({ "beforeTurnId": turn })).await;
    assert_eq!(asked(&before["thread"]), ["one"]);
    let forked = fork(&mut bench, &source, json!({})).await;
    assert_eq!(forked["thread"]["status"], json!({ "type": "idle" }));
    let cut = &forked["thread"]["turns"][1];
    assert_eq!(str_of(cut, "status"), "interrupted");
    assert_eq!(kinds(&cut["items"]), [("userMessage", "two"), ("agentMessage", "First.")]);
    bench.say(&id_of(&forked), "three").await;
    let given = bench.given();
    assert_eq!(given[..4], ["one", "A word.", "two", "First."].map(str::to_owned));
    assert!(given[4].starts_with("<turn_aborted>") && given[5] == "three", "{given:?}");
    bench.call("turn/interrupt", json!({ "threadId": source, "turnId": turn })).await;
    let ended = bench.parent.end_of(&turn).await;
    assert_eq!(ended.turn.status.as_str(), "interrupted", "the source was left alone");
}
