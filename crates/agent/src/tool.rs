//! Tools, as far as the loop knows them: a list for the model, and a way to call one.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// A call that the model made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The backend's id for the call.
    pub call_id: String,
    /// The tool.
    pub name: String,
    /// JSON text for a function, free text for a custom tool.
    pub input: String,
    /// Whether it is a custom tool, whose output has a type of its own.
    pub custom: bool,
}

/// The tools of a conversation.
pub trait ToolSet: Send + Sync + 'static {
    /// What the model is told of them, as the Responses API wants it.
    fn definitions(&self) -> Vec<Value>;

    /// Carries out one call. The text goes back to the model, failures included.
    fn call<'a>(&'a self, call: &'a ToolCall) -> BoxFuture<'a, String>;
}

/// No tools at all: each call is answered with a refusal, and the model goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTools;

impl ToolSet for NoTools {
    fn definitions(&self) -> Vec<Value> {
        Vec::new()
    }

    fn call<'a>(&'a self, call: &'a ToolCall) -> BoxFuture<'a, String> {
        Box::pin(async move { format!("unsupported call: {}", call.name) })
    }
}

impl ToolCall {
    /// The history item that answers this call.
    pub(crate) fn answer(&self, output: &str) -> Value {
        let kind = if self.custom { "custom_tool_call_output" } else { "function_call_output" };
        json!({ "type": kind, "call_id": self.call_id, "output": output })
    }
}
