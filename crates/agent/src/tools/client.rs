//! Tools of the client: it declares them with the conversation, and runs them itself.

use std::time::Instant;

use serde_json::{Value, json};

use super::{Called, OpenItem, Output, Tools};
use crate::client::{ClientAnswer, ClientCall, Content};
use crate::item::{ClientToolCall, ItemKind, Status};
use crate::time::millis;
use crate::tool_call::ToolCall;
use crate::turn::Turn;

/// What the model is told when the client cannot run its tool.
const FAILED: &str = "dynamic tool request failed";

/// A tool that the client declared.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientTool {
    /// The group that it was declared in.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// For the model.
    pub description: String,
    /// A JSON Schema.
    pub parameters: Value,
}

/// What the model is told of it. A tool of a group is told apart by the group's name before its own.
pub(super) fn definition(tool: &ClientTool) -> Value {
    json!({
        "type": "function",
        "name": tool.full_name(),
        "description": tool.description,
        "strict": false,
        "parameters": tool.parameters,
    })
}

/// The tool that a call means.
pub(super) fn find<'a>(tools: &'a [ClientTool], call: &ToolCall) -> Option<&'a ClientTool> {
    tools.iter().find(|tool| tool.full_name() == call.name)
}

impl ClientTool {
    /// The name that the model calls it by.
    pub fn full_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}__{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl Tools {
    pub(super) async fn call_client(&self, turn: &Turn, call: &ToolCall, tool: &ClientTool) -> Called {
        let arguments: Value = match serde_json::from_str(&call.input) {
            Ok(arguments) => arguments,
            Err(error) => return format!("failed to parse function arguments: {error}").into(),
        };
        let began = Instant::now();
        let mut shown = ClientToolCall {
            namespace: tool.namespace.clone(),
            tool: tool.name.clone(),
            arguments: arguments.clone(),
            status: Status::InProgress,
            content: None,
            success: None,
            duration_ms: None,
        };
        let item = OpenItem::begin(turn, &call.call_id, ItemKind::ClientToolCall(shown.clone()));
        let (call_id, name) = (call.call_id.clone(), tool.name.clone());
        let asked = ClientCall { call_id, namespace: tool.namespace.clone(), tool: name, arguments };
        let answer = self.client.call(&turn.id, asked).await;
        let failed = || ClientAnswer { content: vec![Content::Text(FAILED.to_owned())], success: false };
        let answer = answer.unwrap_or_else(failed);
        shown.duration_ms = Some(millis(began.elapsed()));
        shown.success = Some(answer.success);
        shown.status = if answer.success { Status::Completed } else { Status::Failed };
        shown.content = Some(answer.content.clone());
        item.end_as(ItemKind::ClientToolCall(shown));
        match answer.content.as_slice() {
            [Content::Text(text)] => text.clone().into(),
            parts => Called::Output(Output::Parts(parts.iter().map(Content::part).collect())),
        }
    }
}
