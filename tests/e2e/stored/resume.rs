//! Going on with a thread on the next day: everything that belongs to it is there again.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_sim::{Response, Script};

use super::{Bench, MISSING, kinds, line_kinds, mark, model, sent_since, story, text, words};

fn plan_mode(model: &str) -> Value {
    let settings = json!({ "model": model, "reasoning_effort": "low", "developer_instructions": null });
    json!({ "mode": "plan", "settings": settings })
}

#[tokio::test]
async fn a_thread_outlives_its_host_with_all_that_belongs_to_it() {
    let schema = json!({ "type": "object", "properties": {} });
    let tool = json!({ "type": "function", "name": "weather", "description": "Tells.", "inputSchema": schema });
    let mut bench = Bench::start(model([Response::new().reasoning("Hm.").text("First answer.")])).await;
    let started = bench
        .call(
            "thread/start",
            json!({ "cwd": "/tmp", "baseInstructions": "Be brief.", "developerInstructions": "Use metres.",
                "dynamicTools": [tool], "approvalPolicy": "never", "sandbox": "read-only", "serviceTier": "flex" }),
        )
        .await;
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    bench.say(&thread, "first question").await;
    let input = json!([{ "type": "text", "text": "plan this" }]);
    let params = json!({ "threadId": thread, "input": input, "collaborationMode": plan_mode("gpt-6-sol") });
    let turn = bench.call("turn/start", params).await;
    bench.parent.end_of(turn["turn"]["id"].as_str().unwrap()).await;
    bench.call("thread/name/set", json!({ "threadId": thread, "name": "Questions" })).await;
    let before = bench.call("thread/read", json!({ "threadId": thread, "includeTurns": true })).await;
    let (given, tools) = (bench.input(), bench.posts().pop().unwrap()["tools"].clone());

    let mut bench = bench.restarted().await;
    let resumed = bench.resume(&thread).await;
    for member in ["id", "preview", "name", "path", "cwd", "createdAt", "environments", "originator", "source", "turns"]
    {
        assert_eq!(resumed["thread"][member], before["thread"][member], "{member}");
    }
    assert_eq!(resumed["thread"]["name"], "Questions");
    assert_eq!(
        (&resumed["model"], &resumed["cwd"], &resumed["approvalPolicy"], &resumed["serviceTier"]),
        (&json!("gpt-6-sol"), &json!("/tmp"), &json!("never"), &json!("flex"))
    );
    assert_eq!(resumed["sandbox"], json!({ "type": "readOnly", "networkAccess": false }));
    assert_eq!(resumed["reasoningEffort"], "low");
    assert_eq!(resumed["collaborationMode"]["mode"], "plan");
    bench.say(&thread, "third question").await;
    let post = bench.posts().pop().unwrap();
    assert_eq!(post["input"].as_array().unwrap()[..given.len()], given, "nothing is told anew, or differently");
    let rest: Vec<String> = bench.input()[given.len()..].iter().map(text).collect();
    assert_eq!(rest, ["A word.", "third question"]);
    assert_eq!(post["input"][0]["content"][0]["text"], "Be brief.");
    assert_eq!(post["tools"], tools);
    assert_eq!((&post["model"], &post["reasoning"]["effort"]), (&json!("gpt-6-sol"), &json!("low")));
}

#[tokio::test]
async fn a_thread_is_resumed_in_the_order_that_clients_know() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["hello"]).await;
    let start = mark(&bench.parent);
    bench.resume(&thread).await;
    let loaded = ["deprecationNotice", "result", "thread/tokenUsage/updated", "thread/goal/cleared"];
    assert_eq!(story(&bench.parent, start), loaded);
    let start = mark(&bench.parent);
    bench.resume_with(&thread, json!({ "excludeTurns": true })).await;
    assert_eq!(story(&bench.parent, start), ["result", "thread/goal/cleared"]);

    let mut bench = bench.restarted().await;
    let start = mark(&bench.parent);
    bench.resume_with(&thread, json!({ "excludeTurns": true })).await;
    let stored = ["thread/status/changed idle", "result", "thread/tokenUsage/updated", "thread/goal/cleared"];
    assert_eq!(story(&bench.parent, start), stored);
}

#[tokio::test]
async fn turns_are_told_whole_or_by_pages_or_not_at_all() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one", "two", "three"]).await;
    let mut bench = bench.restarted().await;
    let whole = bench.resume(&thread).await;
    assert_eq!(whole["thread"]["turns"], json!(bench.turns(&thread).await));
    assert_eq!(whole["thread"]["turns"].as_array().unwrap().len(), 3);
    assert_eq!(whole["initialTurnsPage"], Value::Null);
    let page = json!({ "limit": 2, "itemsView": "full", "sortDirection": "asc" });
    let paged = bench.resume_with(&thread, json!({ "excludeTurns": true, "initialTurnsPage": page })).await;
    assert_eq!(paged["thread"]["turns"], json!([]));
    let page = &paged["initialTurnsPage"];
    assert_eq!(page["data"], json!(whole["thread"]["turns"].as_array().unwrap()[..2]));
    let next = json!({ "threadId": thread, "cursor": page["nextCursor"], "sortDirection": "asc" });
    assert_eq!(bench.call("thread/turns/list", next).await["data"][0]["id"], whole["thread"]["turns"][2]["id"]);
    for resumed in [&whole, &paged] {
        let turns = json!({ "threadId": thread, "cursor": resumed["turnsBackwardsCursor"], "limit": 1 });
        assert_eq!(bench.call("thread/turns/list", turns).await["data"][0]["id"], whole["thread"]["turns"][2]["id"]);
        let cursor = &resumed["itemsBackwardsCursor"];
        let items = json!({ "threadId": thread, "cursor": cursor, "limit": 1, "sortDirection": "desc" });
        assert_eq!(bench.call("thread/items/list", items).await["data"][0]["item"]["text"], "A word.");
    }
}

#[tokio::test]
async fn what_cannot_be_resumed_is_refused_in_the_words_that_clients_know() {
    let mut bench = Bench::start(words()).await;
    let resume = |thread: &str| json!({ "threadId": thread });
    let none = |thread: &str| (-32600, format!("no rollout found for thread id {thread}"));
    let (code, message) = bench.refused("thread/resume", resume("nope")).await;
    assert!(code == -32600 && message.starts_with("invalid session id: "), "{message}");
    assert_eq!(bench.refused("thread/resume", resume(MISSING)).await, none(MISSING));
    let fresh = bench.parent.thread().await;
    assert_eq!(bench.refused("thread/resume", resume(&fresh)).await, none(&fresh));
    let ephemeral = bench.call("thread/start", json!({ "ephemeral": true })).await;
    let ephemeral = ephemeral["thread"]["id"].as_str().unwrap().to_owned();
    bench.say(&ephemeral, "hello").await;
    assert_eq!(bench.refused("thread/resume", resume(&ephemeral)).await, none(&ephemeral));
    let archived = bench.talk(&["hello"]).await;
    bench.call("thread/archive", resume(&archived)).await;
    let (_, message) = bench.refused("thread/resume", resume(&archived)).await;
    assert_eq!(
        message,
        format!("session {archived} is archived. Run `codex unarchive {archived}` to unarchive it first.")
    );
}

#[tokio::test]
async fn a_thread_can_be_resumed_by_its_file() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["hello"]).await;
    let path = super::file_of(bench.host.home(), &thread);
    let mut bench = bench.restarted().await;
    let elsewhere = bench.host.home().join("copy").join(path.file_name().unwrap());
    for loaded in [false, true] {
        let (_, message) = bench.refused("thread/resume", json!({ "threadId": thread, "path": elsewhere })).await;
        let kind = if loaded { "running" } else { "paginated" };
        assert!(message.starts_with(&format!("cannot resume {kind} thread {thread} with stale path: ")), "{message}");
        let resumed = bench.call("thread/resume", json!({ "threadId": "nonsense", "path": path })).await;
        assert_eq!(resumed["thread"]["id"], thread);
        assert_eq!(resumed["thread"]["path"], json!(path));
    }
    let resumed = bench.call("thread/resume", json!({ "threadId": thread, "path": "" })).await;
    assert_eq!(resumed["thread"]["id"], thread);
}

#[tokio::test]
async fn settings_can_be_changed_while_a_thread_is_resumed_and_stay() {
    let bench = &mut Bench::start(words()).await;
    let thread = bench.talk(&["hello"]).await;
    let changed = json!({ "model": "gpt-6-sol", "cwd": "/", "approvalPolicy": "untrusted", "sandbox": "read-only",
        "baseInstructions": "Be kind.", "config": { "model_verbosity": "low" } });
    let ignored = bench.resume_with(&thread, changed.clone()).await;
    assert_ne!(ignored["model"], "gpt-6-sol", "of a loaded thread nothing is changed");
    let host = bench.host.after_a_crash();
    let mut bench = Bench::on(host).await;
    let resumed = bench.resume_with(&thread, changed).await;
    let settings =
        |resumed: &Value| ["model", "cwd", "approvalPolicy", "sandbox"].map(|member| resumed[member].clone());
    let sandbox = json!({ "type": "readOnly", "networkAccess": false });
    assert_eq!(settings(&resumed), [json!("gpt-6-sol"), json!("/"), json!("untrusted"), sandbox]);
    bench.say(&thread, "again").await;
    let post = bench.posts().pop().unwrap();
    assert_eq!((&post["model"], &post["input"][0]["content"][0]["text"]), (&json!("gpt-6-sol"), &json!("Be kind.")));
    let mut bench = bench.restarted().await;
    let again = bench.resume(&thread).await;
    assert_eq!(settings(&again), settings(&resumed));
}

#[tokio::test]
async fn what_was_used_is_added_up_over_the_days() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["hello"]).await;
    let mut totals = Vec::new();
    for _ in 0..3 {
        bench = bench.restarted().await;
        let start = mark(&bench.parent);
        bench.resume(&thread).await;
        let told = sent_since(&bench.parent, start);
        let told = told.iter().find(|message| message["method"] == "thread/tokenUsage/updated").unwrap();
        totals.push(told["params"]["tokenUsage"]["total"]["totalTokens"].as_i64().unwrap());
        let turns = bench.turns(&thread).await;
        assert_eq!(told["params"]["turnId"], turns.last().unwrap()["id"]);
        bench.say(&thread, "again").await;
    }
    assert!(totals[0] > 0);
    assert_eq!(totals, [totals[0], totals[0] * 2, totals[0] * 3]);
}

#[tokio::test]
async fn a_summary_stands_for_what_was_before_it_on_the_next_day_too() {
    let script = Script::new()
        .rule(valet_sim::Rule::when("Sum up this conversation").respond("All about words."))
        .rule(valet_sim::Rule::always().respond("A word."));
    let mut bench = Bench::start(script).await;
    let thread = bench.talk(&["one", "two"]).await;
    bench.call("thread/compact/start", json!({ "threadId": thread })).await;
    bench.parent.wait_for::<valet_protocol::methods::TurnCompleted>().await;
    bench.say(&thread, "three").await;
    let given = bench.input();
    let mut bench = bench.restarted().await;
    let resumed = bench.resume(&thread).await;
    let compaction = &resumed["thread"]["turns"][2];
    assert_eq!(kinds(&compaction["items"]), [("contextCompaction", "")]);
    bench.say(&thread, "four").await;
    assert_eq!(bench.input()[..given.len()], given);
    assert_eq!(bench.given().iter().filter(|text| text.ends_with("All about words.")).count(), 1);
    assert_eq!(bench.given()[..2], ["one", "two"].map(str::to_owned));
    assert_eq!(line_kinds(&bench.log(&thread)).iter().filter(|kind| **kind == "compacted").count(), 1);
}

#[tokio::test]
async fn what_was_put_in_between_turns_is_there_on_the_next_day_too() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one"]).await;
    let content = json!([{ "type": "input_text", "text": "put in" }]);
    let item = json!({ "type": "message", "role": "user", "content": content });
    bench.call("thread/inject_items", json!({ "threadId": thread, "items": [item] })).await;
    bench.call("thread/shellCommand", json!({ "threadId": thread, "command": "echo by a person" })).await;
    bench.parent.wait_for::<valet_protocol::methods::TurnCompleted>().await;
    let mut bench = bench.restarted().await;
    let resumed = bench.resume(&thread).await;
    let turns = resumed["thread"]["turns"].as_array().unwrap();
    assert_eq!((turns.len(), &turns[1]["items"][0]["aggregatedOutput"]), (2, &json!("by a person\n")));
    bench.say(&thread, "two").await;
    let given = bench.given();
    assert_eq!((given.len(), given[2].as_str(), given[4].as_str()), (5, "put in", "two"));
    assert!(given[3].contains("by a person"), "{given:?}");
}
