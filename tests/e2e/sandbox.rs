//! A machine that cannot confine commands says so, and does not pretend.

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_exec::Launcher;
use valet_protocol::methods as m;
use valet_protocol::v2::TurnStatus;
use valet_sim::{RecordedRequest, Response, Script};
use valet_tests::TestHost;

fn looks() -> Script {
    let look = Response::new().function_call("exec_command", json!({ "cmd": "ls", "login": false }));
    Script::responses([look, Response::new().text("Done.")])
}

fn output(host: &TestHost) -> String {
    let posts: Vec<_> = host.sim.requests().into_iter().filter(RecordedRequest::is_turn).collect();
    posts[1].body["input"].as_array().unwrap().last().unwrap()["output"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_first_thread_that_wants_a_sandbox_has_everybody_told_that_there_is_none() {
    let host = TestHost::builder().script(looks()).launcher(Launcher::default()).start().await;
    let mut parent = host.parent().await;
    let mut other = host.client().await;
    parent.thread().await;
    for client in [&mut parent, &mut other] {
        let warning = client.wait_for::<m::ConfigWarning>().await;
        assert!(warning.summary.starts_with("Commands cannot be confined here"), "{warning:?}");
        assert!(warning.details.unwrap().contains("helper_main"));
    }
    let mut newcomer = host.connect();
    newcomer.initialize().await;
    let told = newcomer.record();
    assert!(told.messages().iter().any(|(_, message)| message["method"] == "configWarning"));
}

#[tokio::test]
async fn without_a_sandbox_a_person_is_asked_even_about_a_look() {
    let host = TestHost::builder().script(looks()).launcher(Launcher::default()).start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let turn = parent.start_turn(&thread, "look").await;
    let asked = parent.asked().await;
    assert_eq!(asked.method, "item/commandExecution/requestApproval");
    parent.answer(&asked, &json!({ "decision": "decline" }));
    assert_eq!(parent.end_of(&turn).await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn without_a_sandbox_and_with_nobody_to_ask_nothing_runs() {
    let host = TestHost::builder()
        .script(looks())
        .config("approval_policy = \"never\"")
        .launcher(Launcher::default())
        .start()
        .await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    assert_eq!(parent.turn(&thread, "look").await.turn.status, TurnStatus::Completed);
    assert!(output(&host).contains("this machine has no sandbox"), "{}", output(&host));
}

#[tokio::test]
async fn where_there_is_a_sandbox_nobody_is_warned() {
    let host = TestHost::start(looks()).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    assert_eq!(parent.turn(&thread, "look").await.turn.status, TurnStatus::Completed);
    assert!(output(&host).contains("Process exited with code 0"), "{}", output(&host));
    let record = parent.record();
    let warned = record.messages().iter().any(|(_, message)| message["method"] == "configWarning");
    assert!(!warned, "{record:?}");
}
