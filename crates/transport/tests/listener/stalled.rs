//! A reader that stalls past its byte budget: what it finds when it comes back, and what others notice of it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use pretty_assertions::assert_eq;
use tokio::time::{advance, pause, resume, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use valet_transport::listener::{Endpoint, Listener, Settings, listen};
use valet_transport::{Link, OutboxLimits};

use crate::connections::{Socket, hear};
use crate::support::{LIMIT, settings};

const BUDGET: usize = 256 * 1024;
const PIECE: usize = 32 * 1024;

/// A listener, a connection whose reader stalls, and one that is read.
struct Stall {
    _listener: Listener,
    stalled: (Socket, Link),
    other: (Socket, Link),
}

async fn open(listener: &mut Listener) -> (Socket, Link) {
    let (socket, _) = connect_async(listener.address.to_string()).await.unwrap();
    (socket, timeout(LIMIT, listener.accepted.recv()).await.unwrap().unwrap())
}

fn piece(number: usize) -> String {
    format!("{number:0PIECE$}")
}

impl Stall {
    /// Sends to both until the one that does not read is over its budget.
    async fn happens() -> Self {
        let outbox = OutboxLimits { crowded_bytes: BUDGET / 2, bytes: BUDGET };
        let settings = Settings { outbox, ..settings() };
        let mut listener = listen(Endpoint::Tcp("127.0.0.1:0".parse().unwrap()), settings).await.unwrap();
        let (stalled, other) = (open(&mut listener).await, open(&mut listener).await);
        let mut stall = Self { _listener: listener, stalled, other };
        let overloaded = stall.stalled.1.outbox.clone();
        let send = async {
            for number in 0.. {
                stall.stalled.1.outbox.push(Bytes::from(piece(number)));
                stall.others_are_served().await;
            }
        };
        tokio::select! {
            () = send => unreachable!("it goes on until the reader is over its budget"),
            ended = timeout(LIMIT, overloaded.done()) => ended.unwrap(),
        }
        stall.others_are_served().await;
        stall
    }

    async fn others_are_served(&mut self) {
        let (socket, link) = &mut self.other;
        link.outbox.push(Bytes::from_static(b"{}"));
        assert_eq!(hear(socket).await, Message::text("{}"));
    }

    /// The reader comes back after this time, and reads to the end: whole pieces, without a gap, then the reason.
    async fn reads_after(mut self, time: Duration) -> Option<CloseFrame> {
        pause();
        advance(time).await;
        resume();
        self.others_are_served().await;
        let mut next = 0;
        while let Some(Ok(message)) = timeout(LIMIT, self.stalled.0.next()).await.unwrap() {
            match message {
                Message::Text(text) => assert!(text.as_str() == piece(next), "piece {next} is whole"),
                Message::Close(reason) => return reason,
                other => unreachable!("{other:?}"),
            }
            next += 1;
        }
        assert!(next > 0, "what the system holds is read");
        None
    }
}

#[tokio::test]
async fn t_5_a_reader_that_stalled_past_its_budget_and_comes_back_reads_what_came_before_and_then_1013() {
    let reason = Stall::happens().await.reads_after(Duration::from_secs(20)).await.unwrap();
    assert_eq!((u16::from(reason.code), reason.reason.as_str()), (1013, "the reader stalled past its byte budget"));
}

#[tokio::test]
async fn t_5_a_reader_that_comes_back_too_late_finds_no_reason() {
    assert_eq!(Stall::happens().await.reads_after(Duration::from_secs(31)).await, None);
}
