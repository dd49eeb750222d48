//! Taking turns back: `thread/revert`, and the older `thread/rollback`. Files stay as the turns left them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::v2::Thread;

/// `thread/revert`: forget a turn and all that came after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadRevertParams {
    /// A loaded thread without a running turn.
    pub thread_id: String,
    /// The first turn to forget.
    pub before_turn_id: String,
}

/// The answer to `thread/revert`; `thread/reverted` follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadRevertResponse {
    /// The thread, without turns.
    pub thread: Thread,
    /// For `thread/turns/list`, newest first: the page begins with the newest turn that is left. Null when there is
    /// none.
    pub turns_backwards_cursor: Option<String>,
    /// For `thread/items/list`, newest first: the page begins with the newest item that is left. Null when there is
    /// none.
    pub items_backwards_cursor: Option<String>,
}

/// `thread/reverted`: what a client knows of the thread's turns may be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadRevertedNotification {
    /// The thread.
    pub thread_id: String,
}

/// `thread/rollback`: forget the newest turns. The older form of `thread/revert`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadRollbackParams {
    /// A loaded thread without a running turn.
    pub thread_id: String,
    /// How many turns to forget: at least one.
    pub num_turns: u32,
}

/// The answer to `thread/rollback`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadRollbackResponse {
    /// The thread, with the turns that are left.
    pub thread: Thread,
}
