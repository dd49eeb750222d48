//! `docs/operating.md`: exit codes, a row for most commands, and a life is told at `info` as the page tells it.

use std::process::{Output, Stdio};
use std::time::Duration;

use pretty_assertions::assert_eq;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use valet_client::Client;
use valet_protocol::v2;
use valet_sim::{Response, Rule, Script, Sim, TokenPolicy};
use valet_transport::{OutboxLimits, lines};

use crate::probe::{lend, lender, start_turn_in, turn_status};
use crate::support::{VALET, home, in_time, signal, valet};

const PAGE: &str = include_str!("../../../../docs/operating.md");
const HOUR: Duration = Duration::from_secs(3600);

fn run(args: &[&str]) -> (i32, String, String) {
    let home = tempfile::tempdir().unwrap();
    let Output { status, stdout, stderr } = valet(home.path(), args).stdin(Stdio::null()).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_command_line_that_is_not_understood_ends_with_2_and_help_with_0() {
    let wrong: [&[&str]; 6] =
        [&[], &["serve"], &["app-server", "--loud"], &["accounts"], &["sim", "--port", "x"], &["status", "more"]];
    for args in wrong {
        let (code, out, err) = run(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        assert!(err.contains("--help"), "{args:?}: {err}");
    }
    for args in [&["--help"][..], &["--version"], &["help", "run"], &["app-server", "-h"]] {
        let (code, out, err) = run(args);
        assert!(code == 0 && !out.is_empty() && err.is_empty(), "{args:?}: {code} {err}");
    }
}

#[test]
fn whatever_fails_ends_with_1_and_one_line_that_says_why() {
    let failures: [&[&str]; 8] = [
        &["app-server", "--listen", "off"],
        &["app-server", "-c", "model=5"],
        &["app-server", "generate-ts", "--out", "/dev/null/bindings"],
        &["app-server", "proxy", "--sock", "/dev/null/socket"],
        &["run", "--listen", "0.0.0.0:0"],
        &["login", "--api-key", "sk-1"],
        &["accounts", "use", "nobody"],
        &["sim", "--script", "/dev/null/script.json"],
    ];
    for args in failures {
        let (code, out, err) = run(args);
        assert_eq!((code, out.as_str(), err.lines().count()), (1, "", 1), "{args:?}: {err}");
        assert!(err.starts_with("valet: "), "{args:?}: {err}");
    }
}

#[test]
fn what_there_is_nothing_of_is_no_failure_except_for_status() {
    for (args, wanted) in [(&["logout"][..], 0), (&["accounts", "list"], 0), (&["status"], 1)] {
        let (code, out, err) = run(args);
        assert!(code == wanted && !out.is_empty() && err.is_empty(), "{args:?}: {code} {out} {err}");
    }
}

#[tokio::test]
async fn a_sim_ends_well_by_every_signal_that_asks_it_to() {
    for wish in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut command = tokio::process::Command::new(VALET);
        let mut sim = command.arg("sim").stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(sim.stdout.take().unwrap()).lines();
        assert!(in_time(lines.next_line()).await.unwrap().unwrap().starts_with("listening on http://"));
        signal(sim.id().unwrap(), wish);
        assert_eq!(in_time(sim.wait()).await.unwrap().code(), Some(0), "{wish:?}");
    }
}

/// Lives a short life: a token that is refused, a turn with a tool, and the end of stdin. Returns what stderr says.
async fn live(level: Option<&str>) -> String {
    live_with(level, TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() }, v2::TurnStatus::Completed).await
}

/// The same where a backend with other tokens gives the turn another end.
async fn live_with(level: Option<&str>, tokens: TokenPolicy, end: v2::TurnStatus) -> String {
    let looks = Response::new().function_call("exec_command", serde_json::json!({ "cmd": "echo secret words" }));
    let script = Script::new().rule(Rule::always().respond(looks).respond(Response::new().text("There.")));
    let sim = Sim::builder().script(script.tokens(tokens)).start().await.unwrap();
    let home = home(&sim);
    let mut command = tokio::process::Command::from(valet(home.path(), &["app-server"]));
    command.envs(level.map(|level| ("VALET_LOG", level))).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut host = command.spawn().unwrap();
    let link = lines::connect(host.stdout.take().unwrap(), host.stdin.take().unwrap(), OutboxLimits::default());
    let (client, mut told) = Client::new(link, lender(&sim, HOUR));
    in_time(client.initialize("my_app", "1.0", true)).await.unwrap();
    lend(&client, &sim, HOUR).await;
    start_turn_in(&client, v2::SandboxMode::DangerFullAccess).await;
    assert_eq!(turn_status(&mut told).await, Some(end));
    drop((client, told));
    let mut said = String::new();
    in_time(host.stderr.take().unwrap().read_to_string(&mut said)).await.unwrap();
    assert_eq!(in_time(host.wait()).await.unwrap().code(), Some(0));
    said
}

/// A line without its time and without what differs from life to life.
fn plain(line: &str) -> String {
    let line = line.split_once("INFO ").map_or(line, |(_, line)| line);
    let words: Vec<&str> = line.split(' ').take_while(|word| !word.contains('=')).collect();
    words.join(" ")
}

#[tokio::test]
async fn a_life_without_trouble_is_told_at_info_as_the_page_tells_it_and_silent_by_default() {
    assert_eq!(live(None).await, "");
    let said = live(Some("info")).await;
    let (_, page) = PAGE.split_once("```text log\n").unwrap();
    let (page, _) = page.split_once("```").unwrap();
    // This life has no listener, and ends with its client and not by a signal.
    let of_a_listener =
        |line: &String| ["listening on", "a signal asks", "no new work"].iter().any(|words| line.contains(words));
    let wanted: Vec<String> = page.lines().map(plain).filter(|line| !of_a_listener(line)).collect();
    let told: Vec<String> = said.lines().map(plain).filter(|line| !line.contains("lives for has left")).collect();
    assert_eq!(told, wanted, "{said}");
    assert!(!said.contains("secret words") && !said.contains("eyJ"), "{said}");
}

#[tokio::test]
async fn that_a_renewed_token_is_refused_as_well_is_told_without_being_asked_for() {
    let tokens = TokenPolicy { uses: Some(0), ..TokenPolicy::default() };
    let said = live_with(None, tokens, v2::TurnStatus::Failed).await;
    let of_the_token = said.lines().filter(|line| line.contains("the backend refuses a new token, too"));
    assert_eq!(of_the_token.count(), 1, "{said}");
    assert!(!said.contains("eyJ"), "{said}");
}
