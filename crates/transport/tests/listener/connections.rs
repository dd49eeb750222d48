//! The handshake and its limits, what a connection may carry, and how it ends.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pretty_assertions::assert_eq;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{LIMIT, Server, UPGRADE, settings, tcp};

const MIB: usize = 1024 * 1024;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(server: &Server) -> Socket {
    connect_async(server.address.to_string()).await.unwrap().0
}

async fn echo(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
    assert_eq!(hear(socket).await, Message::text(text));
}

pub(crate) async fn hear(socket: &mut Socket) -> Message {
    tokio::time::timeout(LIMIT, socket.next()).await.unwrap().unwrap().unwrap()
}

/// The close frame that comes next.
async fn farewell(socket: &mut Socket) -> (u16, String) {
    let Message::Close(Some(CloseFrame { code, reason })) = hear(socket).await else { panic!("a close frame") };
    (code.into(), reason.to_string())
}

/// Sends a frame. All of it is taken, whatever becomes of it: a client that is cut off while it writes does not
/// come to read why.
async fn send(socket: &mut Socket, frame: Frame) {
    tokio::time::timeout(LIMIT, socket.send(Message::Frame(frame))).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_visitor_that_says_nothing_or_too_little_is_gone_after_five_seconds() {
    let server = tcp(settings()).await;
    for beginning in ["", "GET / HTTP/1.1\r\nHost: lo", &format!("GET / HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}")] {
        let mut stream = TcpStream::connect(server.socket_address()).await.unwrap();
        let start = Instant::now();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0, "{beginning:?}");
        let taken = start.elapsed();
        assert!((5000..5100).contains(&taken.as_millis()), "{taken:?} for {beginning:?}");
    }
}

#[tokio::test]
async fn a_head_of_more_than_16_kib_is_refused() {
    let server = tcp(settings()).await;
    let header = |bytes: usize| format!("X-Long: {}\r\n", "x".repeat(bytes));
    assert_eq!(server.status("GET /healthz", &header(15 * 1024)).await, 200);
    assert_eq!(server.status("GET /healthz", &header(17 * 1024)).await, 431);
}

#[tokio::test]
async fn no_deadline_is_left_on_a_connection_that_got_in() {
    let server = tcp(settings()).await;
    let mut socket = open(&server).await;
    echo(&mut socket, "{}").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600)).await;
    tokio::time::resume();
    echo(&mut socket, "{}").await;
}

#[tokio::test]
async fn a_listener_that_stops_takes_nobody_and_leaves_those_alone_that_are_there() {
    let server = tcp(settings()).await;
    let mut socket = open(&server).await;
    echo(&mut socket, "before").await;
    server.stop();
    let refused = async {
        while TcpStream::connect(server.socket_address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, refused).await.unwrap();
    echo(&mut socket, "after").await;
}

#[tokio::test]
async fn a_frame_of_70_mb_is_answered_with_1009() {
    let server = tcp(settings()).await;
    let mut socket = open(&server).await;
    let frame = Frame::message(vec![b'x'; 70 * MIB], OpCode::Data(Data::Text), true);
    send(&mut socket, frame).await;
    assert_eq!(farewell(&mut socket).await, (1009, "a frame may have 16777216 bytes at most".to_owned()));
}

#[tokio::test]
async fn a_message_of_70_mb_in_small_frames_is_answered_with_1009() {
    let server = tcp(settings()).await;
    let mut socket = open(&server).await;
    for number in 0..5 {
        let kind = if number == 0 { Data::Text } else { Data::Continue };
        send(&mut socket, Frame::message(vec![b'x'; 14 * MIB], OpCode::Data(kind), number == 4)).await;
    }
    assert_eq!(farewell(&mut socket).await, (1009, "a message may have 67108864 bytes at most".to_owned()));
}

#[tokio::test]
async fn what_is_within_the_limits_gets_through() {
    let server = tcp(settings()).await;
    let mut socket = open(&server).await;
    echo(&mut socket, &"x".repeat(16 * MIB)).await;
}

#[tokio::test]
async fn a_text_frame_that_is_not_utf_8_is_answered_with_1007() {
    let server = tcp(settings()).await;
    let mut socket = open(&server).await;
    send(&mut socket, Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true)).await;
    assert_eq!(farewell(&mut socket).await, (1007, "a text frame is not UTF-8".to_owned()));
}

#[tokio::test]
async fn a_frame_against_the_rules_is_answered_with_1002() {
    let server = tcp(settings()).await;
    let mut socket = open(&server).await;
    send(&mut socket, Frame::message(b"{}".to_vec(), OpCode::Data(Data::Continue), true)).await;
    assert_eq!(farewell(&mut socket).await.0, 1002);
}

#[tokio::test]
async fn whoever_closes_first_is_answered_with_the_same_code() {
    let server = tcp(settings()).await;
    for farewell in [None, Some(CloseFrame { code: 1000.into(), reason: "done".into() })] {
        let mut socket = open(&server).await;
        echo(&mut socket, "text").await;
        socket.send(Message::Close(farewell.clone())).await.unwrap();
        let Message::Close(answer) = hear(&mut socket).await else { panic!("a close frame") };
        assert_eq!(answer.map(|frame| frame.code), farewell.map(|frame| frame.code));
        assert!(tokio::time::timeout(LIMIT, socket.next()).await.unwrap().is_none(), "and no reset");
    }
}

#[tokio::test]
async fn binary_frames_are_dropped_and_pings_are_answered() {
    let server = tcp(settings()).await;
    let mut socket = open(&server).await;
    socket.send(Message::binary(b"{}".to_vec())).await.unwrap();
    echo(&mut socket, "text").await;
    socket.send(Message::Ping(b"there?".to_vec().into())).await.unwrap();
    assert_eq!(hear(&mut socket).await, Message::Pong(b"there?".to_vec().into()));
}
