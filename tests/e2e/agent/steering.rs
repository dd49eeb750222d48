//! Adding to a turn that runs: what is cut, what waits, and what the model is given.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::TurnStatus;
use valet_sim::{Chunks, Response, Rule, Script};

use super::{Bench, command, confined, marker, model, one_command};

/// Talks on and on.
fn talks() -> Response {
    Response::new().chunks(Chunks::repeat("w ", 6000).every(Duration::from_millis(10)))
}

async fn steer(bench: &mut Bench, turn: &str, text: &str) {
    let input = json!([{ "type": "text", "text": text }]);
    let params =
        json!({ "threadId": bench.thread, "expectedTurnId": turn, "input": input, "clientUserMessageId": "mine" });
    assert_eq!(bench.parent.call("turn/steer", params).await.unwrap(), json!({ "turnId": turn }));
}

/// What people said, in the history and as items.
fn said(bench: &Bench) -> (Vec<Value>, Vec<Value>) {
    let input = bench.input();
    let users = input.iter().filter(|item| item["role"] == "user").map(|item| item["content"][0]["text"].clone());
    let users = users.filter(|text| !text.as_str().unwrap().starts_with('<')).collect();
    (users, bench.items("userMessage").iter().map(|item| item["content"][0]["text"].clone()).collect())
}

#[tokio::test]
async fn a_steer_cuts_the_stream_and_the_model_is_asked_anew_with_what_was_added() {
    let script = Script::new().rule(Rule::when("go").respond(talks())).rule(Rule::always().respond("Done."));
    let mut bench = Bench::start(confined(), script).await;
    let turn = bench.begin().await;
    bench.parent.wait_for::<m::AgentMessageDelta>().await;
    steer(&mut bench, &turn, "rather this").await;
    let ended = bench.end(&turn).await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    let both = vec![json!("go"), json!("rather this")];
    assert_eq!(said(&bench), (both.clone(), both));
    assert_eq!(bench.items("userMessage")[1]["clientId"], "mine");
    assert_eq!((bench.posts().len(), bench.items("agentMessage").len()), (2, 1), "what was cut is never whole");
    assert!(!bench.input().iter().any(|item| item["role"] == "assistant"));
    assert_eq!(bench.told("turn/started").len(), 1);
}

#[tokio::test]
async fn a_steer_while_a_command_runs_waits_for_its_output_and_the_command_goes_on() {
    let script = "echo begun; while [ ! -e go ]; do sleep 0.02; done; echo whole";
    let mut bench = Bench::start(confined(), one_command(script)).await;
    let turn = bench.begin().await;
    bench.parent.wait_for::<m::CommandExecutionOutputDelta>().await;
    steer(&mut bench, &turn, "and this").await;
    assert_eq!(bench.items("userMessage").len(), 1, "it is said when the command is done");
    bench.write("go", "");
    bench.end(&turn).await;
    assert_eq!(bench.item("commandExecution")["aggregatedOutput"], "begun\nwhole\n");
    let input = bench.input();
    assert!(input[input.len() - 2]["output"].as_str().unwrap().ends_with("begun\nwhole\n"));
    assert_eq!(input.last().unwrap()["content"][0]["text"], "and this");
}

#[tokio::test]
async fn what_was_taken_is_not_lost_when_the_turn_is_stopped() {
    let mut bench = Bench::start(confined(), one_command(&format!("echo begun; sleep {}", marker()))).await;
    let turn = bench.begin().await;
    bench.parent.wait_for::<m::CommandExecutionOutputDelta>().await;
    steer(&mut bench, &turn, "and this").await;
    bench.interrupt(&turn).await;
    bench.turn().await;
    let all = vec![json!("go"), json!("and this"), json!("go")];
    assert_eq!(said(&bench), (all.clone(), all));
}

#[tokio::test]
async fn a_steer_that_misses_is_refused_in_the_words_of_the_reference() {
    let mut bench = Bench::start(confined(), Script::respond(talks())).await;
    let input = json!([{ "type": "text", "text": "more" }]);
    let params = json!({ "threadId": bench.thread, "expectedTurnId": "nope", "input": input });
    let refusal = bench.parent.refused("turn/steer", params.clone()).await;
    assert_eq!((refusal.code, refusal.message.as_str()), (-32600, "no active turn to steer"));
    let turn = bench.begin().await;
    let refusal = bench.parent.refused("turn/steer", params).await;
    assert_eq!(refusal.message, format!("expected active turn id `nope` but found `{turn}`"));
    bench.interrupt(&turn).await;
}

#[tokio::test]
async fn a_turn_started_while_a_command_runs_is_added_to_the_turn() {
    let mut bench = Bench::start(confined(), one_command("echo begun; while [ ! -e go ]; do sleep 0.02; done")).await;
    let turn = bench.begin().await;
    bench.parent.wait_for::<m::CommandExecutionOutputDelta>().await;
    let added = bench.begin().await;
    assert_eq!(added, turn);
    bench.write("go", "");
    bench.end(&turn).await;
    assert_eq!(bench.told("turn/completed").len(), 1);
    assert_eq!(said(&bench).0, ["go", "go"]);
}

#[tokio::test]
async fn what_is_injected_stands_in_the_next_request_behind_the_opening() {
    let mut bench = Bench::start(confined(), model([])).await;
    let item =
        json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "I said so." }] });
    let inject = json!({ "threadId": bench.thread, "items": [item] });
    assert_eq!(bench.parent.call("thread/inject_items", inject.clone()).await.unwrap(), json!({}));
    bench.turn().await;
    let input = bench.input();
    assert_eq!(input[0]["role"], "developer", "the prefix is the same as ever");
    let place = input.iter().position(|found| *found == item).unwrap();
    assert_eq!((place, input[place + 1]["content"][0]["text"].as_str().unwrap()), (input.len() - 2, "go"));
    let wrong = json!({ "threadId": bench.thread, "items": [{ "role": "user" }] });
    assert_eq!(bench.parent.refused("thread/inject_items", wrong).await.code, -32600);
    bench.parent.call("thread/inject_items", inject).await.unwrap();
    bench.turn().await;
    assert_eq!(bench.input().iter().filter(|found| **found == item).count(), 2);
}

/// The assistant's messages in the history.
fn answers(bench: &Bench) -> Vec<Value> {
    let input = bench.input();
    input.iter().filter(|item| item["role"] == "assistant").map(|item| item["content"][0]["text"].clone()).collect()
}

#[tokio::test]
async fn what_was_shown_as_whole_stays_said_although_the_rest_was_cut() {
    let whole = || Response::new().reasoning("Hm.").text("Whole.");
    let talks = whole().chunks(Chunks::repeat("w ", 6000).every(Duration::from_millis(10)));
    let rules = |first: Response| {
        Script::new().rule(Rule::when("go").respond(first).respond("Done.")).rule(Rule::always().respond("Done."))
    };
    let mut bench = Bench::start(confined(), rules(talks.clone())).await;
    let turn = bench.begin().await;
    while bench.parent.wait_for::<m::AgentMessageDelta>().await.delta != "w " {}
    steer(&mut bench, &turn, "rather this").await;
    bench.end(&turn).await;
    assert_eq!(answers(&bench), ["Whole."]);
    assert!(bench.input().iter().any(|item| item["type"] == "reasoning"), "a message goes with its reasoning");

    bench.host.sim.replace_script(rules(talks));
    let turn = bench.begin().await;
    while bench.parent.wait_for::<m::AgentMessageDelta>().await.delta != "w " {}
    bench.interrupt(&turn).await;
    bench.host.sim.replace_script(rules(whole().cut()));
    let turn = bench.begin().await;
    assert_eq!(bench.end(&turn).await.turn.status, TurnStatus::Failed);
    bench.turn().await;
    assert_eq!(answers(&bench), ["Whole.", "Done.", "Whole.", "Whole."]);
}

#[tokio::test]
async fn a_command_of_a_cut_response_does_not_run() {
    let cut = Response::new()
        .function_call("exec_command", command("touch made"))
        .chunks(Chunks::repeat("w ", 6000).every(Duration::from_millis(10)));
    let script = Script::new().rule(Rule::when("go").respond(cut)).rule(Rule::always().respond("Done."));
    let mut bench = Bench::start(confined(), script).await;
    let turn = bench.begin().await;
    bench.parent.wait_for::<m::AgentMessageDelta>().await;
    steer(&mut bench, &turn, "no").await;
    bench.end(&turn).await;
    assert!(!bench.has("made") && bench.outputs().is_empty());
}
