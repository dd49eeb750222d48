//! One line of a log: `{"timestamp", "ordinal", "type", "payload", …}`. What is not understood is kept as it came.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// A place in a log: where a line begins, or the end. Later places are larger; nothing else is promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// The beginning of every log.
    pub const START: Self = Self(0);
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Position {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A line to be appended. Its time and its ordinal are the log's to give.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// `session_meta`, `event_msg`, `response_item`, …
    pub kind: Cow<'static, str>,
    /// What the line says.
    pub payload: Arc<RawValue>,
}

impl NewLine {
    /// A line that says `payload`.
    ///
    /// # Errors
    ///
    /// The payload cannot be written as JSON.
    pub fn new(kind: &'static str, payload: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self { kind: kind.into(), payload: Arc::from(to_raw_value(payload)?) })
    }
}

/// A line that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it begins.
    pub at: Position,
    /// Where the next one begins.
    pub next: Position,
    /// As it is stored, without its line feed.
    pub text: String,
}

/// What every line says of itself.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    /// When it was written, in RFC 3339.
    #[serde(borrow, default)]
    pub timestamp: Cow<'a, str>,
    /// Its number in the log, from 0.
    pub ordinal: Option<u64>,
    /// `session_meta`, `event_msg`, `response_item`, …
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// What it says.
    #[serde(borrow)]
    pub payload: &'a RawValue,
}

impl Line {
    /// Reads the line. None: it is damaged, and is to be passed over.
    pub fn envelope(&self) -> Option<Envelope<'_>> {
        serde_json::from_str(&self.text).ok()
    }
}
