//! Approval policies: who is asked, and about what.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;

use super::{Bench, command, command_with, model, one_call, one_command, with_policy};
use valet_sim::{Response, Script};

const NEVER: &str = "approval policy is Never; reject command — you cannot ask for escalated permissions if the approval policy is Never";

/// A command that wants out of the sandbox, and writes where it may not.
fn escalates(outside: &std::path::Path) -> Script {
    let more = json!({ "sandbox_permissions": "require_escalated", "justification": "May I leave?" });
    one_call("exec_command", command_with(&format!("touch {}", outside.join("made").display()), more))
}

/// A granular policy.
fn granular(sandbox: bool, rules: bool) -> String {
    format!(
        "{{ granular = {{ sandbox_approval = {sandbox}, rules = {rules}, skill_approval = false, \
         request_permissions = false, mcp_elicitations = false }} }}"
    )
}

#[tokio::test]
async fn who_trusts_nothing_is_asked_about_all_but_looks() {
    let looks = Response::new().function_call("exec_command", command("ls | head -n 1 && cat file"));
    let mut bench = Bench::start(with_policy("\"untrusted\""), model([looks])).await;
    bench.write("file", "text");
    bench.turn().await;
    assert!(!bench.parent.was_asked());
    assert_eq!(bench.printed(), "file\ntext");
    for hidden in ["ls > made", "ls $(touch made)", "find . -exec touch made ;", "ls; touch made", "ls <(touch made)"] {
        bench.host.sim.replace_script(one_command(hidden));
        let turn = bench.begin().await;
        let asked = bench.parent.asked().await;
        bench.parent.answer(&asked, &json!({ "decision": "decline" }));
        bench.end(&turn).await;
        assert!(!bench.has("made"), "{hidden}");
    }
}

#[tokio::test]
async fn on_request_a_person_is_asked_about_leaving_the_sandbox_only() {
    let outside = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(with_policy("\"on-request\""), one_command("touch made")).await;
    bench.turn().await;
    assert!(bench.has("made") && !bench.parent.was_asked());
    bench.host.sim.replace_script(escalates(outside.path()));
    let turn = bench.begin().await;
    let asked = bench.parent.asked().await;
    assert_eq!(asked.params["reason"], "May I leave?");
    bench.parent.answer(&asked, &json!({ "decision": "accept" }));
    bench.end(&turn).await;
    assert!(outside.path().join("made").exists(), "with a yes the sandbox is left");
}

#[tokio::test]
async fn where_nobody_may_be_asked_a_command_that_wants_out_is_refused_in_words() {
    let outside = tempfile::tempdir().unwrap();
    let refused = "the approval policy does not let you ask for escalated permissions";
    for (policy, words) in [("\"never\"", NEVER), (&granular(false, true), refused)] {
        let mut bench = Bench::start(with_policy(policy), escalates(outside.path())).await;
        bench.turn().await;
        assert!(!bench.parent.was_asked());
        assert_eq!(bench.output(), words);
        assert_eq!(bench.item("commandExecution")["status"], "declined");
        assert!(!outside.path().join("made").exists());
    }
}

#[tokio::test]
async fn a_granular_policy_says_about_what_a_person_is_asked() {
    let outside = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(with_policy(&granular(true, false)), escalates(outside.path())).await;
    let rules = "prefix_rule(pattern=[\"touch\", \"asked\"], decision=\"prompt\")\n";
    std::fs::create_dir(bench.host.home().join("rules")).unwrap();
    std::fs::write(bench.host.home().join("rules/default.rules"), rules).unwrap();
    let turn = bench.begin().await;
    let asked = bench.parent.asked().await;
    bench.parent.answer(&asked, &json!({ "decision": "decline" }));
    bench.end(&turn).await;
    bench.host.sim.replace_script(one_command("touch asked"));
    bench.turn().await;
    assert!(!bench.has("asked") && !bench.parent.was_asked());
    assert_eq!(bench.outputs()[1], "a rule of the user asks for approval, and the approval policy does not");
}

#[tokio::test]
async fn a_rule_of_the_user_forbids_whatever_the_policy() {
    let mut bench = Bench::start(with_policy("\"on-request\""), one_command("echo; touch made")).await;
    std::fs::create_dir(bench.host.home().join("rules")).unwrap();
    let rules = "prefix_rule(pattern=[\"touch\"], decision=\"forbidden\")\n";
    std::fs::write(bench.host.home().join("rules/default.rules"), rules).unwrap();
    bench.turn().await;
    assert!(!bench.has("made") && !bench.parent.was_asked());
    assert_eq!(bench.output(), "a rule of the user forbids this command");
}

#[tokio::test]
async fn a_turn_may_bring_a_policy_and_it_stays() {
    let mut bench = Bench::start(with_policy("\"never\""), one_command("touch made")).await;
    let read_only = json!({ "approvalPolicy": "untrusted", "sandboxPolicy": { "type": "readOnly" } });
    let turn = bench.begin_with(read_only).await;
    let asked = bench.parent.asked().await;
    bench.parent.answer(&asked, &json!({ "decision": "accept" }));
    bench.end(&turn).await;
    assert!(!bench.has("made"), "a yes to a command is none to leave the sandbox");
    assert_eq!(bench.item("commandExecution")["status"], "failed");
    bench.host.sim.replace_script(one_command("touch again"));
    let turn = bench.begin().await;
    let asked = bench.parent.asked().await;
    bench.parent.answer(&asked, &json!({ "decision": "decline" }));
    bench.end(&turn).await;
}

#[tokio::test]
async fn only_those_who_listen_to_the_thread_are_asked() {
    let mut bench = Bench::start(with_policy("\"untrusted\""), one_command("touch made")).await;
    let mut other = bench.host.client().await;
    let turn = bench.begin().await;
    let asked = bench.parent.asked().await;
    other.answer(&asked, &json!({ "decision": "accept" }));
    // Everything is taken in order: the answer of the other was seen when this is answered.
    other.call("thread/loaded/list", json!({})).await.unwrap();
    assert!(!other.was_asked() && !bench.has("made"));
    bench.parent.answer(&asked, &json!({ "decision": "decline" }));
    bench.end(&turn).await;
    assert!(!bench.has("made"), "who was not asked has no say");
}

#[tokio::test]
async fn two_commands_are_asked_about_at_once_and_the_flag_stays_until_both_are_answered() {
    let both = Response::new()
        .function_call("exec_command", command("touch one"))
        .function_call("exec_command", command("touch two"));
    let mut bench = Bench::start(with_policy("\"untrusted\""), model([both])).await;
    let turn = bench.begin().await;
    // They are asked side by side, so either may come first.
    let mut asked = [bench.parent.asked().await, bench.parent.asked().await];
    asked.sort_by_key(|asked| asked.params["command"].to_string());
    let [one, two] = asked;
    bench.parent.answer(&two, &json!({ "decision": "accept" }));
    bench.parent.wait_for::<m::ServerRequestResolved>().await;
    bench.parent.answer(&one, &json!({ "decision": "decline" }));
    bench.end(&turn).await;
    assert!(!bench.has("one") && bench.has("two"));
    let waiting = json!(["waitingOnApproval"]);
    let flags: Vec<Value> = bench.flags();
    assert_eq!(flags, [json!([]), waiting.clone(), waiting.clone(), waiting, json!([])]);
}

#[tokio::test]
async fn a_shell_of_the_models_own_making_is_trusted_with_nothing() {
    let arguments = command_with("echo harmless", json!({ "shell": "./sh" }));
    let mut bench = Bench::start(with_policy("\"untrusted\""), one_call("exec_command", arguments)).await;
    std::fs::create_dir_all(bench.host.home().join("rules")).unwrap();
    let rule = "prefix_rule(pattern=[\"echo\"], decision=\"allow\")\n";
    std::fs::write(bench.host.home().join("rules/default.rules"), rule).unwrap();
    let turn = bench.begin().await;
    let asked = bench.parent.asked().await;
    bench.parent.answer(&asked, &json!({ "decision": "decline" }));
    bench.end(&turn).await;
}
