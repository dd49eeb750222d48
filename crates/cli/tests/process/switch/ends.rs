//! How a session ends: whoever dies first, nothing is left, and the person learns why.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use pretty_assertions::assert_eq;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use valet_sim::Script;

use super::clients::{bearer, farewell, socket};
use super::{Stage, TOKEN, app_servers, kill, terminate};
use crate::probe::{gone, tree};
use crate::support::{in_time, signal};

impl Stage {
    /// A program of the test's.
    fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    /// What is there beside what the app server keeps for itself.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.home.path()).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A client that says what it was given, and then does something.
fn client(then: &str) -> String {
    format!("printf '%s\\n' \"$@\" \"$PWD\" \"$VALET_RUN_TOKEN\" > given\n{then}")
}

#[tokio::test]
async fn the_client_is_given_the_session_and_its_exit_code_is_passed_on() {
    for server in app_servers() {
        let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
        let program = stage.program("client", &client("exit 7"));
        let mut args = vec!["run", "--client", program.to_str().unwrap()];
        args.extend(server.iter().map(String::as_str));
        args.extend(["--", "resume", "--last"]);
        let (code, said) = stage.valet(&args).await;
        assert_eq!(code, 7, "{said}");
        let given = std::fs::read_to_string(stage.path("given")).unwrap();
        let lines: Vec<_> = given.lines().collect();
        let [command, remote, url, env, name, folder, home, last, cwd, token] = lines[..] else { panic!("{given}") };
        assert_eq!(
            [command, remote, env, name, folder, last],
            ["resume", "--remote", "--remote-auth-token-env", "VALET_RUN_TOKEN", "-C", "--last"]
        );
        assert_eq!(home, cwd);
        assert!(url.starts_with("ws://127.0.0.1:") && token.len() == 43, "{given}");
        let files = stage.files();
        assert!(!files.iter().any(|file| file.contains("ws-token")), "{files:?}");
    }
}

#[tokio::test]
async fn the_token_of_the_clients_may_come_from_a_pipe() {
    let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
    let program = stage.program("client", &client("exit 0"));
    let args = ["run", "--client", program.to_str().unwrap(), "--ws-token-file", "/dev/stdin"];
    let mut child = stage.command(&args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"of-a-pipe\n").await.unwrap();
    let output = in_time(child.wait_with_output()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let given = std::fs::read_to_string(stage.path("given")).unwrap();
    assert_eq!(given.lines().last(), Some("of-a-pipe"));
}

#[tokio::test]
async fn a_preference_that_the_policy_does_not_go_by_is_told() {
    let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
    let program = stage.program("client", &client("exit 0"));
    let words = "valet: --prefer decides between equals only; --policy priority goes by it\n";
    for (policy, expected) in [("headroom", words), ("priority", "")] {
        let args = ["run", "--client", program.to_str().unwrap(), "--prefer", "acct-1", "--policy", policy];
        assert_eq!(stage.valet(&args).await, (0, expected.to_owned()), "{policy}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_what_to_do() {
    let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let (code, said) = stage.valet(&["run", "--listen", &listen]).await;
    assert!(code == 1 && said.ends_with("end it, or take another port (0: any free one)\n"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[tokio::test]
async fn an_app_server_that_ends_at_once_is_quoted() {
    let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
    let server = stage.program("server", "echo 'it is no day for this' >&2; exit 3");
    let (code, said) = stage.valet(&["run", "--codex-bin", server.to_str().unwrap()]).await;
    assert_eq!(code, 1);
    assert!(
        said.contains("the app server ended at once, with exit code 3. Its last words:\nit is no day for this"),
        "{said}"
    );
    let (code, said) = stage.valet(&["run", "--codex-bin", "/no/such/program"]).await;
    assert!(code == 1 && said.contains("with exit code 127"), "{said}");
}

#[tokio::test]
async fn the_log_of_a_session_holds_what_its_app_server_says_to_the_end() {
    let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
    let program = stage.program("client", "exit 0");
    let mut command = stage.command(&["run", "--client", program.to_str().unwrap()]);
    let output = in_time(command.env("VALET_LOG", "info").output()).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    for words in ["the host starts", "a client has come", "a token was lent", "the host has ended"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("listening on"), "nobody else can connect there: {said}");
}

#[tokio::test]
async fn a_client_that_is_refused_at_the_door_is_no_warning() {
    let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
    let session = stage.session(&[]).await;
    assert!(socket(&session, &[("authorization", &bearer("another"))]).await.is_err());
    let said = session.end().await;
    assert!(!said.contains("let in"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_done_is_said_before_anything_is_started() {
    let stage = Stage::open(Script::text("hi"), &[]).await;
    let rows: [(&[&str], &str); 7] = [
        (&["run"], "nobody is logged in"),
        (&["run", "--ws-token-file", "/no/such/file"], "valet: --ws-token-file: failed to read websocket auth secret"),
        (&["run", "--", "exec"], "is no command that `valet run` can start"),
        (&["run", "--", "--remote", "ws://x"], "leave it out"),
        (&["run", "--no-client"], "--ws-token-file"),
        (&["run", "--listen", "0.0.0.0:0"], "other machines could see"),
        (&["run", "--policy", "best"], "best"),
    ];
    for (args, words) in rows {
        let (code, said) = stage.valet(args).await;
        assert!(code != 0 && said.to_lowercase().contains(&words.to_lowercase()), "{args:?}: {said}");
    }
    stage.write("auth.json", &serde_json::json!({ "auth_mode": "apikey", "OPENAI_API_KEY": "sk-1" }));
    let (code, said) = stage.valet(&["run"]).await;
    assert!(code == 1 && said.contains("API key"), "{said}");
}

#[tokio::test]
async fn an_app_server_that_dies_ends_the_session_and_clients_are_told() {
    for server in app_servers() {
        let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
        let args: Vec<&str> = server.iter().map(String::as_str).collect();
        let mut session = stage.session(&args).await;
        let guest = socket(&session, &[("authorization", &bearer(TOKEN))]).await.unwrap();
        let told = tokio::spawn(farewell(guest));
        let all = tree(session.pid());
        let name = if server.is_empty() { "valet" } else { "codex" };
        kill(app_server_of(session.pid(), name));
        let status = in_time(session.child.wait()).await.unwrap();
        let said = in_time(session.said).await.unwrap();
        assert!(status.code() == Some(1) && said.contains("the app server ended by signal 9"), "{status} {said}");
        let words = in_time(told).await.unwrap();
        assert!(words.as_ref().is_some_and(|words| words.code == CloseCode::Error), "{words:?}");
        gone(&all).await;
    }
}

/// The process that listens: the one with these words among its arguments whose parent is not a shell of ours.
pub(super) fn app_server_of(root: u32, name: &str) -> u32 {
    let mut found: Vec<u32> = tree(root).iter().map(|process| process.id).collect();
    found.retain(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("app-server") && line.split('\0').next().is_some_and(|program| program.contains(name))
    });
    *found.last().unwrap()
}

#[tokio::test]
async fn nothing_is_left_of_a_session_that_is_killed() {
    for server in app_servers() {
        let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
        let args: Vec<&str> = server.iter().map(String::as_str).collect();
        let mut session = stage.session(&args).await;
        let all = tree(session.pid());
        assert!(all.len() >= 3, "the session, the app server and who watches it: {all:?}");
        kill(session.pid());
        in_time(session.child.wait()).await.unwrap();
        gone(&all).await;
        let left = stage.files();
        assert!(!left.iter().any(|file| file.contains("ws-token")), "{left:?}");
    }
}

#[tokio::test]
async fn ctrl_c_ends_a_session_that_still_starts_and_no_client_comes() {
    let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
    let server = stage.program("server", "echo here > ready; while :; do sleep 0.05; done");
    let client = stage.program("client", "echo here > client-ran");
    let args = ["run", "--codex-bin", server.to_str().unwrap(), "--client", client.to_str().unwrap()];
    let mut child = stage.command(&args).spawn().unwrap();
    in_time(exists(stage.path("ready"))).await;
    let all = tree(child.id().unwrap());
    signal(child.id().unwrap(), Signal::INT);
    assert_eq!(in_time(child.wait()).await.unwrap().code(), Some(130));
    gone(&all).await;
    assert!(!stage.path("client-ran").exists());
}

#[tokio::test]
async fn a_signal_ends_the_client_first_and_ctrl_c_is_the_clients_own() {
    let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
    let program = stage.program("client", "trap 'exit 5' TERM; echo here > ready; while :; do sleep 0.05; done");
    let mut child =
        stage.command(&["run", "--client", program.to_str().unwrap()]).stderr(Stdio::inherit()).spawn().unwrap();
    in_time(exists(stage.path("ready"))).await;
    let pid = child.id().unwrap();
    let all = tree(pid);
    signal(pid, Signal::INT);
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(child.try_wait().unwrap().is_none(), "Ctrl-C is not for it");
    terminate(pid);
    let begin = Instant::now();
    assert_eq!(in_time(child.wait()).await.unwrap().code(), Some(5));
    assert!(begin.elapsed().as_secs() < 4, "{:?}", begin.elapsed());
    gone(&all).await;
}

/// Nobody tells of a file of another program's: it is looked for.
async fn exists(path: PathBuf) {
    while !path.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_client_that_cannot_be_started_is_named() {
    let stage = Stage::open(Script::text("hi"), &["acct-1"]).await;
    let (code, said) = stage.valet(&["run", "--client", "/no/such/client"]).await;
    assert!(code == 1 && said.contains("the client /no/such/client cannot be started: "), "{said}");
    assert!(said.ends_with("; install it, or name another with --client\n"), "{said}");
}
