//! What of a thread is unread.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What of a thread is unread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadReadState {
    /// The first unread place. Null when all is read.
    pub first_unread: Option<ThreadUnreadPosition>,
    /// Changes whenever the state does.
    pub revision: String,
}

/// A place in a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum ThreadUnreadPosition {
    /// Its beginning.
    ThreadStart {},
    /// A turn.
    Turn {
        /// The turn.
        turn_id: String,
    },
}

/// `thread/readState/changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadReadStateChangedNotification {
    /// The thread.
    pub thread_id: String,
    /// What of it is unread.
    pub read_state: ThreadReadState,
}

/// `thread/readState/update`: a person has read the thread, or wants it to count as unread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadReadStateUpdateParams {
    /// The thread.
    pub thread_id: String,
    /// Which of the two.
    pub operation: ThreadReadStateOperation,
    /// The `revision` that the person saw. Refused when the state is another one by now.
    pub expected_revision: String,
}

/// What becomes of a read state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum ThreadReadStateOperation {
    /// All is read.
    Read {},
    /// All is unread.
    Unread {},
}

/// The answer to `thread/readState/update`; `thread/readState/changed` tells the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadReadStateUpdateResponse {
    /// What of it is unread now.
    pub read_state: ThreadReadState,
}
