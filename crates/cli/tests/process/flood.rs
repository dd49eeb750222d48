//! Floods and stalled readers over real pipes and sockets: each request gets its one answer, each text is whole.

use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use valet_sim::{Chunks, Response, Script, Sim};

use crate::support::{self, home, valet};

const FLOOD: usize = 20_000;
const DELTAS: u32 = 100_000;
const LIMIT: Duration = Duration::from_secs(60);

/// How long the reader sleeps.
const NAP: Duration = Duration::from_secs(2);

/// A connection to the real binary: a writer that never waits for the reader, and the other way round.
struct Peer {
    outgoing: mpsc::UnboundedSender<String>,
    incoming: Incoming,
    _child: tokio::process::Child,
    _home: tempfile::TempDir,
}

enum Incoming {
    Pipe(tokio::io::Lines<BufReader<tokio::process::ChildStdout>>),
    Socket(futures_util::stream::SplitStream<support::Socket>),
}

impl Peer {
    async fn over_stdio(sim: &Sim) -> Self {
        let home = home(sim);
        let mut command = Command::from(valet(home.path(), &["app-server"]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let (outgoing, mut lines) = mpsc::unbounded_channel::<String>();
        tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
            }
        });
        let incoming = Incoming::Pipe(BufReader::new(child.stdout.take().unwrap()).lines());
        Self { outgoing, incoming, _child: child, _home: home }
    }

    async fn over_a_websocket(sim: &Sim) -> Self {
        let home = home(sim);
        let (child, address) = support::listening(home.path(), &[]).await;
        let (mut sink, stream) = support::socket(&address).await.split();
        let (outgoing, mut texts) = mpsc::unbounded_channel::<String>();
        tokio::spawn(async move {
            while let Some(text) = texts.recv().await {
                sink.feed(Message::text(text)).await.unwrap();
                if texts.is_empty() {
                    sink.flush().await.unwrap();
                }
            }
        });
        Self { outgoing, incoming: Incoming::Socket(stream), _child: child, _home: home }
    }

    fn send(&self, message: &Value) {
        self.outgoing.send(message.to_string()).unwrap();
    }

    async fn next(&mut self) -> Value {
        let text = async {
            match &mut self.incoming {
                Incoming::Pipe(lines) => lines.next_line().await.unwrap().expect("the host is still there"),
                Incoming::Socket(stream) => {
                    stream.next().await.expect("it stands").unwrap().into_text().unwrap().to_string()
                }
            }
        };
        serde_json::from_str(&tokio::time::timeout(LIMIT, text).await.expect("a message in time")).unwrap()
    }

    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await;
            if wanted(&message) {
                return message;
            }
        }
    }

    fn initialize(&self) {
        let params = json!({ "clientInfo": { "name": "t", "version": "1" } });
        self.send(&json!({ "id": "first", "method": "initialize", "params": params }));
    }

    /// Asks as fast as the transport takes it, sleeps, and only then reads.
    async fn flood(mut self, method: &str) {
        self.initialize();
        for id in 0..FLOOD {
            self.send(&json!({ "id": id, "method": method, "params": {} }));
        }
        tokio::time::sleep(NAP).await;
        let mut answered = vec![0_u32; FLOOD];
        for _ in 0..=FLOOD {
            let answer = self.until(|message| message["method"].is_null()).await;
            if let Some(id) = answer["id"].as_u64() {
                answered[usize::try_from(id).unwrap()] += 1;
            }
        }
        assert!(answered.iter().all(|times| *times == 1));
        // Nothing is answered twice: the next answer is to the next question.
        self.send(&json!({ "id": "last", "method": "thread/loaded/list", "params": {} }));
        assert_eq!(self.until(|message| message["method"].is_null()).await["id"], "last");
    }

    /// Stalls through a turn of many deltas, then reads.
    async fn stall(mut self) {
        self.initialize();
        self.send(&json!({ "id": 1, "method": "account/login/start", "params": { "type": "apiKey", "apiKey": "k" } }));
        self.send(&json!({ "id": 2, "method": "thread/start", "params": {} }));
        let thread = self.until(|message| message["id"] == 2).await["result"]["thread"]["id"].clone();
        let params = json!({ "threadId": thread, "input": [{ "type": "text", "text": "go on" }] });
        self.send(&json!({ "id": 3, "method": "turn/start", "params": params }));
        self.until(|message| message["method"] == "turn/started").await;
        tokio::time::sleep(support::long(NAP, Duration::from_secs(30))).await;
        let mut text = String::new();
        let turn = loop {
            let message = self.next().await;
            match message["method"].as_str() {
                Some("item/agentMessage/delta") => text += message["params"]["delta"].as_str().unwrap(),
                Some("turn/completed") => break message["params"]["turn"].clone(),
                _ => {}
            }
        };
        assert!(text == "0123456789".repeat(DELTAS as usize), "{} bytes of text", text.len());
        assert_eq!(turn["status"], "completed");
    }
}

fn long_answer() -> Script {
    Script::respond(Response::new().chunks(Chunks::repeat("0123456789", DELTAS)))
}

#[tokio::test]
async fn t_1_20_000_requests_over_stdio_get_20_000_answers_though_the_reader_sleeps_first() {
    let sim = Sim::start(Script::new()).await.unwrap();
    Peer::over_stdio(&sim).await.flood("thread/loaded/list").await;
    Peer::over_stdio(&sim).await.flood("no/such/method").await;
}

#[tokio::test]
async fn t_1_20_000_requests_over_a_websocket_get_20_000_answers_though_the_reader_sleeps_first() {
    let sim = Sim::start(Script::new()).await.unwrap();
    Peer::over_a_websocket(&sim).await.flood("thread/loaded/list").await;
    Peer::over_a_websocket(&sim).await.flood("no/such/method").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t_3_a_reader_that_stalls_gets_the_exact_text_over_stdio_and_over_a_websocket() {
    let sim = Sim::start(long_answer()).await.unwrap();
    let over_stdio = async { Peer::over_stdio(&sim).await.stall().await };
    let over_a_websocket = async { Peer::over_a_websocket(&sim).await.stall().await };
    tokio::join!(over_stdio, over_a_websocket);
}
