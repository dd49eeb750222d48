//! One answer of the model: a stream of steps, or a plain status and body.
//! The builder methods mirror the members of the script format.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::step::{self, Chunks, CustomToolCall, Failure, FunctionCall, Step, millis};

/// An answer of the backend.
///
/// It is a stream of events, unless it has a [`body`](Self::body) or its status is not 2xx.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Response {
    /// HTTP status. Default 200.
    pub status: u16,
    /// Further response headers, for example `x-codex-primary-used-percent`.
    pub headers: BTreeMap<String, String>,
    /// Sent instead of a stream: a string as it is, anything else as JSON.
    pub body: Option<Value>,
    /// Pause before the response headers, in milliseconds. Default 0.
    pub delay_ms: u64,
    /// The stream. Without steps it is `response.created` and `response.completed`.
    #[serde(deserialize_with = "step::each")]
    pub steps: Vec<Step>,
    /// Token counts in `response.completed`; `None` (`null`) sends no counts.
    pub usage: Option<Usage>,
    /// `end_turn` in `response.completed`; absent by default.
    pub end_turn: Option<bool>,
    /// The steps are the whole stream: no `response.created` and no `response.completed` is added.
    pub bare: bool,
}

/// Token counts of one response. The total is input plus output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Usage {
    /// Input tokens. Default 100.
    pub input_tokens: u64,
    /// Input tokens that came from the cache. Default 10.
    pub cached_input_tokens: u64,
    /// Output tokens. Default 20.
    pub output_tokens: u64,
    /// Output tokens spent on reasoning. Default 5.
    pub reasoning_tokens: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { input_tokens: 100, cached_input_tokens: 10, output_tokens: 20, reasoning_tokens: 5 }
    }
}

impl Usage {
    /// The object of `response.completed`.
    pub(crate) fn to_wire(self) -> Value {
        json!({
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": self.cached_input_tokens},
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.total(),
        })
    }

    /// The object of a chat completion.
    pub(crate) fn to_chat(self) -> Value {
        json!({
            "prompt_tokens": self.input_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_input_tokens},
            "completion_tokens": self.output_tokens,
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.total(),
        })
    }

    const fn total(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

impl Default for Response {
    fn default() -> Self {
        Self {
            status: 200,
            headers: BTreeMap::new(),
            body: None,
            delay_ms: 0,
            steps: Vec::new(),
            usage: Some(Usage::default()),
            end_turn: None,
            bare: false,
        }
    }
}

impl From<&str> for Response {
    fn from(text: &str) -> Self {
        Self::new().text(text)
    }
}

impl From<String> for Response {
    fn from(text: String) -> Self {
        Self::new().text(text)
    }
}

impl Response {
    /// An empty stream that completes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A plain answer with this status. Without [`Response::body`] it gets a short error body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A stream of exactly these events and nothing else.
    #[must_use]
    pub fn events(events: impl IntoIterator<Item = Value>) -> Self {
        Self { steps: events.into_iter().map(Step::Event).collect(), bare: true, ..Self::default() }
    }

    /// Sends this instead of a stream: a string as it is, anything else as JSON.
    #[must_use]
    pub fn body(mut self, body: impl Into<Value>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Adds a response header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Waits before the response headers are sent.
    #[must_use]
    pub fn headers_after(mut self, pause: Duration) -> Self {
        self.delay_ms = millis(pause);
        self
    }

    /// Adds any step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds a reasoning item.
    #[must_use]
    pub fn reasoning(self, summary: impl Into<String>) -> Self {
        self.step(Step::Reasoning(summary.into()))
    }

    /// Adds a message in word deltas.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.step(Step::Text(text.into()))
    }

    /// Adds a message with chosen deltas.
    #[must_use]
    pub fn chunks(self, chunks: Chunks) -> Self {
        self.step(Step::Chunks(chunks))
    }

    /// Adds a function call with a numbered call id.
    #[must_use]
    pub fn function_call(self, name: impl Into<String>, arguments: Value) -> Self {
        self.step(Step::FunctionCall(FunctionCall { name: name.into(), arguments, call_id: None }))
    }

    /// Adds a custom tool call with a numbered call id.
    #[must_use]
    pub fn custom_tool_call(self, name: impl Into<String>, input: impl Into<String>) -> Self {
        self.step(Step::CustomToolCall(CustomToolCall { name: name.into(), input: input.into(), call_id: None }))
    }

    /// Pauses the stream.
    #[must_use]
    pub fn delay(self, pause: Duration) -> Self {
        self.step(Step::DelayMs(millis(pause)))
    }

    /// Adds a whole item.
    #[must_use]
    pub fn item(self, item: Value) -> Self {
        self.step(Step::Item(item))
    }

    /// Adds an event exactly as given.
    #[must_use]
    pub fn event(self, event: Value) -> Self {
        self.step(Step::Event(event))
    }

    /// Adds bytes exactly as given.
    #[must_use]
    pub fn raw(self, bytes: impl Into<String>) -> Self {
        self.step(Step::Raw(bytes.into()))
    }

    /// Ends with `response.failed`.
    #[must_use]
    pub fn failed(self, code: impl Into<String>, message: impl Into<String>) -> Self {
        self.step(Step::Failed(Failure { code: code.into(), message: message.into() }))
    }

    /// Ends with `response.incomplete`.
    #[must_use]
    pub fn incomplete(self, reason: impl Into<String>) -> Self {
        self.step(Step::Incomplete(reason.into()))
    }

    /// Closes the connection in the middle of the body.
    #[must_use]
    pub fn cut(self) -> Self {
        self.step(Step::Cut(true))
    }

    /// Sets the token counts; `None` sends none.
    #[must_use]
    pub fn usage(mut self, usage: impl Into<Option<Usage>>) -> Self {
        self.usage = usage.into();
        self
    }

    /// Sets `end_turn`.
    #[must_use]
    pub fn end_turn(mut self, end_turn: bool) -> Self {
        self.end_turn = Some(end_turn);
        self
    }

    /// Sends the steps only: no `response.created`, no `response.completed`.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Whether this answer is a stream of events.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.body.is_none() && (200..300).contains(&self.status)
    }

    /// The steps, up to the one that ends the response.
    pub(crate) fn played(&self) -> impl Iterator<Item = &Step> {
        let end = self.steps.iter().position(Step::is_last).map_or(self.steps.len(), |last| last + 1);
        self.steps.iter().take(end)
    }
}
