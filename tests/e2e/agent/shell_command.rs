//! Commands that the person types.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_protocol::methods as m;
use valet_protocol::v2::{Turn, TurnStatus};
use valet_sim::{Chunks, Response, Script};

use super::{Bench, confined, model, with_policy};
#[cfg(target_os = "linux")]
use super::{marker, runs};

async fn shell(bench: &mut Bench, command: &str, timeout_ms: Option<u64>) -> Turn {
    let params = json!({ "threadId": bench.thread, "command": command, "timeoutMs": timeout_ms });
    assert_eq!(bench.parent.call("thread/shellCommand", params).await.unwrap(), json!({}));
    bench.parent.wait_for::<m::TurnCompleted>().await.turn
}

#[tokio::test]
async fn a_command_of_the_person_runs_without_a_model_a_question_or_a_sandbox() {
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("made");
    let mut bench = Bench::start(with_policy("\"untrusted\""), model([])).await;
    let turn = shell(&mut bench, &format!("echo hello; touch {}; exit 2", file.display()), None).await;
    assert_eq!(turn.status, TurnStatus::Completed);
    assert!(file.exists() && !bench.parent.was_asked() && bench.posts().is_empty());
    let item = bench.item("commandExecution");
    assert_eq!(
        (&item["source"], &item["status"], &item["exitCode"]),
        (&json!("userShell"), &json!("failed"), &json!(2))
    );
    assert!(item["aggregatedOutput"].as_str().unwrap().ends_with("hello\n"));
    bench.turn().await;
    let input = json!(bench.input()).to_string();
    assert!(input.contains("<user_shell_command>") && input.contains("It ended with code 2. Output:"), "{input}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_of_the_person_ends_when_its_time_is_up() {
    let marker = marker();
    let mut bench = Bench::start(confined(), model([])).await;
    let turn = shell(&mut bench, &format!("sleep {marker}"), Some(100)).await;
    assert_eq!(turn.status, TurnStatus::Completed);
    assert!(!runs(&marker));
    assert_eq!(bench.item("commandExecution")["status"], "failed");
    bench.turn().await;
    assert!(json!(bench.input()).to_string().contains("because its time was up"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_of_the_person_can_be_stopped_but_not_steered() {
    let marker = marker();
    let mut bench = Bench::start(confined(), model([])).await;
    let command = format!("trap '' TERM; echo begun; sleep {marker}");
    bench.parent.call("thread/shellCommand", json!({ "threadId": bench.thread, "command": command })).await.unwrap();
    let turn = bench.parent.wait_for::<m::TurnStarted>().await.turn.id;
    bench.parent.wait_for::<m::CommandExecutionOutputDelta>().await;
    let more = json!([{ "type": "text", "text": "more" }]);
    let steer = json!({ "threadId": bench.thread, "expectedTurnId": turn, "input": more });
    assert_eq!(bench.parent.refused("turn/steer", steer).await.kind.as_deref(), Some("threadBusy"));
    bench.interrupt(&turn).await;
    assert!(!runs(&marker));
    assert_eq!(bench.item("commandExecution")["status"], "failed");
    bench.turn().await;
    assert!(json!(bench.input()).to_string().contains("It was stopped."));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_whose_time_is_up_has_ended_when_the_turn_is_told_to_have() {
    let mut bench = Bench::start(confined(), model([])).await;
    // It does not end when it is asked to, and says so.
    let command = "trap 'echo asked' TERM; while :; do sleep 0.05; done";
    let params = json!({ "threadId": bench.thread, "command": command, "timeoutMs": 2000 });
    bench.parent.call("thread/shellCommand", params).await.unwrap();
    let turn = bench.parent.wait_for::<m::TurnStarted>().await.turn.id;
    bench.parent.wait_for::<m::CommandExecutionOutputDelta>().await;
    let ended = bench.interrupt(&turn).await;
    let story = ended.story();
    let place = |method: &str| story.iter().position(|told| *told == method);
    assert!(place("item/completed").unwrap() < place("turn/completed").unwrap(), "{story:?}");
}

#[tokio::test]
async fn a_command_of_the_person_waits_for_the_turn_that_runs() {
    let slow = Response::new().chunks(Chunks::repeat("w ", 20).every(Duration::from_millis(10)));
    let mut bench = Bench::start(confined(), Script::respond(slow)).await;
    let first = bench.begin().await;
    bench.parent.wait_for::<m::AgentMessageDelta>().await;
    let ended = shell(&mut bench, "true", None).await;
    assert_eq!(ended.id, first);
    let second = bench.parent.wait_for::<m::TurnCompleted>().await.turn;
    assert!(second.id != first && second.status == TurnStatus::Completed);
    bench.item("commandExecution");
}

#[tokio::test]
async fn an_empty_command_is_refused() {
    let mut bench = Bench::start(confined(), model([])).await;
    let refusal =
        bench.parent.refused("thread/shellCommand", json!({ "threadId": bench.thread, "command": " \n" })).await;
    assert_eq!((refusal.code, refusal.message.as_str()), (-32600, "command must not be empty"));
}
