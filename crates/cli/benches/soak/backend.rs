//! The model's backend: it does with each turn what the words of the person say, and knows whose token came.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::plan::Play;
use crate::stage::{Stage, lock};
use crate::tokens;

/// Pieces of an answer of many.
const MANY: usize = 400;
/// The pieces of a big answer, and what each has.
const BIG: (usize, usize) = (128, 64 << 10);
/// The words of a slow answer, and the pause before each.
const SLOW: (usize, Duration) = (25, Duration::from_millis(20));
/// A command that has a child and a daemon, and goes on.
const DAEMON: &str = "setsid -f sleep 1000; sleep 1000 & echo ready; wait";

/// What the person says: the number of the turn, whose it is, and what is to be done.
pub(crate) fn words(number: u64, owner: &str, play: Play) -> String {
    format!("<soak {number} {owner} {}>", play.word())
}

struct Backend {
    stage: Arc<Stage>,
    /// How often each turn was asked about by a good token.
    asked: Mutex<HashMap<u64, u64>>,
}

/// Serves on a port of its own, from now on. Returns its address.
pub(crate) async fn start(stage: Arc<Stage>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let backend = Arc::new(Backend { stage, asked: Mutex::default() });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let backend = Arc::clone(&backend);
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                // The host closes connections as it likes.
                let _ = backend.serve(stream).await;
            });
        }
    });
    Ok(address)
}

/// One request.
struct Request {
    is_turn: bool,
    token: String,
    body: Vec<u8>,
}

/// The connection is not to be used any more.
struct Cut;

impl From<std::io::Error> for Cut {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl Backend {
    async fn serve(&self, stream: TcpStream) -> Result<(), Cut> {
        let mut stream = BufReader::with_capacity(64 << 10, stream);
        while let Some(request) = read_request(&mut stream).await? {
            if request.is_turn {
                self.turn(&request, &mut stream).await?;
            } else {
                refuse(&mut stream, 404, &json!({ "error": { "message": "not here" } })).await?;
            }
        }
        Ok(())
    }

    async fn turn(&self, request: &Request, stream: &mut BufReader<TcpStream>) -> Result<(), Cut> {
        let body = String::from_utf8_lossy(&request.body);
        let Some((number, play)) = self.look_at(&body, &request.token) else {
            return refuse(stream, 400, &json!({ "error": { "message": "no such play" } })).await;
        };
        let serial = tokens::read(&request.token).map_or(0, |(_, serial)| serial);
        if play == Play::Unauthorized && !lock(&self.asked).contains_key(&number) {
            self.stage.tokens.expire(serial);
            lock(&self.asked).insert(number, 0);
        }
        if self.stage.tokens.is_expired(serial) {
            self.stage.count("backend: 401");
            let error = json!({ "error": { "code": "token_expired", "message": "The token has expired." } });
            return refuse(stream, 401, &error).await;
        }
        let times = {
            let mut asked = lock(&self.asked);
            let times = asked.entry(number).or_default();
            *times += 1;
            *times
        };
        self.play(play, number, times == 1, stream).await
    }

    /// The number and the play of the last words. All words must be those of the token's account.
    fn look_at(&self, body: &str, token: &str) -> Option<(u64, Play)> {
        let owner = tokens::read(token).map_or("nobody", |(name, _)| name);
        let mut last = None;
        for (at, _) in body.match_indices("<soak ") {
            let words = body[at..].strip_prefix("<soak ")?.split('>').next()?;
            let mut parts = words.splitn(3, ' ');
            let (number, said) = (parts.next()?.parse().ok()?, parts.next()?);
            if said != owner {
                self.stage.fault(format!("a token of {owner} on the thread of {said}, turn {number}"));
            }
            last = Some((number, Play::of_word(parts.next()?)?));
        }
        last
    }

    async fn play(&self, play: Play, number: u64, first: bool, stream: &mut BufReader<TcpStream>) -> Result<(), Cut> {
        if first || play == Play::Busy {
            self.stage.count(format!("backend: {}", play.word()));
        }
        let busy = json!({ "error": { "message": "busy" } });
        match play {
            Play::TooMany if first => return refuse(stream, 429, &busy).await,
            Play::Broken if first => {
                return refuse(stream, if number.is_multiple_of(2) { 500 } else { 503 }, &busy).await;
            }
            Play::Busy => return refuse(stream, 503, &busy).await,
            Play::Limit => {
                let error = json!({ "type": "usage_limit_reached", "message": "The usage limit has been reached" });
                return refuse(stream, 429, &json!({ "error": error })).await;
            }
            _ => {}
        }
        let mut answer = Answer::begin(stream).await?;
        match play {
            Play::Many => answer.message(MANY, "word ", None).await?,
            Play::Big => answer.message(BIG.0, &"0123456789abcdef".repeat(BIG.1 / 16), None).await?,
            Play::Slow if first => answer.message(SLOW.0, "word ", Some(SLOW.1)).await?,
            Play::Cut if first => {
                answer.event("response.output_text.delta", json!({ "item_id": "m", "delta": "Half of" })).await?;
                return Err(Cut);
            }
            Play::Silent => return answer.silence().await,
            Play::Failed => {
                let error = json!({ "code": "server_error", "message": "It failed." });
                return answer.end("failed", json!({ "error": error })).await;
            }
            Play::Incomplete => {
                let details = json!({ "reason": "max_output_tokens" });
                return answer.end("incomplete", json!({ "incomplete_details": details })).await;
            }
            Play::Command if first => answer.command(number, "true").await?,
            Play::Daemon if first => answer.command(number, DAEMON).await?,
            Play::Approval if first => answer.command(number, "touch /dev/null").await?,
            _ => answer.message(2, "Done. ", None).await?,
        }
        let usage = json!({ "input_tokens": 100, "output_tokens": 20, "total_tokens": 120 });
        answer.end("completed", json!({ "usage": usage })).await
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Result<Option<Request>, Cut> {
    let mut request = Request { is_turn: false, token: String::new(), body: Vec::new() };
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let (name, value) = line.trim().split_once(' ').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "" => break,
            "post" => request.is_turn = value.contains("/responses "),
            "authorization:" => value.strip_prefix("Bearer ").unwrap_or_default().clone_into(&mut request.token),
            "content-length:" => length = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await?;
    Ok(Some(request))
}

async fn refuse(stream: &mut BufReader<TcpStream>, status: u16, body: &Value) -> Result<(), Cut> {
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 {status} So\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    Ok(stream.write_all([head, body].concat().as_bytes()).await?)
}

/// A stream of events on its way.
struct Answer<'a> {
    stream: &'a mut BufReader<TcpStream>,
    waiting: Vec<u8>,
}

impl<'a> Answer<'a> {
    async fn begin(stream: &'a mut BufReader<TcpStream>) -> Result<Self, Cut> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut answer = Self { stream, waiting: head.as_bytes().to_vec() };
        answer.event("response.created", json!({ "response": { "id": "r" } })).await?;
        Ok(answer)
    }

    /// One chunk. It goes out with the next ones, unless they are many.
    async fn event(&mut self, kind: &str, mut fields: Value) -> Result<(), Cut> {
        fields["type"] = kind.into();
        let event = format!("event: {kind}\ndata: {fields}\n\n");
        self.waiting.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
        if self.waiting.len() > 32 << 10 { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Cut> {
        let waiting = std::mem::take(&mut self.waiting);
        Ok(self.stream.write_all(&waiting).await?)
    }

    async fn message(&mut self, count: usize, delta: &str, pause: Option<Duration>) -> Result<(), Cut> {
        let item = |text: &str| {
            let content = json!([{ "type": "output_text", "text": text }]);
            json!({ "item": { "type": "message", "role": "assistant", "id": "m", "content": content } })
        };
        self.event("response.output_item.added", item("")).await?;
        for _ in 0..count {
            if let Some(pause) = pause {
                self.flush().await?;
                tokio::time::sleep(pause).await;
            }
            self.event("response.output_text.delta", json!({ "item_id": "m", "delta": delta })).await?;
        }
        self.event("response.output_item.done", item(&delta.repeat(count))).await
    }

    async fn command(&mut self, number: u64, command: &str) -> Result<(), Cut> {
        let arguments = json!({ "cmd": command, "login": false, "yield_time_ms": 30_000 }).to_string();
        let item = json!({
            "type": "function_call", "id": format!("fc_{number}"), "call_id": format!("call_{number}"),
            "name": "exec_command", "arguments": arguments,
        });
        self.event("response.output_item.done", json!({ "item": item })).await
    }

    async fn end(mut self, how: &str, mut response: Value) -> Result<(), Cut> {
        response["id"] = "r".into();
        self.event(&format!("response.{how}"), json!({ "response": response })).await?;
        self.waiting.extend_from_slice(b"0\r\n\r\n");
        self.flush().await
    }

    /// Waits until the host gives up.
    async fn silence(mut self) -> Result<(), Cut> {
        self.flush().await?;
        let mut nothing = [0; 1];
        while self.stream.read(&mut nothing).await? > 0 {}
        Err(Cut)
    }
}
