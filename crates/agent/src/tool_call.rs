//! A call that the model made, and the history item that answers it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::model::output_item::CallHead;
use crate::tools::Output;

/// A call that the model made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToolCall {
    /// The backend's id for the call.
    pub(crate) call_id: String,
    /// The tool.
    pub(crate) name: String,
    /// JSON text for a function, free text for a custom tool.
    pub(crate) input: String,
    /// Whether it is a custom tool, whose output has a type of its own.
    pub(crate) custom: bool,
}

impl ToolCall {
    /// A call of which no more is known than what it takes to answer it: the backend refuses a history with an open
    /// call.
    pub(crate) fn unreadable(call: CallHead) -> Option<Self> {
        let custom = call.kind == "custom_tool_call";
        let known = custom || call.kind == "function_call";
        known.then(|| Self {
            call_id: call.call_id,
            name: call.name.unwrap_or_else(|| "unreadable".to_owned()),
            input: String::new(),
            custom,
        })
    }

    /// The history item that answers this call.
    pub(crate) fn answer(&self, output: &Output) -> Value {
        let (kind, prefix) =
            if self.custom { ("custom_tool_call_output", "ctco") } else { ("function_call_output", "fco") };
        let id = format!("{prefix}_{}", Uuid::now_v7().simple());
        let output = match output {
            Output::Text(text) => text.clone().into(),
            Output::Parts(parts) => Value::from(parts.clone()),
        };
        json!({ "type": kind, "id": id, "call_id": self.call_id, "output": output })
    }
}
