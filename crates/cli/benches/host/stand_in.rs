//! Hosts that this program plays itself, in a process of its own, to learn what it could measure at most: one that
//! passes the backend's events on without reading them, and one that has all its answers before it is asked, over stdio or
//! as an app server that `valet run` starts.

use std::io::{BufRead, BufReader, Read, StdinLock, StdoutLock, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::Context;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;
use valet_protocol::jsonrpc::{Message, write_notification, write_response};

/// The first argument of one that is a relay; the second is the backend's address, `HOST:PORT`.
pub(crate) const RELAY: &str = "relay";
/// The first argument of one that has all answers; the second is how many deltas it tells in a turn.
pub(crate) const READY: &str = "ready";

/// How many deltas a turn of the one has that `valet run` starts.
pub(crate) const DELTAS: usize = 400_000;

/// What `valet run` starts begins with this.
const APP_SERVER: &str = "app-server";

const DELTA: &str = "item/agentMessage/delta";

/// Plays a host if the arguments say so; returns whether they did.
pub(crate) fn play() -> anyhow::Result<bool> {
    let mut arguments = std::env::args().skip(1);
    let (Some(role), Some(what)) = (arguments.next(), arguments.next()) else { return Ok(false) };
    match role.as_str() {
        RELAY => serve(|stdout| relay(&what, stdout))?,
        READY => {
            let delta = json!({ "threadId": "thread", "turnId": "turn", "itemId": "item", "delta": "word " });
            let line = [write_notification(DELTA, Some(&delta), Some(0))?, b"\n".to_vec()].concat();
            // A pipe takes 64 KiB at a time.
            let (count, lines) = (what.parse::<usize>()?, line.repeat((64 << 10) / line.len()));
            serve(|stdout| {
                let mut rest = count * line.len();
                while rest > 0 {
                    stdout.write_all(&lines[..rest.min(lines.len())])?;
                    rest -= rest.min(lines.len());
                }
                Ok(())
            })?;
        }
        APP_SERVER => listen()?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Listens on a websocket, as an app server does, for clients without end.
fn listen() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut stderr = std::io::stderr();
    writeln!(stderr, "listening on: ws://{}", listener.local_addr()?)?;
    // Its end is the end of its starter's.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    loop {
        let stream = listener.accept()?.0;
        std::thread::spawn(move || converse(stream));
    }
}

fn converse(stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut socket = tungstenite::accept(stream)?;
    let delta = json!({ "threadId": "thread", "turnId": "turn", "itemId": "item", "delta": "word " });
    let delta = write_notification(DELTA, Some(&delta), Some(0))?;
    // A frame that is longer than 125 bytes has its length in two more.
    let frame = [&[0x81, 126], &u16::try_from(delta.len())?.to_be_bytes()[..], &delta].concat();
    anyhow::ensure!(delta.len() > 125, "a short frame has another head");
    let frames = frame.repeat(500);
    let completed = json!({ "threadId": "thread", "turn": state("completed") });
    let completed = String::from_utf8(write_notification("turn/completed", Some(&completed), Some(0))?)?;
    loop {
        let data = socket.read()?.into_data();
        let Message::Request { id, method, .. } = Message::parse(&data)? else { continue };
        let result = match &*method {
            "initialize" => json!({ "userAgent": "", "codexHome": "", "platformFamily": "", "platformOs": "" }),
            "account/login/start" => json!({ "type": "chatgptAuthTokens" }),
            "turn/start" => json!({ "turn": state("inProgress") }),
            _ => json!({ "data": [], "nextCursor": null }),
        };
        socket.send(tungstenite::Message::text(String::from_utf8(write_response(&id, &result)?)?))?;
        if method == "turn/start" {
            for _ in 0..DELTAS / 500 {
                socket.get_mut().write_all(&frames)?;
            }
            socket.send(tungstenite::Message::text(completed.clone()))?;
        }
    }
}

/// Answers until stdin ends. A turn is what `turn` writes.
fn serve(mut turn: impl FnMut(&mut StdoutLock<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut stdin: BufReader<StdinLock<'_>> = BufReader::with_capacity(64 << 10, std::io::stdin().lock());
    let (mut stdout, mut line, mut answers) = (std::io::stdout().lock(), Vec::new(), Vec::new());
    let running = json!({ "turn": state("inProgress") });
    let completed = json!({ "threadId": "thread", "turn": state("completed") });
    let begun = json!({ "userAgent": "", "codexHome": "", "platformFamily": "", "platformOs": "" });
    let nothing = RawValue::from_string("{\"data\":[],\"nextCursor\":null}".to_owned())?;
    loop {
        line.clear();
        if stdin.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if let Message::Request { id, method, .. } = Message::parse(&line)? {
            let mut answer = |answer: Vec<u8>| {
                answers.extend_from_slice(&answer);
                answers.push(b'\n');
            };
            match &*method {
                "initialize" => answer(write_response(&id, &begun)?),
                "turn/start" => {
                    answer(write_response(&id, &running)?);
                    stdout.write_all(&std::mem::take(&mut answers))?;
                    turn(&mut stdout)?;
                    answers =
                        [write_notification("turn/completed", Some(&completed), Some(0))?, b"\n".to_vec()].concat();
                }
                _ => answer(write_response(&id, &nothing)?),
            }
        }
        // Those who asked together are answered together.
        if stdin.buffer().is_empty() {
            stdout.write_all(&answers)?;
            stdout.flush()?;
            answers.clear();
        }
    }
}

/// A turn that stands so.
fn state(status: &str) -> Value {
    json!({
        "id": "turn", "rootTurnId": null, "items": [], "itemsView": "notLoaded", "status": status, "error": null,
        "startedAt": null, "completedAt": null, "durationMs": null,
    })
}

/// Asks the backend, and passes the data of its events on, each in an envelope around bytes that nobody looks at.
fn relay(backend: &str, stdout: &mut StdoutLock<'_>) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(backend)?;
    let request = "POST /v1/responses HTTP/1.1\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::with_capacity(256 << 10, stream);
    let (mut line, mut length) = (Vec::new(), 0);
    while line != b"\r\n" {
        line.clear();
        reader.read_until(b'\n', &mut line)?;
        if let Some(value) = line.strip_prefix(b"content-length: ") {
            length = std::str::from_utf8(value)?.trim().parse().context("a length")?;
        }
    }
    let (mut events, mut lines) = (reader.take(length), Vec::with_capacity(512 << 10));
    loop {
        line.clear();
        if events.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if let Some(data) = line.trim_ascii_end().strip_prefix(b"data: ") {
            let envelope: [&[u8]; 4] = [b"{\"method\":\"", DELTA.as_bytes(), b"\",\"params\":", data];
            envelope.iter().for_each(|part| lines.extend_from_slice(part));
            lines.extend_from_slice(b"}\n");
        }
        // What came together goes on together.
        if events.get_ref().buffer().is_empty() {
            stdout.write_all(&lines)?;
            stdout.flush()?;
            lines.clear();
        }
    }
    stdout.write_all(&lines)?;
    Ok(stdout.flush()?)
}
