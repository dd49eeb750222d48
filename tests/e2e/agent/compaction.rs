//! Making a conversation shorter: by request and by itself, and what is left when it fails.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::TurnStatus;
use valet_sim::{Chunks, Response, Rule, Script, Usage};

use super::{Bench, confined, one_call};

const ASKS: &str = "Sum up this conversation";

/// A model that sums up so, and else says a word.
fn sums_up(summary: impl Into<Response>) -> Script {
    Script::new().rule(Rule::when(ASKS).respond(summary)).rule(Rule::always().respond("A word."))
}

async fn compact(bench: &mut Bench) -> TurnStatus {
    bench.parent.call("thread/compact/start", json!({ "threadId": bench.thread })).await.unwrap();
    bench.parent.wait_for::<m::TurnCompleted>().await.turn.status
}

fn texts(input: &[Value]) -> Vec<&str> {
    input.iter().map(|item| item["content"][0]["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_conversation_is_summed_up_on_request_and_goes_on_from_the_summary() {
    let mut bench = Bench::start(confined(), sums_up("All about words.")).await;
    bench.turn().await;
    let opening = bench.input().len() - 1;
    assert_eq!(compact(&mut bench).await, TurnStatus::Completed);
    assert_eq!(bench.item("contextCompaction")["type"], "contextCompaction");
    assert_eq!(bench.items("agentMessage").len(), 1, "the summary is no message");
    let asked = bench.posts().pop().unwrap();
    assert_eq!(asked["parallel_tool_calls"], false);
    assert_eq!(asked["client_metadata"]["request_kind"], "compaction");
    let before = bench.posts()[0]["input"].as_array().unwrap().clone();
    assert_eq!(asked["input"].as_array().unwrap()[..before.len()], before, "the prefix is the one of the turn");
    bench.turn().await;
    let input = bench.input();
    assert_eq!(texts(&input[..opening]), texts(&before[..opening]));
    let rest = texts(&input[opening..]);
    assert_eq!((rest[0], rest[2], rest.len()), ("go", "go", 3));
    assert!(rest[1].ends_with("All about words."), "{}", rest[1]);
}

#[tokio::test]
async fn a_summary_that_the_filter_has_ended_is_asked_for_in_other_words() {
    let filtered = Response::new().incomplete("content_filter");
    let asked = Rule::when(ASKS).respond(filtered).respond("All about words.");
    let script = Script::new().rule(asked).rule(Rule::always().respond("A word."));
    let mut bench = Bench::start(confined().provider("stream_max_retries = 1"), script).await;
    bench.turn().await;
    assert_eq!(compact(&mut bench).await, TurnStatus::Completed);
    let [.., first, second] = &bench.posts()[..] else { panic!("two requests for a summary") };
    let [first, second] = [first, second].map(|post| post["input"].as_array().unwrap());
    assert_eq!(second[..first.len()], first[..]);
    assert_eq!((second.len(), &second[first.len()]["role"]), (first.len() + 1, &json!("developer")));
}

#[tokio::test]
async fn a_summary_that_fails_or_says_nothing_leaves_the_conversation_as_it_was() {
    let failures = [
        Response::status(400).body("no"),
        Response::new().text("Half of").cut(),
        Response::new(),
        Response::new().text(" \n"),
    ];
    for failure in failures {
        let mut bench = Bench::start(confined(), sums_up(failure)).await;
        bench.turn().await;
        let before = bench.input();
        assert_eq!(compact(&mut bench).await, TurnStatus::Failed);
        assert_eq!(bench.items("contextCompaction").len(), 1, "what began is over");
        bench.turn().await;
        assert_eq!(bench.input()[..before.len()], before);
        assert_eq!(texts(&bench.input()[before.len()..]), ["A word.", "go"]);
    }
}

#[tokio::test]
async fn a_summary_that_is_cut_is_asked_for_again_because_nobody_has_seen_it() {
    let script = Script::new()
        .rule(Rule::when(ASKS).respond(Response::new().text("Half of").cut()).respond("All about words."))
        .rule(Rule::always().respond("A word."));
    let mut bench = Bench::start(confined().provider("stream_max_retries = 1"), script).await;
    bench.turn().await;
    assert_eq!(compact(&mut bench).await, TurnStatus::Completed);
    bench.turn().await;
    let summary = bench.input().iter().any(|item| item.to_string().contains("All about words."));
    assert!(summary, "{:?}", bench.input());
}

#[tokio::test]
async fn a_conversation_near_its_limit_is_summed_up_before_the_model_goes_on() {
    let usage = |total: u64| Usage { input_tokens: total - 20, ..Usage::default() };
    let script = Script::new()
        .rule(Rule::when(ASKS).respond(Response::new().text("Short.").usage(usage(5000))))
        .rule(Rule::always().respond(Response::new().text("A word.").usage(usage(1000))));
    let mut bench = Bench::start(confined().config("model_auto_compact_token_limit = 1000"), script).await;
    bench.turn().await;
    assert!(bench.items("contextCompaction").is_empty());
    bench.turn().await;
    bench.item("contextCompaction");
    assert_eq!(bench.posts().len(), 3);
    let input = bench.input();
    let rest = texts(&input[input.len() - 3..]);
    assert_eq!((rest[0], rest[2]), ("go", "go"), "what is said now is not summed up");
    assert!(rest[1].ends_with("Short."), "{}", rest[1]);
    let used = bench.told("thread/tokenUsage/updated").pop().unwrap();
    assert_eq!(used["tokenUsage"]["total"]["totalTokens"], 7000, "what the summary cost is counted");
}

#[tokio::test]
async fn a_conversation_that_is_too_long_fails_one_turn_and_is_summed_up_before_the_next() {
    let too_long = Response::new().failed("context_length_exceeded", "Too long.");
    let script = Script::new()
        .rule(Rule::when(ASKS).respond("Short."))
        .rule(Rule::always().respond(too_long).respond("A word."));
    let mut bench = Bench::start(confined(), script).await;
    assert_eq!(bench.any_turn().await.turn.status, TurnStatus::Failed);
    let used = bench.told("thread/tokenUsage/updated").pop().unwrap()["tokenUsage"].clone();
    assert_eq!(used["last"]["totalTokens"], used["modelContextWindow"], "a client can show that it is full");
    bench.turn().await;
    bench.item("contextCompaction");
    let input = bench.input();
    let rest = texts(&input[input.len() - 3..]);
    assert_eq!((rest[0], rest[2]), ("go", "go"));
    assert!(rest[1].ends_with("Short."), "{}", rest[1]);
    bench.turn().await;
    assert_eq!(bench.items("contextCompaction").len(), 1, "there is room again");
}

#[tokio::test]
async fn what_is_said_to_a_conversation_that_cannot_be_summed_up_is_kept() {
    let too_long = Response::new().failed("context_length_exceeded", "Too long.");
    let script = Script::new()
        .rule(Rule::when(ASKS).respond(Response::status(400).body("no")).respond("Short."))
        .rule(Rule::always().respond(too_long).respond("A word."));
    let mut bench = Bench::start(confined(), script).await;
    for status in [TurnStatus::Failed, TurnStatus::Failed, TurnStatus::Completed] {
        assert_eq!(bench.any_turn().await.turn.status, status);
    }
    assert_eq!(bench.items("userMessage").len(), 3);
    let input = bench.input();
    let rest = texts(&input[input.len() - 4..]);
    assert_eq!((rest[0], rest[1], rest[3]), ("go", "go", "go"));
}

#[tokio::test]
async fn a_turn_that_grows_too_long_is_summed_up_in_the_middle() {
    let call = one_call("exec_command", super::command("echo out"));
    let summary = Rule::when(ASKS).respond("It echoed.");
    let script = Script { rules: std::iter::once(summary).chain(call.rules).collect(), ..Script::new() };
    let mut bench = Bench::start(confined().config("model_auto_compact_token_limit = 100"), script).await;
    bench.turn().await;
    bench.item("contextCompaction");
    let asked = bench.posts()[1]["input"].to_string();
    assert!(asked.contains("function_call_output"), "the call was answered before");
    let input = bench.input();
    assert!(!json!(input).to_string().contains("function_call"), "neither calls nor answers are left");
    assert!(texts(&input).last().unwrap().ends_with("It echoed."));
}

#[tokio::test]
async fn a_compaction_is_stopped_but_not_steered() {
    let slow = Response::new().chunks(Chunks::repeat("w ", 6000).every(Duration::from_millis(10)));
    let mut bench = Bench::start(confined(), sums_up(slow)).await;
    bench.turn().await;
    let before = bench.input();
    bench.parent.call("thread/compact/start", json!({ "threadId": bench.thread })).await.unwrap();
    let turn = bench.parent.wait_for::<m::TurnStarted>().await.turn.id;
    let input = json!([{ "type": "text", "text": "more" }]);
    let params = json!({ "threadId": bench.thread, "expectedTurnId": turn, "input": input });
    let refusal = bench.parent.refused("turn/steer", params).await;
    assert_eq!((refusal.code, refusal.kind.as_deref()), (-32600, Some("threadBusy")));
    bench.interrupt(&turn).await;
    bench.item("contextCompaction");
    bench.turn().await;
    assert_eq!(bench.input()[..before.len()], before);
}
