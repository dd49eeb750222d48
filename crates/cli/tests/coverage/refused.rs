//! What the page calls absent is refused by the real host, and harms nothing.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::absent;

/// No answer takes longer.
const LIMIT: Duration = Duration::from_secs(20);

/// Sends all of this over one connection, and returns the answers in the order of their ids.
async fn answers(config: &str, requests: &[Value]) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_valet"));
    command.arg("app-server").env("VALET_HOME", home.path()).env_remove("CODEX_HOME");
    let mut host =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut stdin = host.stdin.take().unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let text: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let writing = tokio::spawn(async move {
        stdin.write_all(text.as_bytes()).await.unwrap();
        stdin
    });
    let mut answers = Vec::new();
    while answers.len() < requests.len() {
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("an answer in time").unwrap();
        let message: Value = serde_json::from_str(&line.expect("the host is still there")).unwrap();
        if message.get("id").is_some() {
            answers.push(message);
        }
    }
    drop(writing.await.unwrap());
    answers.sort_by_key(|answer| answer["id"].as_u64());
    answers
}

/// Asks for everything that is absent, and then for something that is not.
async fn ask_for_all(config: &str) -> (Vec<String>, Vec<Value>) {
    let absent = absent();
    assert!(absent.len() > 50, "the page lists what is absent");
    let client = json!({ "clientInfo": { "name": "t", "version": "1" }, "capabilities": { "experimentalApi": true } });
    let mut requests = vec![json!({ "id": 0, "method": "initialize", "params": client })];
    for method in &absent {
        requests.push(json!({ "id": requests.len(), "method": method, "params": {} }));
    }
    requests.push(json!({ "id": requests.len(), "method": "thread/loaded/list", "params": {} }));
    let mut answers = answers(config, &requests).await;
    let last = answers.pop().unwrap();
    assert!(last["result"]["data"].is_array(), "the connection is as good as before: {last}");
    (absent, answers.split_off(1))
}

fn refused_as_unknown(method: &str, answer: &Value) {
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    let words = format!("Invalid request: unknown variant `{method}`, expected one of `initialize`, ");
    assert!(answer["error"]["message"].as_str().unwrap().starts_with(&words), "{answer}");
}

#[tokio::test]
async fn what_is_absent_is_refused_by_name_and_the_connection_lives() {
    let (absent, answers) = ask_for_all("").await;
    for (method, answer) in absent.iter().zip(&answers) {
        refused_as_unknown(method, answer);
        assert_eq!(answer["error"]["data"]["kind"], "methodNotFound", "{answer}");
    }
}

#[tokio::test]
async fn a_strict_host_refuses_it_in_the_words_of_the_reference_alone() {
    let (absent, answers) = ask_for_all("[valet]\ncompat = \"strict\"").await;
    for (method, answer) in absent.iter().zip(&answers) {
        refused_as_unknown(method, answer);
        assert_eq!(answer["error"].get("data"), None, "{answer}");
    }
}
