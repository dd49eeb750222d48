//! One connection to a host: what is said on it, and what came, in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything awaited may take. The longest that a host waits for its parent is ten seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Connection {
    writer: Writer,
    incoming: mpsc::UnboundedReceiver<Message>,
    /// All that came.
    pub(crate) came: Vec<Message>,
    /// Which of it a step has waited for.
    taken: Vec<bool>,
    /// Answers to requests of the host, by method.
    standing: BTreeMap<String, Value>,
}

enum Writer {
    Pipe(ChildStdin),
    /// With whether the client has closed it.
    Socket(SplitSink<WebSocketStream<MaybeTlsStream<TcpStream>>, Frame>, Arc<AtomicBool>),
    Closed,
}

pub(crate) struct Message {
    pub(crate) value: Value,
    /// The names of its members, as they came.
    pub(crate) order: Vec<String>,
}

impl Message {
    fn read(text: &str) -> Self {
        let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else {
            return Self { value: json!({ "notAMessage": text }), order: Vec::new() };
        };
        let mut order: Vec<_> =
            members.iter().map(|(name, value)| (value.get().as_ptr() as usize, name.clone())).collect();
        order.sort();
        Self { value: serde_json::from_str(text).unwrap(), order: order.into_iter().map(|(_, name)| name).collect() }
    }
}

impl Connection {
    pub(crate) fn pipes(stdin: ChildStdin, stdout: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, incoming) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if sender.send(Message::read(&line)).is_err() {
                    return;
                }
            }
        });
        Self { writer: Writer::Pipe(stdin), incoming, came: Vec::new(), taken: Vec::new(), standing: BTreeMap::new() }
    }

    /// A websocket, or what the listener answered instead.
    pub(crate) async fn socket(url: &str, headers: &BTreeMap<String, String>) -> Result<Self, Value> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await.map_err(|error| match error {
            Error::Http(answer) => {
                let body = answer.body().as_deref().map(String::from_utf8_lossy);
                json!({ "status": answer.status().as_u16(), "body": body })
            }
            error => json!({ "failed": error.to_string() }),
        })?;
        let (sink, mut stream) = socket.split();
        let (sender, incoming) = mpsc::unbounded_channel();
        let left = Arc::new(AtomicBool::new(false));
        let has_left = Arc::clone(&left);
        tokio::spawn(async move {
            while let Some(frame) = stream.next().await {
                let message = match frame {
                    Ok(Frame::Text(text)) => Message::read(&text),
                    // An answer to the client's own, which says nothing.
                    Ok(Frame::Close(_)) if has_left.load(Ordering::Relaxed) => return,
                    Ok(Frame::Close(close)) => {
                        let code = close.map(|close| u16::from(close.code));
                        Message { value: json!({ "closed": code }), order: Vec::new() }
                    }
                    Ok(_) => continue,
                    Err(_) => return,
                };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            writer: Writer::Socket(sink, left),
            incoming,
            came: Vec::new(),
            taken: Vec::new(),
            standing: BTreeMap::new(),
        })
    }

    /// Says it, if the host still listens.
    pub(crate) async fn send(&mut self, text: &str) {
        match &mut self.writer {
            Writer::Pipe(stdin) => {
                let _ = stdin.write_all(format!("{text}\n").as_bytes()).await;
                let _ = stdin.flush().await;
            }
            Writer::Socket(sink, _) => {
                let _ = sink.send(Frame::text(text)).await;
            }
            Writer::Closed => {}
        }
    }

    /// Closes the client's side. A host that has closed its own is done with this connection.
    pub(crate) async fn close(&mut self) {
        if let Writer::Socket(sink, left) = &mut self.writer {
            left.store(true, Ordering::Relaxed);
            let _ = sink.close().await;
            self.writer = Writer::Closed;
            let _ = tokio::time::timeout(PATIENCE, self.drain()).await;
        }
        self.writer = Writer::Closed;
    }

    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.writer, Writer::Closed) && !self.incoming.is_closed()
    }

    /// The first message that fits and that no earlier step has taken.
    pub(crate) async fn take(&mut self, fits: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let mut seen = 0;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            while seen < self.came.len() {
                if !self.taken[seen] && fits(&self.came[seen].value) {
                    self.taken[seen] = true;
                    return Ok(self.came[seen].value.clone());
                }
                seen += 1;
            }
            match tokio::time::timeout_at(deadline, self.incoming.recv()).await {
                Ok(Some(message)) => self.accept(message).await,
                Ok(None) => return Err("the connection ended".to_owned()),
                Err(_) => return Err("nothing more came".to_owned()),
            }
        }
    }

    /// Takes in what comes until the connection ends.
    pub(crate) async fn drain(&mut self) {
        while let Some(message) = self.incoming.recv().await {
            self.accept(message).await;
        }
    }

    /// Takes in what comes until nothing has come for this long.
    pub(crate) async fn quiet(&mut self, pause: Duration) {
        while let Ok(Some(message)) = tokio::time::timeout(pause, self.incoming.recv()).await {
            self.accept(message).await;
        }
    }

    /// Answers each request of a method from now on.
    pub(crate) fn answer_always(&mut self, method: &str, answer: Value) {
        self.standing.insert(method.to_owned(), answer);
    }

    async fn accept(&mut self, message: Message) {
        let answer = message.value["method"].as_str().and_then(|method| self.standing.get(method)).cloned();
        if let Some((mut answer, id)) = answer.zip(message.value.get("id")) {
            answer["id"] = id.clone();
            self.send(&answer.to_string()).await;
        }
        self.came.push(message);
        self.taken.push(false);
    }
}
