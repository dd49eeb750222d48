//! What becomes of each answer to the question whether a command may run.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::v2::TurnStatus;
use valet_sim::{Response, Script};
use valet_tests::{Asked, TestTurn};

use super::{Bench, command, holds, model, one_command, with_policy};

const REJECTED: &str = r#"exec_command failed: CreateProcess { message: "Rejected(\"rejected by user\")" }"#;
const UNANSWERED: &str = r#"exec_command failed: CreateProcess { message: "Rejected(\"approval request failed\")" }"#;

/// A turn in which the model wants to run `touch made`, and a person is asked.
async fn asked() -> (Bench, String, Asked) {
    let mut bench = Bench::start(with_policy("\"untrusted\""), one_command("touch made")).await;
    let turn = bench.begin().await;
    let asked = bench.parent.asked().await;
    assert_eq!(asked.method, "item/commandExecution/requestApproval");
    assert!(!bench.has("made"), "nothing happens before the answer");
    (bench, turn, asked)
}

async fn answered(result: Value) -> (Bench, TestTurn) {
    let (mut bench, turn, asked) = asked().await;
    bench.parent.answer(&asked, &result);
    let ended = bench.end(&turn).await;
    (bench, ended)
}

fn decision(decision: impl Into<Value>) -> Value {
    json!({ "decision": decision.into() })
}

#[tokio::test]
async fn a_command_that_is_accepted_runs_and_everything_is_told_in_order() {
    let (bench, ended) = answered(decision("accept")).await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    assert!(bench.has("made"));
    let item = bench.item("commandExecution");
    assert_eq!((&item["status"], &item["source"]), (&json!("completed"), &json!("unifiedExecStartup")));
    let begun = bench.told("item/started").into_iter().find(|told| told["item"]["type"] == "commandExecution").unwrap();
    assert_eq!((&begun["item"]["source"], &begun["item"]["processId"]), (&json!("agent"), &json!(null)));
    assert_eq!(bench.flags(), [json!([]), json!(["waitingOnApproval"]), json!([])]);
    let story = bench.story_since("item/commandExecution/requestApproval");
    let expected = [
        "item/commandExecution/requestApproval",
        "serverRequest/resolved",
        "thread/status/changed",
        "item/completed",
        "item/started",
        "item/agentMessage/delta",
        "item/completed",
        "thread/readState/changed",
        "thread/status/changed",
        "turn/completed",
    ];
    assert_eq!(story, expected);
}

#[tokio::test]
async fn the_question_says_what_would_run_where_and_what_may_be_answered() {
    let (mut bench, turn, asked) = asked().await;
    let params = &asked.params;
    let item = bench.told("item/started").into_iter().find(|told| told["item"]["type"] == "commandExecution").unwrap();
    assert_eq!((&params["itemId"], &params["turnId"]), (&item["item"]["id"], &json!(turn)));
    assert_eq!((&params["command"], &params["cwd"]), (&json!("/bin/sh -c 'touch made'"), &json!(bench.path(""))));
    let amendment = json!({ "acceptWithExecpolicyAmendment": { "execpolicy_amendment": ["touch", "made"] } });
    assert_eq!(params["availableDecisions"], json!(["accept", amendment, "cancel"]));
    bench.parent.answer(&asked, &decision("decline"));
    bench.end(&turn).await;
}

#[tokio::test]
async fn a_command_that_is_declined_does_not_run_and_the_turn_goes_on() {
    let (bench, ended) = answered(decision("decline")).await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    assert!(!bench.has("made"));
    assert_eq!(bench.item("commandExecution")["status"], "declined");
    assert_eq!(bench.output(), REJECTED);
    let story = bench.story_since("item/commandExecution/requestApproval");
    assert_eq!(story[1..4], ["serverRequest/resolved", "item/completed", "thread/status/changed"]);
}

#[tokio::test]
async fn cancel_ends_the_turn_and_the_next_one_is_given_a_whole_history() {
    let (mut bench, ended) = answered(decision("cancel")).await;
    assert_eq!((ended.turn.status, ended.turn.error), (TurnStatus::Interrupted, None));
    assert!(!bench.has("made"));
    assert_eq!(bench.item("commandExecution")["status"], "declined");
    assert_eq!(bench.posts().len(), 1);
    bench.turn().await;
    assert!(bench.output().ends_with("aborted by user"));
}

#[tokio::test]
async fn an_answer_that_is_none_never_accepts() {
    let answers = [
        json!({}),
        json!(null),
        json!("accept"),
        json!(true),
        decision("Accept"),
        decision("yes"),
        decision(true),
        decision(json!(null)),
        decision(json!(["accept"])),
        decision(json!({ "accept": {} })),
        decision(json!({ "acceptWithExecpolicyAmendment": {} })),
        decision(json!({ "acceptWithExecpolicyAmendment": { "execpolicy_amendment": [] } })),
        decision(json!({ "acceptWithExecpolicyAmendment": { "execpolicy_amendment": "touch" } })),
        decision(json!({ "applyNetworkPolicyAmendment":
            { "network_policy_amendment": { "host": "example.com", "action": "allow" } } })),
    ];
    for answer in answers {
        let (bench, ended) = answered(answer.clone()).await;
        assert_eq!(ended.turn.status, TurnStatus::Completed, "{answer}");
        assert!(!bench.has("made"), "{answer}");
        assert_eq!(bench.item("commandExecution")["status"], "failed", "{answer}");
        assert_eq!(bench.output(), UNANSWERED, "{answer}");
        assert!(!bench.host.home().join("rules").exists(), "{answer}");
    }
}

#[tokio::test]
async fn an_error_of_the_client_is_no_leave() {
    let (mut bench, turn, asked) = asked().await;
    bench.parent.refuse(&asked, &json!({ "code": -32000, "message": "accept" }));
    assert_eq!(bench.end(&turn).await.turn.status, TurnStatus::Completed);
    assert!(!bench.has("made"));
    assert_eq!(bench.item("commandExecution")["status"], "failed");
    assert_eq!(bench.output(), UNANSWERED);
    assert_eq!(bench.told("serverRequest/resolved").len(), 1);
}

#[tokio::test]
async fn the_first_answer_counts_and_a_second_one_does_nothing() {
    let (mut bench, turn, asked) = asked().await;
    bench.parent.answer(&asked, &decision("decline"));
    bench.parent.answer(&asked, &decision("accept"));
    bench.end(&turn).await;
    assert!(!bench.has("made"));
    assert_eq!(bench.told("serverRequest/resolved").len(), 1);
}

#[tokio::test]
async fn what_is_accepted_for_the_session_is_not_asked_again_and_nothing_else_is_allowed_with_it() {
    let run = |script: &str| Response::new().function_call("exec_command", command(script));
    let script = model([run("touch made"), run("touch made"), run("touch made other")]);
    let mut bench = Bench::start(with_policy("\"untrusted\""), script).await;
    let turn = bench.begin().await;
    let first = bench.parent.asked().await;
    bench.parent.answer(&first, &decision("acceptForSession"));
    let other = bench.parent.asked().await;
    assert_eq!(other.params["command"], "/bin/sh -c 'touch made other'");
    bench.parent.answer(&other, &decision("decline"));
    bench.end(&turn).await;
    let statuses: Vec<_> = bench.items("commandExecution").iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, ["completed", "completed", "declined"]);
    assert!(!bench.has("other"));
}

#[tokio::test]
async fn an_amendment_becomes_a_rule_of_the_user_and_asks_no_more() {
    let amendment = json!({ "acceptWithExecpolicyAmendment": { "execpolicy_amendment": ["touch", "made"] } });
    let (mut bench, _) = answered(decision(amendment)).await;
    assert!(bench.has("made"));
    let rules = bench.host.home().join("rules").join("default.rules");
    assert!(holds(&rules, "prefix_rule(pattern=[\"touch\", \"made\"], decision=\"allow\")\n"));
    bench.host.sim.replace_script(one_command("touch made too"));
    bench.turn().await;
    assert!(bench.has("too"));
    bench.host.sim.replace_script(one_command("touch made; touch alone"));
    let turn = bench.begin().await;
    let asked = bench.parent.asked().await;
    bench.parent.answer(&asked, &decision("decline"));
    bench.end(&turn).await;
    assert!(!bench.has("alone"), "a rule allows what begins so, not what goes along with it");
}

#[tokio::test]
async fn an_interrupt_while_a_person_is_asked_ends_everything_and_says_that_the_question_is_closed() {
    let (mut bench, turn, asked) = asked().await;
    bench.interrupt(&turn).await;
    let resolved = bench.parent.wait_for::<valet_protocol::methods::ServerRequestResolved>().await;
    assert_eq!(json!(resolved.request_id), asked.id);
    assert_eq!(bench.item("commandExecution")["status"], "declined");
    assert_eq!(bench.flags(), [json!([]), json!(["waitingOnApproval"]), json!([])]);
    let story = bench.story_since("item/commandExecution/requestApproval");
    assert_eq!(story.last().unwrap(), "serverRequest/resolved", "{story:?}");
    bench.parent.answer(&asked, &decision("accept"));
    bench.turn().await;
    assert!(!bench.has("made"), "an answer that comes too late does nothing");
    assert!(bench.output().ends_with("aborted by user"));
}

#[tokio::test]
async fn a_question_that_is_put_while_the_turn_is_stopped_is_closed_too() {
    let call = || Response::new().function_call("exec_command", command("touch made"));
    let mut bench = Bench::start(with_policy("\"untrusted\""), Script::responses([call()])).await;
    for _ in 0..20 {
        let turn = bench.begin().await;
        while !bench
            .told("item/started")
            .iter()
            .any(|told| told["turnId"] == turn && told["item"]["type"] == "commandExecution")
        {
            bench.parent.next().await;
        }
        bench.interrupt(&turn).await;
    }
    let asked = |bench: &Bench| bench.told("item/commandExecution/requestApproval").len();
    while bench.told("serverRequest/resolved").len() < asked(&bench) {
        bench.parent.next().await;
    }
    assert_eq!(bench.items("commandExecution").len(), 20);
}

#[tokio::test]
async fn cancelling_one_of_two_commands_leaves_no_item_open() {
    let both = Response::new()
        .function_call("exec_command", command("touch one"))
        .function_call("exec_command", command("touch two"));
    let mut bench = Bench::start(with_policy("\"untrusted\""), model([both])).await;
    let turn = bench.begin().await;
    let first = bench.parent.asked().await;
    let second = bench.parent.asked().await;
    bench.parent.answer(&second, &decision("cancel"));
    assert_eq!(bench.end(&turn).await.turn.status, TurnStatus::Interrupted);
    let resolved = bench.parent.wait_for::<valet_protocol::methods::ServerRequestResolved>().await;
    assert_eq!(json!(resolved.request_id), first.id);
    let statuses: Vec<_> = bench.items("commandExecution").iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, ["declined", "declined"]);
    assert!(!bench.has("one") && !bench.has("two"));
}
