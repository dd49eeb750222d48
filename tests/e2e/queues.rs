//! Floods and slow readers: nothing is lost, nothing is said twice, and nobody else notices.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{ThreadItemDetails, ThreadStatus, TurnStatus};
use valet_sim::{Chunks, Response, Rule, Script};
use valet_tests::{TestClient, TestHost};
use valet_transport::{Inbox, Link, OutboxLimits};

const FLOOD: u64 = 20_000;
const DELTAS: u32 = 100_000;
const LIMIT: Duration = Duration::from_secs(60);

async fn read(inbox: &mut Inbox) -> Option<Value> {
    let arrival = tokio::time::timeout(LIMIT, inbox.next()).await.unwrap()?;
    Some(serde_json::from_slice(&arrival).unwrap())
}

fn send(link: &Link, message: &Value) {
    link.outbox.push(message.to_string().into());
}

fn initialize(link: &Link) {
    let params = json!({ "clientInfo": { "name": "bare", "version": "1" } });
    send(link, &json!({ "id": "first", "method": "initialize", "params": params }));
}

/// Waits until the host has read what was sent, but for what fits its inbox.
async fn taken(link: &Link) {
    while link.outbox.waiting_bytes() > 0 {
        tokio::task::yield_now().await;
    }
}

/// The answers to a flood, by code; 0 for a result. Fails at the second answer to the same request.
async fn answers(link: &mut Link) -> HashMap<i64, u64> {
    let mut open: Vec<bool> = vec![true; usize::try_from(FLOOD).unwrap()];
    let mut codes = HashMap::new();
    let mut left = FLOOD;
    while left > 0 {
        let message = read(&mut link.inbox).await.unwrap();
        let Some(id) = message["id"].as_u64() else { continue };
        let id = usize::try_from(id).unwrap();
        assert!(std::mem::take(&mut open[id]), "the second answer to {id}: {message}");
        let code = message["error"]["code"].as_i64().unwrap_or_default();
        if code == -32001 {
            let error = &message["error"];
            assert_eq!(error["message"], "Server overloaded; retry later.");
            assert_eq!((&error["data"]["kind"], &error["data"]["retryable"]), (&json!("overloaded"), &json!(true)));
            assert!(error["data"]["retryAfterMs"].as_u64().is_some_and(|pause| pause > 0), "{error}");
        }
        *codes.entry(code).or_default() += 1;
        left -= 1;
    }
    codes
}

#[tokio::test]
async fn t_1_a_flood_with_small_answers_is_carried_out_whole_for_a_reader_that_comes_late() {
    let host = TestHost::start(Script::new()).await;
    let mut link = host.link(OutboxLimits::default());
    initialize(&link);
    for id in 0..FLOOD {
        send(&link, &json!({ "id": id, "method": "thread/loaded/list", "params": {} }));
    }
    assert_eq!(answers(&mut link).await, HashMap::from([(0, FLOOD)]));
}

#[tokio::test]
async fn t_2_whoever_asks_for_more_than_it_reads_is_told_when_to_come_back_once_per_request() {
    let host = TestHost::start(Script::new()).await;
    let mut link = host.link(OutboxLimits { crowded_bytes: 1024 * 1024, ..OutboxLimits::default() });
    initialize(&link);
    for id in 0..FLOOD {
        // The answer names every method there is.
        send(&link, &json!({ "id": id, "method": "no/such", "params": {} }));
    }
    taken(&link).await;
    let codes = answers(&mut link).await;
    assert!(codes[&-32600] > 500 && codes[&-32001] > 500, "{codes:?}");
    assert_eq!(codes.values().sum::<u64>(), FLOOD);
    send(&link, &json!({ "id": 0, "method": "thread/loaded/list", "params": {} }));
    assert_eq!(read(&mut link.inbox).await.unwrap()["result"]["data"], json!([]));
}

#[tokio::test]
async fn in_strict_mode_the_refusal_is_bare() {
    let host = TestHost::builder().with("valet.compat=strict").start().await;
    let mut link = host.link(OutboxLimits { crowded_bytes: 0, ..OutboxLimits::default() });
    for id in 0..FLOOD {
        send(&link, &json!({ "id": id, "method": "no/such" }));
    }
    taken(&link).await;
    loop {
        let message = read(&mut link.inbox).await.unwrap();
        if message["error"]["code"] == -32001 {
            assert_eq!(message["error"], json!({ "code": -32001, "message": "Server overloaded; retry later." }));
            break;
        }
    }
}

fn long_answer(piece: &str) -> Script {
    let chunks = Chunks::repeat(piece, DELTAS);
    Script::new().rule(Rule::always().respond(Response::new().chunks(chunks)))
}

/// A parent that starts a turn over a bare connection, and reads nothing after the turn was accepted.
async fn stalled_reader(host: &TestHost, limits: OutboxLimits) -> (Link, String) {
    let mut link = host.link(limits);
    initialize(&link);
    send(
        &link,
        &json!({ "id": "login", "method": "account/login/start", "params": { "type": "apiKey", "apiKey": "sk-1" } }),
    );
    send(&link, &json!({ "id": "thread", "method": "thread/start", "params": {} }));
    let thread = loop {
        let message = read(&mut link.inbox).await.unwrap();
        if message["id"] == "thread" {
            break message["result"]["thread"]["id"].as_str().unwrap().to_owned();
        }
    };
    let params = json!({ "threadId": thread, "input": [{ "type": "text", "text": "go on" }] });
    // What was told of the thread may crowd a small outbox for a moment.
    loop {
        send(&link, &json!({ "id": "turn", "method": "turn/start", "params": params }));
        let answer = loop {
            let message = read(&mut link.inbox).await.unwrap();
            if message["id"] == "turn" {
                break message;
            }
        };
        if answer["error"].is_null() {
            return (link, thread);
        }
        assert_eq!(answer["error"]["code"], -32001, "{answer}");
    }
}

/// How long requests of another client take until the thread is idle again.
async fn latencies(other: &mut TestClient, thread: &str) -> Vec<Duration> {
    let mut times = Vec::new();
    let params = json!({ "threadId": thread });
    loop {
        let asked = Instant::now();
        other.call("model/list", json!({})).await.unwrap();
        times.push(asked.elapsed());
        if other.call("thread/read", params.clone()).await.unwrap()["thread"]["status"]["type"] == "idle" {
            times.sort();
            return times;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_3_a_reader_that_stalls_through_100_000_deltas_gets_the_exact_text_and_one_end() {
    let host = TestHost::start(long_answer("0123456789")).await;
    let mut other = host.client().await;
    let (mut link, thread) = stalled_reader(&host, OutboxLimits::default()).await;
    let times = latencies(&mut other, &thread).await;
    let median = times[times.len() / 2];
    assert!(median < Duration::from_secs(1), "another client waited for {median:?}");
    assert!(times.len() > 10, "another client was served {} times while the turn ran", times.len());

    let (mut text, mut deltas, mut whole) = (String::new(), 0, String::new());
    let turn = loop {
        let message = read(&mut link.inbox).await.unwrap();
        let params = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "item/agentMessage/delta" => {
                deltas += 1;
                text += params["delta"].as_str().unwrap();
            }
            "item/completed" if params["item"]["type"] == "agentMessage" => {
                whole = params["item"]["text"].as_str().unwrap().to_owned();
            }
            "turn/completed" => break params["turn"].clone(),
            _ => {}
        }
    };
    assert_eq!(turn["status"], "completed");
    assert!(text == "0123456789".repeat(DELTAS as usize), "{} bytes of text", text.len());
    assert!(whole == text, "{} bytes of text at the end", whole.len());
    assert!(deltas < DELTAS / 2, "{deltas} deltas are most of what there was: nothing was joined");
    // An answer is behind everything else: nothing follows the end of the turn.
    send(&link, &json!({ "id": "last", "method": "thread/loaded/list", "params": {} }));
    assert_eq!(read(&mut link.inbox).await.unwrap()["id"], "last");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_3_a_reader_that_never_comes_back_is_let_go_at_its_limit_and_its_thread_lives_on() {
    let host = TestHost::start(long_answer("0123456789")).await;
    let mut other = host.client().await;
    let limits = OutboxLimits { crowded_bytes: 1024, bytes: 256 * 1024 };
    let (mut link, thread) = stalled_reader(&host, limits).await;
    latencies(&mut other, &thread).await;
    while let Some(message) = read(&mut link.inbox).await {
        assert!(message["method"] != "turn/completed", "the end was behind the limit");
    }
    let params = serde_json::from_value(json!({ "threadId": thread, "includeTurns": true })).unwrap();
    let read = other.request::<m::ThreadRead>(params).await.thread;
    assert_eq!(read.status, ThreadStatus::Idle {});
    assert_eq!(read.turns[0].status, TurnStatus::Completed);
    let Some(ThreadItemDetails::AgentMessage { text, .. }) = read.turns[0].items.last().map(|item| &item.details)
    else {
        panic!("{:?}", read.turns[0].items)
    };
    assert_eq!(text.len(), 10 * DELTAS as usize);
}
