//! Commands that go on: typed into, polled, on a terminal, and gone with their turn.

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_protocol::methods as m;
use valet_protocol::v2::TurnStatus;
use valet_sim::{Response, Script};

use super::{Bench, command, command_with, confined, marker, model, one_call, runs, with_policy};

/// Starts a command and does not wait for it.
fn leave(script: &str) -> Response {
    Response::new().function_call("exec_command", command_with(script, json!({ "yield_time_ms": 250 })))
}

fn write(chars: &str) -> Response {
    Response::new().function_call("write_stdin", json!({ "session_id": 1, "chars": chars, "yield_time_ms": 250 }))
}

#[tokio::test]
async fn a_command_that_goes_on_is_written_to_and_polled_until_it_ends() {
    let script = "read line; echo got $line; read line; echo then $line; exit 4";
    let mut bench = Bench::start(confined(), model([leave(script), write("one\n"), write("two\n"), write("")])).await;
    bench.turn().await;
    let outputs = bench.outputs();
    assert!(outputs[0].as_str().unwrap().contains("Process running with session ID 1\n"), "{}", outputs[0]);
    let texts: String =
        outputs.iter().map(|output| output.as_str().unwrap().split_once("Output:\n").unwrap().1).collect();
    assert_eq!(texts, "got one\nthen two\n", "everything is told to the model once");
    assert!(outputs[3].as_str().unwrap().contains("Process exited with code 4\n"), "{}", outputs[3]);
    let item = bench.item("commandExecution");
    assert_eq!((&item["aggregatedOutput"], &item["exitCode"]), (&json!("got one\nthen two\n"), &json!(4)));
    let typed = bench.told("item/commandExecution/terminalInteraction");
    let typed: Vec<_> =
        typed.iter().map(|params| (&params["itemId"], &params["processId"], &params["stdin"])).collect();
    let (id, process) = (&item["id"], &item["processId"]);
    assert_eq!(typed, [(id, process, &json!("one\n")), (id, process, &json!("two\n"))]);
}

#[tokio::test]
async fn a_command_gets_a_terminal_when_it_wants_one() {
    let script = "test -t 0 && test -t 1 && echo is a terminal; stty size; read line; echo \"<$line>\"";
    let tty = command_with(script, json!({ "tty": true, "yield_time_ms": 250 }));
    let begin = Response::new().function_call("exec_command", tty);
    let mut bench = Bench::start(confined(), model([begin, write("hello\n"), write("")])).await;
    bench.turn().await;
    let item = bench.item("commandExecution");
    assert_eq!(item["aggregatedOutput"], "is a terminal\r\n24 80\r\nhello\r\n<hello>\r\n");
    assert_eq!((&item["exitCode"], item["aggregatedOutput"].as_str().unwrap()), (&json!(0), bench.printed().as_str()));
}

#[tokio::test]
async fn each_look_at_a_session_has_a_budget_of_its_own() {
    let poll = json!({ "session_id": 1, "chars": "\n", "max_output_tokens": 10, "yield_time_ms": 2000 });
    let script = "read line; seq 1000; sleep 0.1";
    let mut bench =
        Bench::start(confined(), model([leave(script), Response::new().function_call("write_stdin", poll)])).await;
    bench.turn().await;
    let output = bench.outputs()[1].as_str().unwrap().to_owned();
    assert!(output.contains("bytes are left out here") && output.len() < 300, "{output}");
    assert!(output.contains("Original token count: 974\n"), "{output}");
}

#[tokio::test]
async fn a_session_that_nobody_has_is_refused_in_words() {
    let mut bench = Bench::start(confined(), model([write("x")])).await;
    bench.turn().await;
    assert_eq!(bench.output(), "write_stdin failed: Unknown process id 1");
}

#[tokio::test]
async fn a_session_ends_with_its_turn_and_its_item_is_whole_before_that() {
    let marker = marker();
    let mut bench = Bench::start(confined(), model([leave(&format!("echo begun; sleep {marker}"))])).await;
    let turn = bench.turn().await;
    assert!(!runs(&marker));
    let item = bench.item("commandExecution");
    assert_eq!((&item["status"], &item["aggregatedOutput"]), (&json!("failed"), &json!("begun\n")));
    assert_eq!(turn.all::<m::TurnCompleted>().len(), 1);
    let later = Response::new().function_call("write_stdin", json!({ "session_id": 1 }));
    bench.host.sim.replace_script(model([later]));
    bench.turn().await;
    assert_eq!(bench.outputs()[1], "write_stdin failed: Unknown process id 1");
}

#[tokio::test]
async fn a_session_ends_with_a_turn_that_fails() {
    let marker = marker();
    let script = Script::responses([leave(&format!("sleep {marker}")), Response::status(400).body("no")]);
    let mut bench = Bench::start(confined(), script).await;
    let turn = bench.begin().await;
    assert_eq!(bench.end(&turn).await.turn.status, TurnStatus::Failed);
    assert!(!runs(&marker));
    assert_eq!(bench.item("commandExecution")["status"], "failed");
}

#[tokio::test]
async fn what_a_command_leaves_in_the_background_ends_with_the_turn() {
    let marker = marker();
    let begin = format!("setsid sleep {marker} > /dev/null 2>&1 & echo $! > pid");
    let look = "tr '\\0' ' ' < /proc/$(cat pid)/cmdline";
    let calls = [begin.as_str(), look].map(|script| Response::new().function_call("exec_command", command(script)));
    let mut bench = Bench::start(confined().with("sandbox_mode=\"danger-full-access\""), model(calls)).await;
    bench.turn().await;
    let outputs = bench.outputs();
    assert!(outputs[0].as_str().unwrap().contains("exited with code 0"), "{}", outputs[0]);
    assert!(outputs[1].as_str().unwrap().contains(&marker), "it ran on in the turn: {}", outputs[1]);
    assert!(!runs(&marker), "and no longer");
}

#[tokio::test]
async fn a_command_that_ignores_the_request_to_end_is_killed() {
    let marker = marker();
    let stubborn = format!("trap '' TERM INT HUP; (trap '' TERM; sleep {marker}) & sleep {marker}; sleep {marker}");
    let mut bench = Bench::start(confined(), model([leave(&stubborn)])).await;
    bench.turn().await;
    assert!(!runs(&marker));
    assert_eq!(bench.item("commandExecution")["exitCode"], 137);
}

#[tokio::test]
async fn an_interrupt_ends_the_command_and_the_conversation_can_go_on() {
    let marker = marker();
    let script = format!("echo begun; (sleep {marker} &) ; sleep {marker}");
    let mut bench = Bench::start(confined(), one_call("exec_command", command(&script))).await;
    let turn = bench.begin().await;
    bench.parent.wait_for::<m::CommandExecutionOutputDelta>().await;
    assert!(runs(&marker));
    let ended = bench.interrupt(&turn).await;
    assert!(!runs(&marker), "nothing is left when the end is told");
    let item = bench.item("commandExecution");
    assert_eq!((&item["status"], &item["aggregatedOutput"]), (&json!("failed"), &json!("begun\n")));
    let ends = ended.story();
    let place = |method: &str| ends.iter().position(|told| *told == method);
    assert!(place("item/completed").unwrap() < place("turn/completed").unwrap(), "{ends:?}");
    bench.turn().await;
    let output = bench.output();
    assert!(output.starts_with("Wall time: ") && output.ends_with("seconds\naborted by user"), "{output}");
    let notes = bench.input().iter().filter(|item| item.to_string().contains("<turn_aborted>")).count();
    assert_eq!(notes, 1);
}

#[tokio::test]
async fn typing_into_a_command_that_a_person_was_asked_about_is_asked_about_too() {
    let responses = model([leave("read line; echo got $line; read line"), write("one\n"), write("two\n")]);
    let mut bench = Bench::start(with_policy("\"untrusted\""), responses).await;
    let turn = bench.begin().await;
    let command = bench.parent.asked().await;
    assert_eq!(command.params["kind"], "command");
    bench.parent.answer(&command, &json!({ "decision": "accept" }));
    let typing = bench.parent.asked().await;
    assert_eq!((&typing.params["kind"], &typing.params["reason"]), (&json!("writeStdin"), &json!("Type \"one\\n\"")));
    assert_eq!(typing.params["itemId"], command.params["itemId"]);
    bench.parent.answer(&typing, &json!({ "decision": "accept" }));
    let typing = bench.parent.asked().await;
    bench.parent.answer(&typing, &json!({ "decision": "decline" }));
    bench.end(&turn).await;
    let outputs = bench.outputs();
    assert!(outputs[1].as_str().unwrap().ends_with("got one\n"), "{}", outputs[1]);
    assert_eq!(outputs[2], "write_stdin failed: rejected by user");
}

#[tokio::test]
async fn typing_into_a_command_that_was_accepted_for_the_session_is_asked_about_each_time_it_runs() {
    let escalated = || {
        let arguments = json!({ "sandbox_permissions": "require_escalated", "yield_time_ms": 250 });
        Response::new().function_call("exec_command", command_with("read line; echo got $line", arguments))
    };
    let type_into = |session: i32| {
        let arguments = json!({ "session_id": session, "chars": "x\n", "yield_time_ms": 250 });
        Response::new().function_call("write_stdin", arguments)
    };
    let responses = model([escalated(), type_into(1), escalated(), type_into(2)]);
    let mut bench = Bench::start(with_policy("\"on-request\""), responses).await;
    let turn = bench.begin().await;
    let command = bench.parent.asked().await;
    bench.parent.answer(&command, &json!({ "decision": "acceptForSession" }));
    for answer in ["accept", "decline"] {
        let typing = bench.parent.asked().await;
        assert_eq!(typing.params["kind"], "writeStdin");
        bench.parent.answer(&typing, &json!({ "decision": answer }));
    }
    bench.end(&turn).await;
    let outputs = bench.outputs();
    assert!(outputs[1].as_str().unwrap().ends_with("got x\n"), "{}", outputs[1]);
    assert_eq!(outputs[3], "write_stdin failed: rejected by user");
}

#[tokio::test]
async fn typing_into_a_command_that_a_rule_allows_is_asked_about_or_refused_where_nobody_may_be_asked() {
    for (policy, answer, expected) in [
        ("\"on-request\"", Some("decline"), "rejected by user"),
        (
            "\"never\"",
            None,
            "a person allowed this command, and the approval policy does not let you ask what may be typed",
        ),
    ] {
        let mut bench = Bench::start(with_policy(policy), model([leave("cat"), write("x\n")])).await;
        let rules = bench.host.home().join("rules");
        std::fs::create_dir(&rules).unwrap();
        let rule = "prefix_rule(pattern=[\"cat\"], decision=\"allow\")\n";
        std::fs::write(rules.join("default.rules"), rule).unwrap();
        let turn = bench.begin().await;
        if let Some(answer) = answer {
            let typing = bench.parent.asked().await;
            assert_eq!(typing.params["kind"], "writeStdin");
            bench.parent.answer(&typing, &json!({ "decision": answer }));
        }
        bench.end(&turn).await;
        let outputs = bench.outputs();
        assert!(outputs[0].as_str().unwrap().contains("Process running with session ID 1\n"), "{}", outputs[0]);
        assert_eq!(outputs[1], format!("write_stdin failed: {expected}"));
        assert!(bench.told("item/commandExecution/terminalInteraction").is_empty());
    }
}

#[tokio::test]
async fn what_a_command_does_not_read_may_be_typed_in_part_and_both_are_told_so() {
    let responses = model([leave("sleep 60"), write(&"x".repeat(1024 * 1024))]);
    let mut bench = Bench::start(confined(), responses).await;
    bench.turn().await;
    let outputs = bench.outputs();
    assert_eq!(outputs[1], "write_stdin failed: the command does not read; a part may have been typed", "{outputs:?}");
    assert_eq!(bench.told("item/commandExecution/terminalInteraction").len(), 1);
}

#[tokio::test]
async fn what_ended_unseen_can_still_be_asked_for() {
    let look = Response::new()
        .function_call("exec_command", command("touch go; while [ -e go ]; do sleep 0.02; done; sleep 0.2"));
    let mut bench = Bench::start(
        confined(),
        model([leave("until [ -e go ]; do sleep 0.02; done; rm go; echo done; exit 3"), look, write("")]),
    )
    .await;
    bench.turn().await;
    let output = bench.outputs()[2].as_str().unwrap().to_owned();
    assert!(output.contains("Process exited with code 3") && output.ends_with("done\n"), "{output}");
}
