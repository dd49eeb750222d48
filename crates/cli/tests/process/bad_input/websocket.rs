//! Frames that no good client sends.

use futures_util::{SinkExt, StreamExt};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use super::host::Host;

const REQUEST: &str = r#"{"id":"é","method":"thread/loaded/list","params":{}}"#;

impl Host {
    /// Sends one raw frame.
    pub(crate) async fn frame(&mut self, payload: &[u8], opcode: OpCode, last: bool) {
        let header = FrameHeader { opcode, is_final: last, ..FrameHeader::default() };
        let frame = Frame::from_payload(header, payload.to_vec().into());
        self.socket().send(Message::Frame(frame)).await.unwrap();
    }
}

#[tokio::test]
async fn a_binary_frame_is_dropped_and_logged_with_its_length() {
    let mut host = Host::over_a_socket(&json!({ "valet": { "parseErrors": true } })).await;
    host.socket().send(Message::binary(REQUEST)).await.unwrap();
    let line = host.logged("a binary frame is dropped").await;
    assert!(line.contains(&format!("bytes={}", REQUEST.len())), "{line}");
    assert_eq!(host.still_works().await, [] as [Value; 0]);
}

#[tokio::test]
async fn two_lines_in_one_frame_are_no_message() {
    let mut host = Host::over_a_socket(&Value::Null).await;
    host.send(format!("{REQUEST}\n{REQUEST}").as_bytes()).await;
    assert_eq!(host.still_works().await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_text_in_many_frames_is_put_together_even_from_half_letters_and_around_a_ping() {
    let mut host = Host::over_a_socket(&Value::Null).await;
    let bytes = REQUEST.as_bytes();
    for (index, byte) in bytes.chunks(1).enumerate() {
        let kind = if index == 0 { Data::Text } else { Data::Continue };
        host.frame(byte, OpCode::Data(kind), index + 1 == bytes.len()).await;
        if index % 10 == 0 {
            host.frame(b"still there?", OpCode::Control(Control::Ping), true).await;
        }
    }
    host.frame(b"", OpCode::Data(Data::Text), true).await;
    assert_eq!(host.answer().await["id"], "é");
    assert_eq!(host.still_works().await, [] as [Value; 0]);
}

#[tokio::test]
async fn text_that_is_not_utf_8_ends_the_connection_and_a_new_one_works() {
    for (payload, last) in [(&b"{\"id\":1,\"method\":\"\xff\"}"[..], true), (b"\xc3\x28", false)] {
        let mut host = Host::over_a_socket(&Value::Null).await;
        host.frame(payload, OpCode::Data(Data::Text), last).await;
        while host.next().await.is_some() {}
        assert_eq!(host.again().await.still_works().await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn frames_against_the_rules_end_the_connection_and_a_new_one_works() {
    let reserved = OpCode::Data(Data::Reserved(5));
    for (opcode, last) in
        [(OpCode::Data(Data::Continue), true), (reserved, true), (OpCode::Control(Control::Ping), false)]
    {
        let mut host = Host::over_a_socket(&Value::Null).await;
        host.frame(b"x", opcode, last).await;
        while host.next().await.is_some() {}
        assert_eq!(host.again().await.still_works().await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn half_a_message_before_the_end_of_a_connection_hurts_nobody() {
    let mut host = Host::over_a_socket(&Value::Null).await;
    host.frame(br#"{"id":1,"met"#, OpCode::Data(Data::Text), false).await;
    // The old socket is dropped without a word.
    assert_eq!(host.again().await.still_works().await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_flood_of_pings_whose_answers_nobody_reads_costs_no_memory_and_the_last_one_is_answered() {
    const PINGS: u32 = 50_000;
    let mut host = Host::over_a_socket(&Value::Null).await;
    #[cfg(target_os = "linux")]
    let (before, _) = host.memory();
    for number in 0..PINGS {
        // As long as a ping may be.
        let mut payload = [b'p'; 125];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        host.socket().feed(Message::Ping(payload.to_vec().into())).await.unwrap();
    }
    host.socket().flush().await.unwrap();
    let mut last = None;
    while last != Some(PINGS - 1) {
        let Some(Ok(message)) = host.socket().next().await else { panic!("the connection ended after {last:?}") };
        if let Message::Pong(payload) = message {
            let number = u32::from_be_bytes(payload[..4].try_into().unwrap());
            assert!(last.is_none_or(|last| last < number), "{number} after {last:?}");
            last = Some(number);
        }
    }
    assert_eq!(host.still_works().await, [] as [Value; 0]);
    #[cfg(target_os = "linux")]
    {
        let (_, most) = host.memory();
        assert!(most < before + 16, "{before} MiB before, {most} MiB at most");
    }
}
