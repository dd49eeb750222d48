//! Tools of the client: how it declares them in `thread/start`, how it is asked to run one, and what it owes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

/// A tool of the client, or several of them under one name. Given in `thread/start`; experimental.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum DynamicToolSpec {
    /// One function.
    Function(DynamicToolFunctionSpec),
    /// Functions that belong together.
    Namespace(DynamicToolNamespaceSpec),
}

/// A function of the client that the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct DynamicToolFunctionSpec {
    /// What the model calls it: letters, digits, `_` and `-`. Not a name of the host's own tools.
    pub name: String,
    /// What it is for, in words for the model.
    pub description: String,
    /// A JSON Schema for its arguments.
    #[ts(type = "unknown")]
    pub input_schema: Value,
    /// Whether the model has to look for it before it can call it. May be left out: it is always at hand.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub defer_loading: bool,
}

/// Functions of the client that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct DynamicToolNamespaceSpec {
    /// What the model calls it. Names of functions need only differ within it.
    pub name: String,
    /// What the functions are for, in words for the model.
    pub description: String,
    /// The functions.
    pub tools: Vec<DynamicToolNamespaceTool>,
}

/// A member of a namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum DynamicToolNamespaceTool {
    /// A function.
    Function(DynamicToolFunctionSpec),
}

/// `item/tool/call`: the model calls a tool that the client declared.
///
/// Goes to all subscribers of the thread; the first answer counts. The client owes an answer: the turn waits
/// for it. An error, or an answer that does not fit the type, is told to the model as a failure of the tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct DynamicToolCallParams {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The id of the model's call, and of the item.
    pub call_id: String,
    /// The namespace that the tool was declared in.
    pub namespace: Option<String>,
    /// The tool.
    pub tool: String,
    /// What the model passes: JSON that should fit the tool's schema, and is not checked here.
    #[ts(type = "unknown")]
    pub arguments: Value,
}

/// The answer to `item/tool/call`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct DynamicToolCallResponse {
    /// What the model gets to see.
    pub content_items: Vec<DynamicToolCallOutputContentItem>,
    /// Whether it went well.
    pub success: bool,
}

/// A part of what a tool gives to the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum DynamicToolCallOutputContentItem {
    /// Text.
    InputText {
        /// The text.
        text: String,
    },
    /// An image.
    InputImage {
        /// `https:` or `data:`.
        image_url: String,
    },
    /// A sound.
    InputAudio {
        /// `https:` or `data:`.
        audio_url: String,
    },
}
