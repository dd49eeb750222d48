//! Messages that carry a piece of a longer text, and how they are joined without being parsed.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// A message with a piece of text in it, as a JSON string's inner part. Everything before the text names the
/// text that it is a piece of: two deltas that begin alike belong together.
#[derive(Clone, Debug)]
pub struct Delta {
    message: Bytes,
    text: Range<usize>,
}

impl Delta {
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
