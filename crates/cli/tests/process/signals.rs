//! What a listener does when it is asked to end.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pretty_assertions::assert_eq;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Child;
use tokio_tungstenite::tungstenite::Message;
use valet_sim::{Chunks, Response, Rule, Script, Sim};

use crate::support::{self, Socket, home, signal};

const LIMIT: Duration = Duration::from_secs(20);

/// A turn of a quarter of a second, and one that does not end by itself.
fn script() -> Script {
    let short = Response::new().chunks(Chunks::repeat("w ", 25).every(Duration::from_millis(10)));
    let endless = Response::new().chunks(Chunks::repeat("w ", 60_000).every(Duration::from_millis(5)));
    Script::new().rule(Rule::when("short").respond(short)).rule(Rule::always().respond(endless))
}

struct Server {
    child: Child,
    address: String,
    socket: Socket,
    _home: TempDir,
}

impl Server {
    /// A host with a turn that streams.
    async fn start(sim: &Sim, args: &[&str], text: &str) -> Self {
        let home = home(sim);
        let (child, address) = support::listening(home.path(), args).await;
        let socket = support::socket(&address).await;
        let mut server = Self { child, address, socket, _home: home };
        server.ask(json!({ "clientInfo": { "name": "t", "version": "1" } }), "initialize").await;
        server.ask(json!({ "type": "apiKey", "apiKey": "sk-1" }), "account/login/start").await;
        let thread = server.ask(json!({}), "thread/start").await["result"]["thread"]["id"].clone();
        server.ask(json!({ "threadId": thread, "input": [{ "type": "text", "text": text }] }), "turn/start").await;
        server.until("item/agentMessage/delta").await;
        server
    }

    async fn ask(&mut self, params: Value, method: &str) -> Value {
        let request = json!({ "id": method, "method": method, "params": params });
        self.socket.send(Message::text(request.to_string())).await.unwrap();
        loop {
            let message = self.next().await.expect("the connection stands");
            if message["id"] == method {
                return message;
            }
        }
    }

    /// The next message; none when the connection is closed.
    async fn next(&mut self) -> Option<Value> {
        match tokio::time::timeout(LIMIT, self.socket.next()).await.expect("a message in time")? {
            Ok(Message::Text(text)) => Some(serde_json::from_str(&text).unwrap()),
            Ok(Message::Close(_)) => None,
            other => panic!("{other:?}"),
        }
    }

    async fn until(&mut self, method: &str) -> Value {
        loop {
            let message = self.next().await.expect("the connection stands");
            if message["method"] == method {
                return message["params"].clone();
            }
        }
    }

    fn signal(&self, wish: Signal) {
        signal(self.child.id().unwrap(), wish);
    }

    /// Reads to the end. Returns the status of the turn, the close code and the exit code.
    async fn ended(&mut self) -> (Option<Value>, Option<u16>, Option<i32>) {
        let (mut status, mut code) = (None, None);
        while let Some(message) = tokio::time::timeout(LIMIT, self.socket.next()).await.expect("an end in time") {
            match message {
                Ok(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["method"] == "turn/completed" {
                        assert_eq!(status.replace(message["params"]["turn"]["status"].clone()), None);
                    }
                }
                Ok(Message::Close(frame)) => code = frame.map(|frame| frame.code.into()),
                other => panic!("{other:?}"),
            }
        }
        let exit = tokio::time::timeout(LIMIT, self.child.wait()).await.expect("an end in time").unwrap();
        (status, code, exit.code())
    }
}

#[tokio::test]
async fn t_4_t_5_a_sigterm_lets_the_turn_finish_and_closes_with_1001_each_time() {
    let sim = Sim::start(script()).await.unwrap();
    for _ in 0..support::long(5, 100) {
        let mut server = Server::start(&sim, &[], "short").await;
        server.signal(Signal::TERM);
        assert_eq!(server.ended().await, (Some(json!("completed")), Some(1001), Some(0)));
    }
}

#[tokio::test]
async fn a_draining_host_takes_connections_and_says_that_it_is_not_ready() {
    let sim = Sim::start(script()).await.unwrap();
    let mut server = Server::start(&sim, &[], "endless").await;
    assert_eq!(support::http_status(&server.address, "/readyz").await, 200);
    server.signal(Signal::TERM);
    let refused = loop {
        let answer = server.ask(json!({}), "thread/start").await;
        if !answer["error"].is_null() {
            break answer["error"].clone();
        }
    };
    assert_eq!(refused["message"], "Server is draining; retry after reconnecting");
    assert_eq!(support::http_status(&server.address, "/readyz").await, 503);
    assert_eq!(support::http_status(&server.address, "/healthz").await, 200);
    let mut newcomer = support::socket(&server.address).await;
    newcomer.close(None).await.unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, (Some(json!("interrupted")), Some(1001), Some(0)));
}

#[tokio::test]
async fn at_the_drain_limit_the_turn_is_interrupted_and_told() {
    let sim = Sim::start(script()).await.unwrap();
    let mut server = Server::start(&sim, &["--drain-timeout", "1"], "endless").await;
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, (Some(json!("interrupted")), Some(1001), Some(0)));
}

#[tokio::test]
async fn t_5_a_sighup_asks_for_a_restart_and_closes_with_1012() {
    let sim = Sim::start(script()).await.unwrap();
    let mut server = Server::start(&sim, &[], "short").await;
    server.signal(Signal::HUP);
    assert_eq!(server.ended().await, (Some(json!("completed")), Some(1012), Some(0)));
}

#[tokio::test]
async fn a_listener_without_connections_and_turns_ends_when_it_was_told_to() {
    let sim = Sim::start(script()).await.unwrap();
    let mut server = Server::start(&sim, &["--exit-when-idle", "2"], "short").await;
    server.until("turn/completed").await;
    let early = tokio::time::timeout(Duration::from_millis(2500), server.child.wait()).await;
    assert!(early.is_err(), "somebody is connected");
    server.socket.close(None).await.unwrap();
    let exit = tokio::time::timeout(LIMIT, server.child.wait()).await.expect("an end in time").unwrap();
    assert_eq!(exit.code(), Some(0));
}
