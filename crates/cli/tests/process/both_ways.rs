//! A parent that writes and writes, and reads neither answers nor logs meanwhile: nobody waits for ever, nothing is
//! lost, and the host stays small.

use std::process::Stdio;
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;
use valet_sim::{Script, Sim};

use crate::probe::resident_peak;
use crate::support::{home, long, valet};

const MIB: usize = 1024 * 1024;
const REQUEST_BYTES: usize = 64 * 1024;

/// What the host may hold at any time: what waits to be carried out and to be written, and itself.
const MOST_KIB: u64 = 96 * 1024;

/// A request to which the answer is long, as long as the host is not crowded.
fn request(id: usize) -> String {
    let params = json!({ "padding": "x".repeat(REQUEST_BYTES) });
    json!({ "id": id, "method": "model/list", "params": params }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_requests_gets_through_while_stdout_and_stderr_are_not_read() {
    let requests = long(64 * MIB, 1024 * MIB) / REQUEST_BYTES;
    let sim = Sim::start(Script::new()).await.unwrap();
    let home = home(&sim);
    let mut command = Command::from(valet(home.path(), &["app-server"]));
    command.env("VALET_LOG", "debug").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut host = command.spawn().unwrap();
    let mut stdin = host.stdin.take().unwrap();

    let write = async {
        let params = json!({ "clientInfo": { "name": "t", "version": "1" } });
        let first = json!({ "id": "first", "method": "initialize", "params": params });
        stdin.write_all(format!("{first}\n").as_bytes()).await.unwrap();
        for id in 0..requests {
            // What is no message is logged.
            stdin.write_all(format!("nonsense\n{}\n", request(id)).as_bytes()).await.unwrap();
        }
    };
    timeout(Duration::from_secs(300), write).await.expect("the host reads on, though nobody reads what it says");
    let peak = resident_peak(host.id().unwrap());
    eprintln!("{requests} requests, {peak} KiB at most");
    assert!(peak < MOST_KIB, "{peak} KiB");

    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let (mut answered, mut bytes, mut overloads) = (vec![0; requests], 0, 0);
    let mut left = requests + 1;
    while left > 0 {
        let line = timeout(Duration::from_secs(20), lines.next_line()).await.unwrap().unwrap().expect("an answer");
        bytes += line.len();
        let message: Value = serde_json::from_str(&line).unwrap();
        if !message["method"].is_null() {
            continue;
        }
        left -= 1;
        if let Some(id) = message["id"].as_u64() {
            answered[usize::try_from(id).unwrap()] += 1;
        }
        if !message["error"].is_null() {
            assert_eq!(message["error"]["code"], -32001);
            overloads += 1;
        }
    }
    eprintln!("{bytes} bytes of answers, {overloads} answers are overloads");
    assert!(answered.iter().all(|times| *times == 1));
    drop(stdin);
    assert_eq!(timeout(Duration::from_secs(20), host.wait()).await.unwrap().unwrap().code(), Some(0));
}
