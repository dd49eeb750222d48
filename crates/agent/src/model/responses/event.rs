//! The events of the Responses API, read as far as the loop needs. One that is not known here is no error: it is passed
//! over.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::usage::TokenUsage;

/// One event; the members that its kind does not use are none.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamEvent<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) item_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) delta: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) summary_index: Option<i64>,
    #[serde(default)]
    pub(crate) content_index: Option<i64>,
    #[serde(borrow, default)]
    pub(crate) item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) response: Option<&'a RawValue>,
}

impl StreamEvent<'_> {
    /// The text of a delta.
    pub(crate) fn delta(&self) -> Cow<'_, str> {
        let text = self.delta.and_then(|raw| serde_json::from_str::<BorrowedText<'_>>(raw.get()).ok());
        text.map(|text| text.0).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

/// The response as its last event tells it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct FinalResponse {
    #[serde(default)]
    pub(crate) usage: Option<RawUsage>,
    #[serde(default)]
    pub(crate) end_turn: Option<bool>,
    #[serde(default)]
    pub(crate) error: Option<ResponseError>,
    #[serde(default)]
    pub(crate) incomplete_details: Option<IncompleteDetails>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ResponseError {
    #[serde(default)]
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) message: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct IncompleteDetails {
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RawUsage {
    #[serde(default)]
    input_tokens: i64,
    #[serde(default)]
    input_tokens_details: Option<InputDetails>,
    #[serde(default)]
    output_tokens: i64,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
    #[serde(default)]
    total_tokens: i64,
}

#[derive(Debug, Default, Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: i64,
    #[serde(default)]
    cache_write_tokens: i64,
}

#[derive(Debug, Default, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    reasoning_tokens: i64,
}

impl From<RawUsage> for TokenUsage {
    fn from(raw: RawUsage) -> Self {
        let input = raw.input_tokens_details.unwrap_or_default();
        let output = raw.output_tokens_details.unwrap_or_default();
        Self {
            total: raw.total_tokens,
            input: raw.input_tokens,
            cached_input: input.cached_tokens,
            cache_write_input: input.cache_write_tokens,
            output: raw.output_tokens,
            reasoning_output: output.reasoning_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StreamEvent;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_delta_with_escapes_is_read() {
        let event: StreamEvent<'_> =
            serde_json::from_str(r#"{"type":"response.output_text.delta","delta":"a\nb \u00e9","more":{}}"#).unwrap();
        assert_eq!(event.delta(), "a\nb é");
    }

    #[test]
    fn a_delta_that_is_no_text_is_empty_and_no_error() {
        let event: StreamEvent<'_> = serde_json::from_str(r#"{"type":"new.kind","delta":{"x":1}}"#).unwrap();
        assert_eq!(event.delta(), "");
    }
}
