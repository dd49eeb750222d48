//! What a client does to a loaded thread besides starting turns: a command of the person, compaction, and
//! items put into the history.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

/// `thread/shellCommand`: run a command of the person in the thread's working directory.
///
/// Answered at once. A turn with one `commandExecution` item of source `userShell` follows, or the item joins
/// the turn that runs. The model is not asked; it sees command and output in its next turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadShellCommandParams {
    /// A loaded thread.
    pub thread_id: String,
    /// For the thread's shell, with pipes and all. Not empty. It runs without a sandbox: a person typed it.
    pub command: String,
    /// End it after so many milliseconds; 0 is at once. Else after an hour.
    pub timeout_ms: Option<u64>,
}

/// The answer to `thread/shellCommand`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadShellCommandResponse {}

/// `thread/compact/start`: replace the history by a summary of it.
///
/// Answered at once. A turn with one `contextCompaction` item follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadCompactStartParams {
    /// A loaded thread.
    pub thread_id: String,
}

/// The answer to `thread/compact/start`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadCompactStartResponse {}

/// `thread/inject_items`: put items into the history that the model reads. No turn starts, and clients are
/// told nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadInjectItemsParams {
    /// A loaded thread.
    pub thread_id: String,
    /// Items of the backend's Responses API, sent to it as they are.
    #[ts(type = "Array<unknown>")]
    pub items: Vec<Value>,
}

/// The answer to `thread/inject_items`: they are in the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadInjectItemsResponse {}
