//! A backend that says when a request was with it and when its answer was on the way. It answers at once, with bytes
//! that were made before: nothing is faster, and so it is no bottleneck.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

/// An answer of one message.
const ANSWER: &str = concat!(
    "event: response.created\n",
    "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\n",
    "event: response.output_item.done\n",
    "data: {\"type\":\"response.output_item.done\",\"item\":{\"type\":\"message\",\"role\":\"assistant\",",
    "\"id\":\"msg_1\",\"content\":[{\"type\":\"output_text\",\"text\":\"Done.\"}]}}\n\n",
    "event: response.completed\n",
    "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"usage\":{\"input_tokens\":100,",
    "\"output_tokens\":20,\"total_tokens\":120}}}\n\n",
);

/// What an item of a history takes, in bytes.
const SIZE_OF_AN_ITEM: usize = 500;

/// A backend on a port of its own.
pub(crate) struct Backend {
    pub(crate) base_url: String,
    answer: Answer,
    seen: Receiver<Seen>,
    client: reqwest::Client,
}

/// What every turn is answered with.
type Answer = Arc<Mutex<Arc<str>>>;

/// A request that was answered.
pub(crate) struct Seen {
    pub(crate) body: Vec<u8>,
    /// When its last byte was here.
    pub(crate) received: Instant,
    /// When the last byte of the answer was on its way.
    pub(crate) answered: Instant,
}

impl Backend {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let base_url = format!("http://{}/v1", listener.local_addr()?);
        let (sender, seen) = channel();
        let answer = Answer::new(Mutex::new(ANSWER.into()));
        let answers = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, sender) = (Arc::clone(&answers), sender.clone());
                std::thread::spawn(move || serve(&stream, &answers, &sender));
            }
        });
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { base_url, answer, seen, client })
    }

    /// From now on, answers with a message of so many deltas.
    pub(crate) fn stream(&self, deltas: usize) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = stream(deltas).into();
    }

    /// The next request that was answered.
    pub(crate) fn seen(&self) -> anyhow::Result<Seen> {
        self.seen.recv_timeout(Duration::from_secs(20)).context("a request")
    }

    /// How long a request takes whoever sends it: a client that has kept its history as items puts them together,
    /// and the body goes its way. Returns both times.
    pub(crate) async fn way(&self, items: &[Box<[u8]>]) -> anyhow::Result<(Duration, Duration)> {
        let begin = Instant::now();
        let mut body = Vec::with_capacity(items.len() * SIZE_OF_AN_ITEM);
        items.iter().for_each(|item| body.extend_from_slice(item));
        let whole = Instant::now();
        let answer = self.client.post(format!("{}/responses", self.base_url)).body(body).send().await?;
        ensure!(answer.bytes().await?.len() == ANSWER.len());
        Ok((whole - begin, self.seen()?.received - whole))
    }
}

impl Seen {
    /// A history that would make such a request.
    pub(crate) fn items(&self) -> Vec<Box<[u8]>> {
        self.body.chunks(SIZE_OF_AN_ITEM).map(Box::from).collect()
    }
}

/// An answer of one message, in so many deltas of a word each.
fn stream(deltas: usize) -> String {
    const WORD: &str = "word ";
    let event = |data: serde_json::Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or(""));
    let item = |content| json!({ "type": "message", "id": "msg_1", "role": "assistant", "content": content });
    let text = json!([{ "type": "output_text", "text": WORD.repeat(deltas), "annotations": [] }]);
    let usage = json!({ "input_tokens": 100, "output_tokens": deltas, "total_tokens": 100 + deltas });
    let delta = json!({
        "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": WORD,
    });
    [
        event(json!({ "type": "response.created", "response": { "id": "resp_1" } })),
        event(json!({ "type": "response.output_item.added", "output_index": 0, "item": item(json!([])) })),
        event(delta).repeat(deltas),
        event(json!({ "type": "response.output_item.done", "output_index": 0, "item": item(text) })),
        event(json!({ "type": "response.completed", "response": { "id": "resp_1", "usage": usage } })),
    ]
    .concat()
}

/// Answers the requests of a connection until it ends.
fn serve(stream: &TcpStream, answers: &Answer, seen: &Sender<Seen>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut reader, mut writer) = (BufReader::with_capacity(1 << 20, stream), stream);
    loop {
        let (mut is_turn, mut length) = (false, 0);
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_ascii_lowercase();
            is_turn |= line.starts_with("post ") && line.contains("/responses");
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let received = Instant::now();
        let stream = Arc::clone(&answers.lock().unwrap_or_else(PoisonError::into_inner));
        let (status, answer) = if is_turn { ("200 OK", &*stream) } else { ("404 Not Found", "") };
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", answer.len());
        writer.write_all(head.as_bytes()).ok()?;
        writer.write_all(answer.as_bytes()).ok()?;
        if is_turn {
            seen.send(Seen { body, received, answered: Instant::now() }).ok()?;
        }
    }
}
