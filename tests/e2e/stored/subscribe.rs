//! Coming to listen in the middle of a turn: what the newcomer is told of what was, and everything it hears later,
//! make up the whole, and nothing comes twice.

use std::collections::BTreeMap;
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_sim::{Chunks, Response, Script};
use valet_tests::{TestClient, TestHost};

use super::{Bench, mark, model, sent_since, story};

/// A model that thinks, and says many words.
fn talkative() -> Script {
    let words: String = (0..400).map(|number| format!("w{number} ")).collect();
    let words = Chunks::words(words).every(Duration::from_millis(1));
    Script::respond(Response::new().reasoning("Hm, well, so it is.").text("First.").chunks(words).text("Last."))
}

/// What a client knows of the items of a turn: their texts as far as it heard them, and how often it was told that
/// they are whole.
#[derive(Default)]
struct Known {
    texts: BTreeMap<String, String>,
    whole: BTreeMap<String, usize>,
    deltas: usize,
}

impl Known {
    /// What a client came to know by a list of messages, of which the first is a snapshot. Each further snapshot
    /// must agree with what was heard until then.
    fn from(messages: &[Value]) -> Self {
        let mut known = Self::default();
        for message in messages {
            let params = &message["params"];
            match message["method"].as_str() {
                None => known.snapshot(&message["result"]["thread"]["turns"]),
                Some("item/started") => known.text(&params["item"]),
                Some("item/agentMessage/delta") => {
                    let text = known.texts.get_mut(params["itemId"].as_str().unwrap());
                    text.unwrap().push_str(params["delta"].as_str().unwrap());
                    known.deltas += 1;
                }
                Some("item/completed") => {
                    known.agree(&params["item"]);
                    *known.whole.entry(id(&params["item"])).or_default() += 1;
                }
                Some(_) => {}
            }
        }
        known
    }

    fn snapshot(&mut self, turns: &Value) {
        for item in turns.as_array().into_iter().flatten().flat_map(|turn| turn["items"].as_array().unwrap()) {
            self.agree(item);
            if !item["completedAtMs"].is_null() {
                self.whole.entry(id(item)).or_insert(1);
            }
        }
    }

    fn text(&mut self, item: &Value) {
        if item["type"] == "agentMessage" {
            let before = self.texts.insert(id(item), item["text"].as_str().unwrap().to_owned());
            assert_eq!(before, None, "nothing begins twice");
        }
    }

    /// The text of an item is what was heard of it.
    fn agree(&mut self, item: &Value) {
        match self.texts.get(&id(item)) {
            Some(text) => assert_eq!(item["text"], json!(text)),
            None => self.text(item),
        }
    }

    /// The client knows everything, once.
    fn check(&self, turn: &Value) {
        let items = turn["items"].as_array().unwrap();
        let whole: BTreeMap<String, usize> = items.iter().map(|item| (id(item), 1)).collect();
        assert_eq!(self.whole, whole);
        for item in items.iter().filter(|item| item["type"] == "agentMessage") {
            assert_eq!(item["text"], json!(self.texts[&id(item)]));
        }
    }
}

fn id(item: &Value) -> String {
    item["id"].as_str().unwrap().to_owned()
}

async fn resume(client: &mut TestClient, thread: &str) {
    client.call("thread/resume", json!({ "threadId": thread })).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomers_at_any_moment_of_a_turn_hear_all_of_it_once() {
    let mut bench = Bench::start(talkative()).await;
    let thread = bench.parent.thread().await;
    let mut newcomers = Vec::new();
    for _ in 0..8 {
        newcomers.push(bench.host.client().await);
    }
    let turn = bench.parent.start_turn(&thread, "hello").await;
    bench.parent.wait_for::<m::TurnStarted>().await;
    let mut heard = Vec::new();
    for (number, mut client) in newcomers.into_iter().enumerate() {
        // They come when the first one has heard so many words more.
        for _ in 0..number * 10 {
            bench.parent.wait_for::<m::AgentMessageDelta>().await;
        }
        let start = mark(&client);
        resume(&mut client, &thread).await;
        heard.push((client, start));
    }
    bench.parent.end_of(&turn).await;
    let turns = bench.turns(&thread).await;
    let mut deltas = Vec::new();
    for (client, start) in &mut heard {
        client.wait_for::<m::TurnCompleted>().await;
        let known = Known::from(&sent_since(client, *start));
        known.check(&turns[0]);
        deltas.push(known.deltas);
    }
    assert!(deltas.is_sorted_by(|one, other| one >= other), "each came later: {deltas:?}");
    assert!(deltas[0] > deltas[7] && deltas[7] > 0, "they came while it ran: {deltas:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_resumes_again_and_again_while_a_turn_runs_hears_all_of_it_once() {
    let mut bench = Bench::start(talkative()).await;
    let thread = bench.talk(&["before"]).await;
    let mut client = bench.host.client().await;
    let start = mark(&client);
    resume(&mut client, &thread).await;
    let turn = bench.parent.start_turn(&thread, "hello").await;
    for number in 0..50 {
        resume(&mut client, &thread).await;
        for _ in 0..number * 7 % 13 {
            bench.parent.wait_for::<m::AgentMessageDelta>().await;
        }
    }
    bench.parent.end_of(&turn).await;
    let turns = bench.turns(&thread).await;
    client.wait_for::<m::TurnCompleted>().await;
    let heard = sent_since(&client, start);
    assert_eq!(heard.iter().filter(|message| message.get("result").is_some()).count(), 51);
    let items: Vec<&Value> = turns.iter().flat_map(|turn| turn["items"].as_array().unwrap()).collect();
    Known::from(&heard).check(&json!({ "items": items }));
}

/// A command about which a person is asked.
fn asks() -> Script {
    let command = json!({ "cmd": "touch made", "login": false, "shell": "/bin/sh" });
    model([Response::new().function_call("exec_command", command)])
}

async fn asking() -> (Bench, String, valet_tests::Asked) {
    let builder = TestHost::builder().config("approval_policy = \"untrusted\"");
    let mut bench = Bench::of(builder.script(asks())).await;
    let thread = bench.parent.thread().await;
    bench.parent.start_turn(&thread, "hello").await;
    let asked = bench.parent.asked().await;
    (bench, thread, asked)
}

#[tokio::test]
async fn a_question_that_stands_open_is_asked_again_after_the_answer_and_the_first_reply_counts() {
    let (mut bench, thread, asked) = asking().await;
    let mut other = bench.host.client().await;
    let start = mark(&other);
    let resumed = other.call("thread/resume", json!({ "threadId": thread })).await.unwrap();
    let status = json!({ "type": "active", "activeFlags": ["waitingOnApproval"] });
    assert_eq!(resumed["thread"]["status"], status);
    let item = &resumed["thread"]["turns"][0]["items"][1];
    assert_eq!((&item["id"], &item["status"]), (&asked.params["itemId"], &json!("inProgress")));
    let again = other.asked().await;
    assert_eq!((&again.id, &again.method, &again.params), (&asked.id, &asked.method, &asked.params));
    let question = "item/commandExecution/requestApproval";
    let order = ["deprecationNotice", "result", "thread/goal/cleared", question];
    assert_eq!(story(&other, start), order);
    other.answer(&again, &json!({ "decision": "decline" }));
    for client in [&mut bench.parent, &mut other] {
        let resolved = client.wait_for::<m::ServerRequestResolved>().await;
        assert_eq!(serde_json::to_value(resolved.request_id).unwrap(), asked.id);
    }
    bench.parent.answer(&asked, &json!({ "decision": "accept" }));
    let completed = bench.parent.wait_for::<m::TurnCompleted>().await;
    let items = bench.turns(&thread).await[0]["items"].clone();
    assert_eq!((items[1]["status"].as_str(), completed.turn.status.as_str()), (Some("declined"), "completed"));
}

#[tokio::test]
async fn a_question_outlives_everybody_who_was_asked() {
    let (mut bench, thread, asked) = asking().await;
    bench.parent = bench.host.parent().await;
    resume(&mut bench.parent, &thread).await;
    let again = bench.parent.asked().await;
    assert_eq!(again.id, asked.id);
    bench.parent.answer(&again, &json!({ "decision": "decline" }));
    bench.parent.wait_for::<m::TurnCompleted>().await;
    resume(&mut bench.parent, &thread).await;
    bench.call("thread/loaded/list", json!({})).await;
    assert!(!bench.parent.was_asked(), "it was answered");
}

#[tokio::test]
async fn every_listener_is_told_of_goals_and_everybody_of_the_status_in_order() {
    let mut bench = Bench::start(super::words()).await;
    let thread = bench.talk(&["hello"]).await;
    let mut stranger = bench.host.client().await;
    let mut other = bench.host.client().await;
    let (start, strangers_start) = (mark(&bench.parent), mark(&stranger));
    resume(&mut other, &thread).await;
    bench.parent.wait_for::<m::ThreadGoalCleared>().await;
    assert_eq!(story(&bench.parent, start), ["thread/goal/cleared"]);
    bench.say(&thread, "again").await;
    other.wait_for::<m::TurnCompleted>().await;
    while stranger.wait_for::<m::ThreadStatusChanged>().await.status != (valet_protocol::v2::ThreadStatus::Idle {}) {}
    let statuses = ["thread/status/changed active", "thread/status/changed idle"];
    assert_eq!(story(&stranger, strangers_start), statuses);
    let heard = story(&other, 0).into_iter().filter(|name| name.starts_with("thread/status")).collect::<Vec<_>>();
    assert_eq!(heard, statuses);
}

#[tokio::test]
async fn a_resume_that_fails_leaves_nobody_listening() {
    let mut bench = Bench::start(super::words()).await;
    let thread = bench.talk(&["hello"]).await;
    let mut other = bench.host.client().await;
    let refused = other.refused("thread/resume", json!({ "threadId": thread, "path": "/nowhere" })).await;
    assert!(refused.message.contains("stale path"), "{}", refused.message);
    let unsubscribed = other.call("thread/unsubscribe", json!({ "threadId": thread })).await.unwrap();
    assert_eq!(unsubscribed, json!({ "status": "notSubscribed" }));
}
