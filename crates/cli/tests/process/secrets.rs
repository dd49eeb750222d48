//! What a command of the model gets to know of the host that runs it: neither its secrets nor its descriptors.

use std::process::Stdio;
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use valet_sim::{RecordedRequest, Response, Script, Sim};

use crate::support::{home, valet};

const SECRET: &str = "canary-of-the-host";
const NAMES: [&str; 6] =
    ["VALET_THING", "CODEX_THING", "OPENAI_API_KEY", "GITHUB_TOKEN", "My_Client_Secret", "DB_PASSWORD"];

/// Runs a command in a turn of a host that has secrets in its environment. Returns what the model is given.
async fn output_of(sandbox: &str, script: &str) -> String {
    let arguments = json!({ "cmd": script, "login": false, "shell": "/bin/sh" });
    let call = Response::new().function_call("exec_command", arguments);
    let sim = Sim::start(Script::responses([call, Response::new().text("Done.")])).await.unwrap();
    let home = home(&sim);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::from(valet(home.path(), &["app-server"]));
    command.envs(NAMES.map(|name| (name, SECRET))).env("PLAIN", "plain-of-the-host").env("RUST_BACKTRACE", "0");
    let mut host = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut stdin = host.stdin.take().unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let mut until = async |wanted: &dyn Fn(&Value) -> bool| loop {
        let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await.unwrap().unwrap().unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        if wanted(&message) {
            return message;
        }
    };
    let thread = json!({ "cwd": folder.path(), "sandbox": sandbox, "approvalPolicy": "never" });
    for (id, method, params) in [
        (1, "initialize", json!({ "clientInfo": { "name": "t", "version": "1" } })),
        (2, "account/login/start", json!({ "type": "apiKey", "apiKey": SECRET })),
        (3, "thread/start", thread),
    ] {
        let request = json!({ "id": id, "method": method, "params": params });
        stdin.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    }
    let thread = until(&|message| message["id"] == 3).await["result"]["thread"]["id"].clone();
    let turn = json!({ "threadId": thread, "input": [{ "type": "text", "text": "go" }] });
    let request = json!({ "id": 4, "method": "turn/start", "params": turn });
    stdin.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    until(&|message| message["method"] == "turn/completed").await;
    let last = sim.requests().into_iter().rfind(RecordedRequest::is_turn).unwrap();
    last.body["input"].as_array().unwrap().last().unwrap()["output"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_command_gets_the_environment_of_the_host_without_its_secrets() {
    for sandbox in ["workspace-write", "danger-full-access"] {
        let output = output_of(sandbox, "env").await;
        assert!(output.contains("PLAIN=plain-of-the-host\n"), "{output}");
        assert!(!output.contains(SECRET), "{output}");
        assert!(NAMES.iter().all(|name| !output.contains(name)), "{output}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_in_the_sandbox_does_not_find_the_secrets_in_any_process_or_in_the_home() {
    let script = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>&1 | tr '\\0' '\\n' | grep -e PLAIN -e canary; \
                  cat \"$(dirname \"$PWD\")\"/*/auth.json 2>&1 | grep canary; echo looked";
    let output = output_of("workspace-write", script).await;
    assert!(output.contains("PLAIN=plain-of-the-host\n") && output.ends_with("looked\n"), "{output}");
    // Its own arguments name what it looks for.
    let found: Vec<&str> = output.lines().filter(|line| line.contains(SECRET)).collect();
    assert_eq!(found, [""; 0]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_gets_no_descriptors_of_the_host() {
    for sandbox in ["workspace-write", "danger-full-access"] {
        let script = "for fd in $(seq 0 99); do [ ! -e /proc/$$/fd/$fd ] || printf '%s ' $fd; done";
        let output = output_of(sandbox, script).await;
        assert!(output.ends_with("Output:\n0 1 2 "), "{output}");
    }
}
