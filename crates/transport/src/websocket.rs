//! A connection that got in: one JSON text per text frame, and an end that says why.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite;

use crate::inbox::Inlet;
use crate::link::{Close, Link, link};
use crate::outbox::{OutboxLimits, Outlet};

/// What a client may send in one frame.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;
/// What a message may come to, in however many frames.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// The library's own 128 KiB would be most of what an idle connection costs.
const READ_BUFFER_BYTES: usize = 8 * 1024;
/// How long the end of a connection may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The same for a reader that has stalled: what it was sent before stands between it and the reason.
const LATE_READER: Duration = Duration::from_secs(30);

/// Sets the limits of a connection.
pub(crate) fn limit(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade.read_buffer_size(READ_BUFFER_BYTES).max_frame_size(MAX_FRAME_BYTES).max_message_size(MAX_MESSAGE_BYTES)
}

/// The transport's end of a link.
pub(crate) struct Connection {
    socket: WebSocket,
    inlet: Inlet,
    outlet: Outlet,
}

/// Makes a link of a socket.
pub(crate) fn connection(socket: WebSocket, limits: OutboxLimits) -> (Connection, Link) {
    let (link, inlet, outlet) = link(limits);
    (Connection { socket, inlet, outlet }, link)
}

impl Connection {
    /// Carries messages until either side ends.
    pub(crate) async fn run(self) {
        let Self { socket, inlet, outlet } = self;
        let (sink, stream) = socket.split();
        let (refuse, refused) = oneshot::channel();
        let mut writer = tokio::spawn(write(sink, outlet, refused));
        tokio::select! {
            refusal = read(stream, inlet) => if let Some(refusal) = refusal {
                let _ = refuse.send(refusal);
            },
            // The last word was written; whether the other side answers it is its own affair.
            _ = &mut writer => return,
        }
        // The user of the link closes it when it has read everything; only then is the writer done.
        if tokio::time::timeout(LAST_WORDS, &mut writer).await.is_err() {
            writer.abort();
        }
    }
}

/// Reads until the other side ends, or sends what is refused.
async fn read(mut stream: SplitStream<WebSocket>, inlet: Inlet) -> Option<CloseFrame> {
    loop {
        match stream.next().await? {
            Ok(Message::Text(text)) => inlet.send(Bytes::from(text)).await.ok()?,
            Ok(Message::Binary(data)) => tracing::warn!(bytes = data.len(), "a binary frame is dropped"),
            Ok(Message::Close(_)) => return None,
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Err(error) => return refusal(error),
        }
    }
}

/// What the other side is told when it has sent what cannot be read.
fn refusal(error: axum::Error) -> Option<CloseFrame> {
    use tungstenite::error::{CapacityError, Error, ProtocolError};
    let (code, reason) = match *error.into_inner().downcast::<Error>().ok()? {
        Error::Capacity(CapacityError::MessageTooLong { max_size: MAX_FRAME_BYTES, .. }) => {
            (close_code::SIZE, format!("a frame may have {MAX_FRAME_BYTES} bytes at most"))
        }
        Error::Capacity(_) => (close_code::SIZE, format!("a message may have {MAX_MESSAGE_BYTES} bytes at most")),
        Error::Utf8(_) => (close_code::INVALID, "a text frame is not UTF-8".to_owned()),
        // It left without a word, and hears none.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return None,
        Error::Protocol(error) => (close_code::PROTOCOL, error.to_string()),
        _ => return None,
    };
    tracing::warn!(code, reason, "a connection is closed for what it sent");
    Some(CloseFrame { code, reason: reason.into() })
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut outlet: Outlet,
    mut refused: oneshot::Receiver<CloseFrame>,
) {
    let mut patience = LAST_WORDS;
    let last = loop {
        let messages = tokio::select! {
            biased;
            Ok(refusal) = &mut refused => break Some(refusal),
            messages = outlet.next() => messages,
        };
        let messages = match messages {
            Ok(messages) => messages,
            Err(reason) => {
                if reason == Close::Overloaded {
                    patience = LATE_READER;
                }
                break Some(farewell(reason));
            }
        };
        let written = async {
            for message in messages {
                let Ok(text) = Utf8Bytes::try_from(message) else { continue };
                sink.feed(Message::Text(text)).await?;
            }
            sink.flush().await
        };
        tokio::select! {
            written = written => if written.is_err() { break None },
            () = outlet.overloaded() => {}
        }
    };
    let last_words = async {
        if let Some(last) = last {
            let _ = sink.send(Message::Close(Some(last))).await;
        }
        // Whoever closed first can be sent nothing more, and that is an error above. The answer to its close frame is
        // there already, and waits for this.
        let _ = sink.flush().await;
    };
    let _ = tokio::time::timeout(patience, last_words).await;
}

fn farewell(reason: Close) -> CloseFrame {
    let (code, reason) = match reason {
        Close::ShuttingDown => (close_code::AWAY, "the host is shutting down"),
        Close::Restarting => (close_code::RESTART, "the host starts anew"),
        Close::Overloaded => (close_code::AGAIN, "the reader stalled past its byte budget"),
        Close::Gone => (close_code::NORMAL, ""),
    };
    CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
}
