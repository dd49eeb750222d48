//! The steps a streamed response is made of, as a script spells them.
//! How a step unfolds on the wire is in `responses` and `chat`.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// One step of a streamed response. In a script: an object with exactly one member.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Step {
    /// A reasoning item with one summary part, its text in word deltas.
    Reasoning(String),
    /// An assistant message, its text in word deltas: `"Hello "`, `"there"`.
    Text(String),
    /// An assistant message with deltas of a chosen size, number and pace.
    Chunks(Chunks),
    /// A function call item.
    FunctionCall(FunctionCall),
    /// A custom (free text) tool call item.
    CustomToolCall(CustomToolCall),
    /// A pause, in milliseconds. What came before is on the wire when it begins.
    DelayMs(u64),
    /// Any response item, sent as `output_item.added` and `output_item.done`.
    Item(Value),
    /// Any event, sent exactly as given; its `type` also names the SSE event.
    Event(Value),
    /// Bytes put on the stream exactly as given, without any framing.
    Raw(String),
    /// `response.failed`; the response ends here.
    Failed(Failure),
    /// `response.incomplete` with this reason; the response ends here.
    Incomplete(String),
    /// `true`: the connection is closed in the middle of the body. `false` does nothing.
    Cut(bool),
}

/// Reads the steps of a response. An error names the step, because the line that the decoder adds is the one where the
/// response ends. Of a step with several members, it would only say that it expects a value.
pub(crate) fn each<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Step>, D::Error> {
    let read = |(index, step): (usize, Value)| {
        let read = match step.as_object() {
            Some(members) if members.len() != 1 => Err("a step has exactly one member".to_owned()),
            _ => serde_json::from_value(step).map_err(|error| error.to_string()),
        };
        read.map_err(|problem| D::Error::custom(format_args!("steps[{index}]: {problem}")))
    };
    Vec::<Value>::deserialize(deserializer)?.into_iter().enumerate().map(read).collect()
}

impl Step {
    /// Whether nothing after this step is played.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Incomplete(_) | Self::Cut(true))
    }
}

/// A message for load and pacing. Give `text` (split into words) or `chunk` (one delta).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Chunks {
    /// Text whose words become the deltas.
    pub text: Option<String>,
    /// Text that is one delta.
    pub chunk: Option<String>,
    /// How many times the deltas are sent. Default 1.
    pub count: u32,
    /// Pause before each delta, in milliseconds. Default 0.
    pub delay_ms: u64,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { text: None, chunk: None, count: 1, delay_ms: 0 }
    }
}

impl Chunks {
    /// The same delta, `count` times.
    pub fn repeat(chunk: impl Into<String>, count: u32) -> Self {
        Self { chunk: Some(chunk.into()), count, ..Self::default() }
    }

    /// The words of a text.
    pub fn words(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// Pauses before each delta.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        self.delay_ms = millis(pause);
        self
    }

    /// The deltas of one round; they are sent `count` times.
    pub(crate) fn round(&self) -> Vec<&str> {
        match (&self.chunk, &self.text) {
            (Some(chunk), _) => vec![chunk],
            (None, Some(text)) => words(text).collect(),
            (None, None) => Vec::new(),
        }
    }
}

/// A call of a function tool.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FunctionCall {
    /// The tool's name.
    pub name: String,
    /// The arguments. A string is sent as it is (so broken JSON can be sent), anything else as
    /// JSON text.
    #[serde(default)]
    pub arguments: Value,
    /// The call id; numbered (`call_1`, ...) when absent.
    #[serde(default)]
    pub call_id: Option<String>,
}

impl FunctionCall {
    /// The arguments as they go on the wire. Absent ones are an empty object.
    pub(crate) fn arguments_text(&self) -> String {
        match &self.arguments {
            Value::Null => "{}".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// A call of a custom tool, whose input is free text.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomToolCall {
    /// The tool's name.
    pub name: String,
    /// The input.
    pub input: String,
    /// The call id; numbered (`call_1`, ...) when absent.
    #[serde(default)]
    pub call_id: Option<String>,
}

/// The error of a `response.failed`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// For example `rate_limit_exceeded` or `context_length_exceeded`.
    pub code: String,
    /// The text for people.
    pub message: String,
}

/// Splits after each white space character, so that the parts joined are the text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace)
}

/// A duration in whole milliseconds, as scripts count.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{Chunks, words};

    #[test]
    fn words_keep_their_space_and_join_to_the_text() {
        assert_eq!(words("Hello there").collect::<Vec<_>>(), ["Hello ", "there"]);
        assert_eq!(words("a\n b ").collect::<String>(), "a\n b ");
    }

    #[test]
    fn a_chunk_is_never_split() {
        assert_eq!(Chunks::repeat("a b", 2).round(), ["a b"]);
        assert_eq!(Chunks::words("a b").round(), ["a ", "b"]);
    }
}
