//! `thread/read`: one thread.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::v2::{Thread, ThreadReadState};

/// `thread/read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadReadParams {
    /// The thread.
    pub thread_id: String,
    /// Also return every turn with every item.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub include_turns: bool,
}

/// The answer to `thread/read`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadReadResponse {
    /// The thread.
    pub thread: Thread,
    /// What of it is unread. Null before the first turn.
    pub read_state: Option<ThreadReadState>,
}
