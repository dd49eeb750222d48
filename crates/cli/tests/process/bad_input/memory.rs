//! The longest messages, and longer ones: what they cost while they are read, and that it is given back.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use valet_transport::lines::MAX_LINE_BYTES;

use super::host::Host;

/// A request of exactly so many bytes.
fn request_of(bytes: usize) -> Vec<u8> {
    let (head, tail) = (br#"{"id":"long","method":"thread/loaded/list","params":{"pad":""#, br#""}}"#);
    [&head[..], &vec![b'x'; bytes - head.len() - tail.len()], tail].concat()
}

/// What 64 MiB may cost while they are read, and what may be left of it afterwards, in MiB: the text itself and a
/// frame of it, then the buffer of a frame.
const WHILE_READ: u64 = 64 + 32;
const AFTERWARDS: u64 = 24;

#[tokio::test]
async fn the_longest_line_is_served_in_bounded_memory_that_is_given_back() {
    let mut host = Host::over_pipes(&Value::Null).await;
    let (before, _) = host.memory();
    host.send(&request_of(MAX_LINE_BYTES)).await;
    assert_eq!(host.answer().await["id"], "long");
    assert_eq!(host.still_works().await, [] as [Value; 0]);
    let (after, most) = host.memory();
    assert!(most < before + WHILE_READ && after < before + AFTERWARDS, "{before}, {most}, then {after} MiB");
}

#[tokio::test]
async fn the_longest_message_of_frames_is_served_in_bounded_memory_that_is_given_back() {
    let mut host = Host::over_a_socket(&Value::Null).await;
    let (before, _) = host.memory();
    let text = request_of(64 * 1024 * 1024);
    let mut frames = text.chunks(16 * 1024 * 1024).peekable();
    let mut kind = Data::Text;
    while let Some(frame) = frames.next() {
        host.frame(frame, OpCode::Data(kind), frames.peek().is_none()).await;
        kind = Data::Continue;
    }
    assert_eq!(host.answer().await["id"], "long");
    assert_eq!(host.still_works().await, [] as [Value; 0]);
    let (after, most) = host.memory();
    assert!(most < before + WHILE_READ && after < before + AFTERWARDS, "{before}, {most}, then {after} MiB");
}

#[tokio::test]
async fn a_line_past_the_limit_is_no_message_and_costs_no_more_than_the_limit() {
    let mut host = Host::over_pipes(&json!({ "valet": { "parseErrors": true } })).await;
    let (before, _) = host.memory();
    let line = request_of(70_000_000);
    host.send(&line).await;
    assert_eq!(host.answer().await, json!({ "id": null, "error": { "code": -32700, "message": "Parse error" } }));
    let logged = host.logged("a line is too long").await;
    assert!(logged.contains(&format!("bytes={} limit={MAX_LINE_BYTES}", line.len())), "{logged}");
    assert!(host.logged("a text is no message").await.contains(" count=1 "));
    assert_eq!(host.still_works().await, [] as [Value; 0]);
    let (after, most) = host.memory();
    assert!(most < before + WHILE_READ && after < before + AFTERWARDS, "{before}, {most}, then {after} MiB");
}
