//! The life of a thread as connections see it: it comes, stands, and is let go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::open_enum::open_enum;
use crate::v2::{Thread, ThreadStatus};

/// `thread/started`. Sent to every initialized connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadStartedNotification {
    /// The thread, without turns.
    pub thread: Thread,
}

/// `thread/status/changed`. Sent to every initialized connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadStatusChangedNotification {
    /// The thread.
    pub thread_id: String,
    /// How it stands.
    pub status: ThreadStatus,
}

/// `thread/unsubscribe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadUnsubscribeParams {
    /// The thread.
    pub thread_id: String,
}

/// The answer to `thread/unsubscribe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadUnsubscribeResponse {
    /// What came of it.
    pub status: ThreadUnsubscribeStatus,
}

open_enum! {
    /// What came of an unsubscription.
    pub enum ThreadUnsubscribeStatus in "v2/" {
        /// No such thread in memory.
        NotLoaded = "notLoaded",
        /// This connection was not subscribed.
        NotSubscribed = "notSubscribed",
        /// No more events of the thread come to this connection.
        Unsubscribed = "unsubscribed",
    }
}

/// `thread/closed`: the thread is no longer in memory. It can be resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadClosedNotification {
    /// The thread.
    pub thread_id: String,
}
