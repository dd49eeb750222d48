//! Messages that carry a piece of a longer text, and how they are joined without being parsed.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use valet_protocol::jsonrpc::write_notification;

/// A piece of a longer text: the parameters of every notification that carries one.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece<'a> {
    /// The thread.
    pub thread_id: &'a str,
    /// The turn.
    pub turn_id: &'a str,
    /// The item whose text it is.
    pub item_id: &'a str,
    /// The part of the summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_index: Option<i64>,
    /// The part of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_index: Option<i64>,
    /// Last, so that everything before it names the text that it is a piece of.
    pub delta: &'a str,
}

/// What stands between the name of a text and a piece of it.
const DELTA: &[u8] = br#""delta":""#;

/// A message with a piece of text in it, as a JSON string's inner part. Everything before the text names the
/// text that it is a piece of: two deltas that begin alike belong together.
#[derive(Clone, Debug)]
pub struct Delta {
    message: Bytes,
    text: Range<usize>,
}

impl Delta {
    /// The notification of a piece, told at a time in unix milliseconds. None: it cannot be written.
    pub fn of(method: &str, piece: &Piece<'_>, emitted_at_ms: u64) -> Option<Self> {
        let message = write_notification(method, Some(piece), Some(emitted_at_ms)).ok()?;
        // No text in a JSON message holds a bare quote: what is found is the member.
        let start = message.windows(DELTA.len()).position(|window| window == DELTA)? + DELTA.len();
        let tail = "\"},\"emittedAtMs\":}".len() + emitted_at_ms.to_string().len();
        let end = message.len().checked_sub(tail)?;
        Some(Self::new(message.into(), start..end))
    }

    /// A message, and where in it the text stands, without the quotes.
    pub fn new(message: Bytes, text: Range<usize>) -> Self {
        debug_assert!(text.end <= message.len(), "the text is part of the message");
        Self { message, text }
    }

    /// The message as it is sent alone.
    pub fn into_message(self) -> Bytes {
        self.message
    }

    pub(crate) fn len(&self) -> usize {
        self.message.len()
    }

    pub(crate) fn head(&self) -> Bytes {
        self.message.slice(..self.text.start)
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.message[self.text.clone()]
    }

    fn tail(&self) -> Bytes {
        self.message.slice(self.text.end..)
    }
}

/// Several deltas as one. The inner parts of two JSON strings, one behind the other, are the inner part of the
/// two strings joined.
#[derive(Debug)]
pub(crate) struct Joined {
    head_and_text: BytesMut,
    /// Of the latest delta.
    tail: Bytes,
}

impl From<&Delta> for Joined {
    fn from(first: &Delta) -> Self {
        Self { head_and_text: BytesMut::from(&first.message[..first.text.end]), tail: first.tail() }
    }
}

impl Joined {
    pub(crate) fn push(&mut self, delta: &Delta) {
        self.head_and_text.extend_from_slice(delta.text());
        self.tail = delta.tail();
    }

    pub(crate) fn len(&self) -> usize {
        self.head_and_text.len() + self.tail.len()
    }

    pub(crate) fn into_message(mut self) -> Bytes {
        self.head_and_text.extend_from_slice(&self.tail);
        self.head_and_text.freeze()
    }
}
