//! The event stream on its way to one client: framing, buffering, pauses, cuts.
//! Which events are sent is decided in `responses` and `chat`.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use axum::body::{Body, Bytes};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{
    log::{Outcome, Ticket},
    shared::Stop,
};

/// Buffered events are handed over when they reach this many bytes, so that a long stream without
/// pauses is a few large writes.
const CHUNK: usize = 32 * 1024;

/// Chunks on the way before the writer waits for the client.
const IN_FLIGHT: usize = 4;

/// The client went away or the sim stops: nothing more can be sent.
#[derive(Debug)]
pub(crate) struct Gone;

/// The writing end.
#[derive(Debug)]
pub(crate) struct Wire {
    buffer: Vec<u8>,
    sequence: u64,
    chunks: mpsc::Sender<io::Result<Bytes>>,
    stop: Stop,
}

/// A writer and the body that its client reads.
pub(crate) fn pair(ticket: Ticket, stop: Stop) -> (Wire, Body) {
    let (chunks, receiver) = mpsc::channel(IN_FLIGHT);
    let body = Body::from_stream(stream::unfold((receiver, ticket), |(mut receiver, mut ticket)| async {
        let chunk = match receiver.recv().await {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(cut)) => {
                // One turn of the loop, in which the server flushes what came before the cut.
                tokio::task::yield_now().await;
                ticket.end(Outcome::Cut);
                Err(cut)
            }
            None => {
                ticket.end(Outcome::Finished);
                return None;
            }
        };
        Some((chunk, (receiver, ticket)))
    }));
    (Wire { buffer: Vec::new(), sequence: 0, chunks, stop }, body)
}

impl Wire {
    /// Sends an event: `fields` is an object, to which `type` and `sequence_number` are added.
    pub(crate) async fn event(&mut self, kind: &str, fields: &impl Serialize) -> Result<(), Gone> {
        // Writing to a vector cannot fail.
        let _ = write!(self.buffer, "event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{}", self.sequence);
        self.sequence += 1;
        self.splice(fields);
        self.buffer.extend_from_slice(b"\n\n");
        self.flush_if_full().await
    }

    /// Sends an event exactly as given, named by its `type`.
    pub(crate) async fn verbatim(&mut self, event: &serde_json::Value) -> Result<(), Gone> {
        let kind = event["type"].as_str().unwrap_or("message");
        self.raw(&format!("event: {kind}\ndata: {event}\n\n")).await
    }

    /// Sends bytes without framing.
    pub(crate) async fn raw(&mut self, text: &str) -> Result<(), Gone> {
        self.buffer.extend_from_slice(text.as_bytes());
        self.flush_if_full().await
    }

    /// Sends what is buffered, then waits.
    pub(crate) async fn pause(&mut self, pause: Duration) -> Result<(), Gone> {
        if pause.is_zero() {
            return Ok(());
        }
        self.flush().await?;
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.chunks.closed() => Err(Gone),
            () = self.stop.reached() => self.cut().await,
        }
    }

    /// Sends what is buffered, then breaks the connection off.
    pub(crate) async fn cut(&mut self) -> Result<(), Gone> {
        self.flush().await?;
        let _ = self.chunks.send(Err(aborted())).await;
        Err(Gone)
    }

    /// Hands over what is buffered.
    pub(crate) async fn flush(&mut self) -> Result<(), Gone> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        tokio::select! {
            sent = self.chunks.send(Ok(bytes)) => sent.map_err(|_closed| Gone),
            () = self.stop.reached() => {
                let _ = self.chunks.try_send(Err(aborted()));
                Err(Gone)
            }
        }
    }

    async fn flush_if_full(&mut self) -> Result<(), Gone> {
        if self.buffer.len() < CHUNK { Ok(()) } else { self.flush().await }
    }

    /// Appends the members of `fields` to the object that is open in the buffer, and closes it.
    fn splice(&mut self, fields: &impl Serialize) {
        let start = self.buffer.len();
        let written = serde_json::to_writer(&mut self.buffer, fields);
        match self.buffer.get(start..) {
            Some([b'{', rest, ..]) if written.is_ok() && *rest != b'}' => self.buffer[start] = b',',
            _ => {
                self.buffer.truncate(start);
                self.buffer.push(b'}');
            }
        }
    }
}

fn aborted() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the sim")
}
