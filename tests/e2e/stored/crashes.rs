//! What is found of a turn whose host was killed in the middle of it.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_sim::{Chunks, Response};
use valet_tests::TestHost;

use super::{Bench, kinds, model, text};

/// A message that takes long.
fn slow() -> Chunks {
    Chunks::repeat("w ", 6000).every(Duration::from_millis(10))
}

#[tokio::test]
async fn a_turn_that_was_cut_reads_as_interrupted_and_the_thread_goes_on() {
    let mut bench = Bench::start(model([Response::new().chunks(slow())])).await;
    let thread = bench.parent.thread().await;
    bench.parent.start_turn(&thread, "hello").await;
    bench.parent.wait_for::<m::AgentMessageDelta>().await;
    let mut next = Bench::on(bench.host.after_a_crash()).await;
    let listed = next.call("thread/list", json!({})).await;
    assert_eq!((&listed["data"][0]["id"], &listed["data"][0]["preview"]), (&json!(thread), &json!("hello")));
    let read = next.turns(&thread).await;
    let resumed = next.resume(&thread).await;
    assert_eq!(json!(read), resumed["thread"]["turns"]);
    let turn = &resumed["thread"]["turns"][0];
    assert_eq!(
        (&turn["status"], &turn["error"], &turn["completedAt"]),
        (&json!("interrupted"), &Value::Null, &Value::Null)
    );
    assert_eq!(kinds(&turn["items"]), [("userMessage", "hello")]);
    assert_eq!(resumed["thread"]["status"], json!({ "type": "idle" }));
    next.say(&thread, "again").await;
    let given = next.given();
    assert_eq!((given.first().unwrap().as_str(), given.last().unwrap().as_str()), ("hello", "again"));
    assert!(given[1].starts_with("<turn_aborted>"), "{given:?}");
    let turns = next.turns(&thread).await;
    assert_eq!([&turns[0]["status"], &turns[1]["status"]], ["interrupted", "completed"]);
    stays_mended(next, &thread).await;
}

/// What the model was given once, it is given again on the next day, in the same order.
async fn stays_mended(bench: Bench, thread: &str) {
    let given = bench.input();
    let mut bench = bench.restarted().await;
    bench.resume(thread).await;
    bench.say(thread, "once more").await;
    assert_eq!(json!(bench.input()[..given.len()]), json!(given));
}

#[tokio::test]
async fn a_message_that_was_told_to_be_whole_is_in_the_history_after_the_crash() {
    let mut bench = Bench::start(model([Response::new().text("First.").chunks(slow())])).await;
    let thread = bench.parent.thread().await;
    bench.parent.start_turn(&thread, "hello").await;
    while bench.parent.wait_for::<m::ItemCompleted>().await.item.id().is_none_or(|id| !id.starts_with("msg_")) {}
    let mut next = Bench::on(bench.host.after_a_crash()).await;
    let resumed = next.resume(&thread).await;
    assert_eq!(kinds(&resumed["thread"]["turns"][0]["items"]), [("userMessage", "hello"), ("agentMessage", "First.")]);
    next.say(&thread, "again").await;
    assert_eq!(next.given()[..2], ["hello".to_owned(), "First.".to_owned()]);
    stays_mended(next, &thread).await;
}

#[tokio::test]
async fn a_call_that_waited_for_a_person_is_answered_and_the_question_is_gone() {
    let builder = TestHost::builder().config("approval_policy = \"untrusted\"");
    let call = json!({ "cmd": "touch made", "login": false, "shell": "/bin/sh" });
    let script = model([Response::new().text("I touch.").function_call("exec_command", call)]);
    let mut bench = Bench::of(builder.script(script)).await;
    let thread = bench.parent.thread().await;
    bench.parent.start_turn(&thread, "hello").await;
    bench.parent.asked().await;
    let mut next = Bench::on(bench.host.after_a_crash()).await;
    let resumed = next.resume(&thread).await;
    assert_eq!(resumed["thread"]["status"], json!({ "type": "idle" }));
    assert_eq!(resumed["thread"]["turns"][0]["status"], "interrupted");
    next.say(&thread, "again").await;
    assert!(!next.parent.was_asked());
    let input = next.input();
    let call = input.iter().position(|item| item["type"] == "function_call").unwrap();
    let answer = &input[call + 1];
    assert_eq!((&answer["type"], &answer["call_id"]), (&json!("function_call_output"), &input[call]["call_id"]));
    assert_eq!(answer["output"], "aborted");
    assert_eq!(text(&input[call - 1]), "I touch.");
    stays_mended(next, &thread).await;
}

#[tokio::test]
async fn a_line_that_was_cut_in_the_middle_is_mended() {
    let mut bench = Bench::start(super::words()).await;
    let thread = bench.thread_outside().await;
    bench.say(&thread, "one").await;
    bench.say(&thread, "two").await;
    let crashed = bench.host.after_a_crash();
    let path = super::file_of(crashed.home(), &thread);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let mut next = Bench::on(crashed).await;
    let resumed = next.resume(&thread).await;
    let statuses: Vec<&Value> =
        resumed["thread"]["turns"].as_array().unwrap().iter().map(|turn| &turn["status"]).collect();
    assert_eq!(statuses, ["completed", "interrupted"], "the line that was cut told the end");
    next.say(&thread, "three").await;
    let log = next.log(&thread);
    let ordinals: Vec<Value> = log.iter().map(|line| line["ordinal"].clone()).collect();
    assert_eq!(ordinals, (0..log.len()).map(|ordinal| json!(ordinal)).collect::<Vec<_>>());
    assert_eq!(next.turns(&thread).await.len(), 3);
}

#[tokio::test]
async fn a_command_that_was_cut_is_not_told_to_be_whole() {
    let call = json!({ "cmd": "echo begun; sleep 600", "login": false, "shell": "/bin/sh" });
    let builder =
        TestHost::builder().config("approval_policy = \"never\"").config("sandbox_mode = \"danger-full-access\"");
    let mut bench = Bench::of(builder.script(model([Response::new().function_call("exec_command", call)]))).await;
    let thread = bench.parent.thread().await;
    let turn = bench.parent.start_turn(&thread, "hello").await;
    bench.parent.wait_for::<m::CommandExecutionOutputDelta>().await;
    let mut next = Bench::on(bench.host.after_a_crash()).await;
    let resumed = next.resume(&thread).await;
    assert_eq!(kinds(&resumed["thread"]["turns"][0]["items"]), [("userMessage", "hello")]);
    next.say(&thread, "again").await;
    bench.call("turn/interrupt", json!({ "threadId": thread, "turnId": turn })).await;
    bench.parent.end_of(&turn).await;
}
