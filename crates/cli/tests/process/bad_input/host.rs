//! A host that is sent what no good client sends, over its pipes or over a socket.

use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::valet;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A running host with one connection to it.
pub(crate) struct Host {
    child: Child,
    stderr: Lines<BufReader<ChildStderr>>,
    wire: Wire,
    /// Good requests so far.
    asked: u64,
    _home: TempDir,
}

enum Wire {
    Pipes { stdin: Option<ChildStdin>, stdout: Lines<BufReader<ChildStdout>> },
    Socket { url: String, socket: Box<Socket> },
}

impl Host {
    /// One over each transport, initialized, with these capabilities.
    pub(crate) async fn of_each_kind(capabilities: &Value) -> [Self; 2] {
        [Self::over_pipes(capabilities).await, Self::over_a_socket(capabilities).await]
    }

    pub(crate) async fn over_pipes(capabilities: &Value) -> Self {
        let (mut child, home) = spawn(&["app-server"]);
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let wire = Wire::Pipes { stdin: child.stdin.take(), stdout };
        Self { child, stderr, wire, asked: 0, _home: home }.initialized(capabilities).await
    }

    pub(crate) async fn over_a_socket(capabilities: &Value) -> Self {
        let (mut child, home) = spawn(&["app-server", "--listen", "ws://127.0.0.1:0"]);
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = in_time(stderr.next_line()).await.unwrap().unwrap();
        let url = format!("ws://{}/", line.rsplit("ws://").next().unwrap());
        let wire = Wire::Socket { socket: Box::new(connect_async(&url).await.unwrap().0), url };
        Self { child, stderr, wire, asked: 0, _home: home }.initialized(capabilities).await
    }

    async fn initialized(mut self, capabilities: &Value) -> Self {
        let params = json!({ "clientInfo": { "name": "t", "version": "1" }, "capabilities": capabilities });
        self.send(json!({ "id": "first", "method": "initialize", "params": params }).to_string().as_bytes()).await;
        self.answer().await;
        self
    }

    /// The same host over a new socket.
    pub(crate) async fn again(mut self) -> Self {
        let Wire::Socket { url, socket } = &mut self.wire else { panic!("pipes are not made anew") };
        **socket = connect_async(url.as_str()).await.unwrap().0;
        self.initialized(&Value::Null).await
    }

    pub(crate) fn socket(&mut self) -> &mut Socket {
        let Wire::Socket { socket, .. } = &mut self.wire else { panic!("there are pipes") };
        socket
    }

    /// Sends a text: a line, or a text frame.
    pub(crate) async fn send(&mut self, text: &[u8]) {
        match &mut self.wire {
            Wire::Pipes { .. } => self.write(&[text, b"\n"].concat()).await,
            Wire::Socket { socket, .. } => {
                socket.send(Message::Text(text.to_vec().try_into().unwrap())).await.unwrap();
            }
        }
    }

    /// Writes bytes to stdin.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let Wire::Pipes { stdin: Some(stdin), .. } = &mut self.wire else { panic!("there is no stdin") };
        in_time(stdin.write_all(bytes)).await.unwrap();
    }

    /// The next text from the host; none when it says no more.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let text = match &mut self.wire {
            Wire::Pipes { stdout, .. } => in_time(stdout.next_line()).await.unwrap()?,
            Wire::Socket { socket, .. } => loop {
                match in_time(socket.next()).await {
                    Some(Ok(Message::Text(text))) => break text.to_string(),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                }
            },
        };
        Some(serde_json::from_str(&text).expect("every text of the host is JSON"))
    }

    /// The next answer, whoever asked.
    pub(crate) async fn answer(&mut self) -> Value {
        loop {
            let message = self.next().await.expect("the host still speaks");
            if message.get("method").is_none() {
                return message;
            }
        }
    }

    /// The next good request works. Returns what else was answered before it.
    pub(crate) async fn still_works(&mut self) -> Vec<Value> {
        self.asked += 1;
        let id = json!(format!("good {}", self.asked));
        self.send(json!({ "id": id, "method": "thread/loaded/list", "params": {} }).to_string().as_bytes()).await;
        let mut others = Vec::new();
        loop {
            let answer = self.answer().await;
            if answer["id"] == id {
                assert!(answer["result"]["data"].is_array(), "{answer}");
                return others;
            }
            others.push(answer);
        }
    }

    /// The next log line with these words in it.
    pub(crate) async fn logged(&mut self, words: &str) -> String {
        loop {
            let line = in_time(self.stderr.next_line()).await.unwrap().expect("the log goes on");
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Closes stdin, and waits for the end. Returns what was still said, and the exit code.
    pub(crate) async fn end(mut self) -> (Vec<Value>, Option<i32>) {
        if let Wire::Pipes { stdin, .. } = &mut self.wire {
            *stdin = None;
        }
        let mut said = Vec::new();
        while let Some(message) = self.next().await {
            said.push(message);
        }
        (said, in_time(self.child.wait()).await.unwrap().code())
    }

    /// How much memory the host has now, and how much it ever had, in MiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
        };
        (mib("VmRSS"), mib("VmHWM"))
    }
}

fn spawn(args: &[&str]) -> (Child, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::from(valet(home.path(), args));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    (command.spawn().unwrap(), home)
}

async fn in_time<T>(happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, happens).await.expect("it happens in time")
}
