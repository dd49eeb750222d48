//! The official Python SDK, as it is published, completes turns against this binary.
//! `python_sdk.py` holds the steps; `.ci/tools.sh` installs the SDK.

use std::process::Output;
use std::time::Duration;

use pretty_assertions::assert_eq;
use tokio::process::Command;
use valet_sim::{Chunks, Response, Rule, Script, Sim};
use valet_tests::installed;

use crate::support;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/python_sdk.py");
const LIMIT: Duration = Duration::from_secs(60);

/// What the script prints, in this order.
const STEPS: &[&str] = &[
    "metadata",
    "models",
    "account_before_login",
    "login_api_key",
    "thread_start",
    "streamed_turn_with_reasoning",
    "run",
    "output_schema",
    "interrupt",
    "refused_turn",
    "run_after_a_failure",
    "read_with_turns",
    "thread_list",
    "logout",
    "notifications_read",
    "close",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_sdk_completes_its_steps_unmodified() {
    let Some(python) = installed::python_sdk() else { return };
    let sim = Sim::start(backend()).await.unwrap();
    let home = support::home(&sim);
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command.args([SCRIPT, support::VALET]).arg(directory.path());
    command.env("VALET_HOME", home.path()).env_remove("CODEX_HOME").env_remove("VALET_LOG");
    let output = run(command).await.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let passed: Vec<_> = stdout.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
    assert_eq!(passed, STEPS, "{stderr}");
    assert!(output.status.success(), "{stderr}");
    sim.shutdown().await;
}

fn backend() -> Script {
    let refusal = r#"{"error": {"type": "invalid_request_error", "message": "The sim refuses this."}}"#;
    // Long enough that nobody waits for its end, and that the interrupt comes in the middle.
    let slow = Chunks::repeat("word ", 2_000).every(Duration::from_millis(20));
    Script::new()
        .rule(
            Rule::when("think about it")
                .respond(Response::new().reasoning("**Thinking** about it").text("Here is the thought.")),
        )
        .rule(Rule::when("as json").respond(r#"{"answer":"yes"}"#))
        .rule(Rule::when("slowly").respond(Response::new().chunks(slow)))
        .rule(Rule::when("bad request").respond(Response::status(400).body(refusal)))
        .rule(Rule::always().respond("Hello there."))
}

async fn run(mut command: Command) -> std::io::Result<Output> {
    command.kill_on_drop(true);
    tokio::time::timeout(LIMIT, command.output()).await?
}
