//! Notifications that belong to no thread, or to any.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::TurnError;
use crate::jsonrpc::RequestId;
use crate::open_enum::open_enum;

/// `error`: something went wrong in a turn.
///
/// With `willRetry` the turn goes on; without, `turn/completed` follows and carries the same error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ErrorNotification {
    /// What went wrong.
    pub error: TurnError,
    /// Whether the host tries again by itself.
    pub will_retry: bool,
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
}

/// `configWarning`: something in the configuration was not used as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ConfigWarningNotification {
    /// One sentence.
    pub summary: String,
    /// More, when there is more.
    pub details: Option<String>,
    /// The file. Absent when no file is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub path: Option<String>,
    /// The place in the file. Absent when no place is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub range: Option<TextRange>,
}

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct TextRange {
    /// Where it begins.
    pub start: TextPosition,
    /// Where it ends.
    pub end: TextPosition,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct TextPosition {
    /// From 1.
    pub line: usize,
    /// From 1, in Unicode scalar values.
    pub column: usize,
}

/// `deprecationNotice`: the caller used something that is about to go away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct DeprecationNoticeNotification {
    /// One sentence.
    pub summary: String,
    /// More, when there is more.
    pub details: Option<String>,
}

/// `warning`: a person should know this. Nothing failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct WarningNotification {
    /// The thread that it is about. Null when it is about none, or about all.
    pub thread_id: Option<String>,
    /// One sentence.
    pub message: String,
}

/// `serverRequest/resolved`: a request of the server needs no answer any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ServerRequestResolvedNotification {
    /// The thread that the request was about.
    pub thread_id: String,
    /// The id of the request.
    pub request_id: RequestId,
}

/// `remoteControl/status/changed`: sent once after `initialize`; always `disabled` here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct RemoteControlStatusChangedNotification {
    /// The state of the connection.
    pub status: RemoteControlConnectionStatus,
    /// The name of this machine.
    pub server_name: String,
    /// A random id of this process.
    pub installation_id: String,
    /// Null while disabled.
    pub environment_id: Option<String>,
}

open_enum! {
    /// The state of the remote control connection.
    pub enum RemoteControlConnectionStatus in "v2/" {
        /// There is none.
        Disabled = "disabled",
        /// It is being made.
        Connecting = "connecting",
        /// It stands.
        Connected = "connected",
    }
}
