//! The real TUI, as it is published, joins a host whose parent lends the token: somebody types, approves,
//! steers, interrupts and declines. `tui.py` presses the keys and reads the screen; `.ci/tools.sh` installs both.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::process::Command;
use valet_client::{Client, Handlers, connect};
use valet_protocol::{Secret, methods as m, v2};
use valet_sim::{Chunks, Outcome, RecordedRequest, Response, Rule, Script, Sim, TokenPolicy, TokenRequest};
use valet_tests::installed;

use crate::support;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/tui.py");
const LIMIT: Duration = Duration::from_secs(120);

/// What the script prints, in this order.
const STEPS: &[&str] = &[
    "composer",
    "command_is_approved",
    "patch_is_approved",
    "turn_is_steered",
    "turn_is_interrupted",
    "command_is_declined",
    "quits",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_real_tui_approves_steers_interrupts_and_declines_beside_a_parent_that_lends_the_token() {
    let Some((python, codex)) = tools() else { return };
    let sim = Sim::start(backend()).await.unwrap();
    let home = support::home(&sim);
    let work = tempfile::tempdir().unwrap();
    let (_server, address) = support::listening_in(work.path(), home.path(), &[]).await;
    let parent = Parent::lend(&sim, &format!("ws://{address}")).await;

    let tui_home = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command.arg(SCRIPT).arg(codex).arg(format!("ws://{address}")).arg(tui_home.path());
    // The TUI is not to look for the host behind a proxy.
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1").kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("an end in time").unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let passed: Vec<_> = stdout.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
    assert_eq!(passed, STEPS, "{stderr}");
    assert!(output.status.success(), "{stderr}");

    assert_eq!(parent.asked.load(Ordering::Relaxed), 1, "the parent is asked for a token, once");
    assert_eq!(std::fs::read_to_string(work.path().join("patched.txt")).unwrap(), "a line of the patch\n");
    // The TUI has a title made of the first message, in a thread of its own.
    let turns = sim.requests().into_iter().filter(|request| request.status == Some(200) && request.is_turn());
    let turns: Vec<_> = turns.filter(|turn| turn.rule != Some(TITLE)).collect();
    assert_eq!(
        turns.iter().map(|turn| (said(turn), turn.outcome)).collect::<Vec<_>>(),
        [
            ("run the command", Outcome::Finished),
            ("run the command", Outcome::Finished),
            ("write the file", Outcome::Finished),
            ("write the file", Outcome::Finished),
            ("go on for long", Outcome::Abandoned),
            ("be brief", Outcome::Finished),
            ("tell it slowly", Outcome::Abandoned),
            ("try it again", Outcome::Finished),
        ]
    );
    assert!(output_of(&turns[1], "function_call_output").contains("one-2"));
    assert!(output_of(&turns[3], "custom_tool_call_output").contains("patched.txt"));
    sim.shutdown().await;
}

/// The rule that answers the TUI when it asks for a title.
const TITLE: usize = 0;

/// Refuses the first token. Slow answers are so long that nobody waits for their end.
fn backend() -> Script {
    let escalated = |command: &str| {
        let arguments =
            json!({ "cmd": command, "sandbox_permissions": "require_escalated", "justification": "May I?" });
        Response::new().function_call("exec_command", arguments)
    };
    let patch = "*** Begin Patch\n*** Add File: patched.txt\n+a line of the patch\n*** End Patch";
    let slow = |word| Response::new().chunks(Chunks::repeat(word, 2_000).every(Duration::from_millis(20)));
    Script::new()
        .tokens(TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() })
        .rule(Rule::when("Generate a concise").respond(r#"{"title":"Try the sim"}"#))
        // What the shell makes of it is not in the command, so it can only be its output.
        .rule(Rule::when("run the command").respond(escalated("echo one-$((1 + 1))")).respond("The command has run."))
        .rule(Rule::when("try it again").respond(escalated("echo never")))
        .rule(
            Rule::when("write the file")
                .respond(Response::new().custom_tool_call("apply_patch", patch))
                .respond("The file is written."),
        )
        .rule(Rule::when("tell it slowly").respond(slow("slow ")))
        .rule(Rule::when("go on for long").respond(slow("long ")))
        .rule(Rule::when("be brief").respond("In brief: yes."))
}

/// Whoever lends the token, on a connection of its own.
struct Parent {
    _client: Client,
    asked: Arc<AtomicUsize>,
}

impl Parent {
    async fn lend(sim: &Sim, url: &str) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let (issuer, count) = (sim.clone(), Arc::clone(&asked));
        let handlers = Handlers::new().on::<m::ChatgptAuthTokensRefresh, _>(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            let token = issuer.tokens().issue(TokenRequest::default());
            async move {
                Ok(v2::ChatgptAuthTokensRefreshResponse {
                    access_token: Secret::new(token.access_token),
                    chatgpt_account_id: token.account_id,
                    chatgpt_plan_type: None,
                })
            }
        });
        let (client, _) = Client::new(connect(url, None).await.unwrap(), handlers);
        client.initialize("parent", "1", true).await.unwrap();
        let token = sim.tokens().issue(TokenRequest::default());
        let login = v2::LoginAccountParams::lend(token.access_token, token.account_id);
        client.request::<m::AccountLoginStart>(login).await.unwrap();
        Self { _client: client, asked }
    }
}

/// The last text of the user in a request to the model.
fn said(turn: &RecordedRequest) -> &str {
    let items = turn.body["input"].as_array().unwrap();
    let last = items.iter().rfind(|item| item["role"] == "user").unwrap();
    last["content"][0]["text"].as_str().unwrap()
}

/// What the model is told of its tool call.
fn output_of(turn: &RecordedRequest, kind: &str) -> String {
    let items = turn.body["input"].as_array().unwrap();
    items.iter().rfind(|item| item["type"] == kind).map(|item| &item["output"]).map(Value::to_string).unwrap()
}

/// The Python with pyte and the TUI.
fn tools() -> Option<(PathBuf, PathBuf)> {
    installed::tui_python().zip(installed::codex())
}
