//! JSON-RPC error objects: their codes, and the kinds that a machine can read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::v2::ThreadReadState;

/// The codes that this protocol uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum ErrorCode {
    /// The text is not JSON. Sent only to connections that asked for it.
    ParseError = -32700,
    /// Nearly every mistake of a client: unknown method, bad parameters, wrong state.
    InvalidRequest = -32600,
    /// Options that contradict each other, or a number out of its range.
    InvalidParams = -32602,
    /// A request that the client does not answer, or of which the server serves only a part.
    MethodNotFound = -32601,
    /// The server or something behind it failed.
    InternalError = -32603,
    /// The server is too busy; the same request may succeed later.
    Overloaded = -32001,
}

/// What went wrong, for machines. Sent as `data.kind`.
///
/// Each kind is documented where it arises; messages may change, kinds do not.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    TS,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
#[ts(export_to = "valet/")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Too many requests are waiting; see `retryAfterMs`.
    Overloaded,
    /// The host takes no new work: it ends when the turns that run have ended. Connect again later.
    Draining,
    /// The host is shutting down and the request was not carried out.
    ShuttingDown,
    /// No such method. `schema/meta.json` lists what is served.
    MethodNotFound,
    /// The parameters do not have the method's shape.
    InvalidParams,
    /// The first request on a connection must be `initialize`.
    NotInitialized,
    /// `initialize` was already answered on this connection.
    AlreadyInitialized,
    /// The method, field or value needs `capabilities.experimentalApi`.
    ExperimentalRequired,
    /// The method exists in the protocol, and this version of the host cannot carry it out.
    NotSupported,
    /// No thread of this id is loaded.
    ThreadNotFound,
    /// Something runs in the thread that this does not go together with.
    ThreadBusy,
    /// The turn named is not the one that is running.
    TurnMismatch,
    /// No turn is running.
    NoActiveTurn,
    /// What of the thread is unread has changed in the meantime; see `readState`.
    ReadStateConflict,
    /// Nobody is logged in, or the account is not lent.
    AuthRequired,
    /// The login was refused by the configuration.
    LoginRestricted,
    /// The access token cannot be used: it is not a JWT.
    InvalidToken,
    /// The parent did not answer a token refresh in time.
    RefreshTimeout,
    /// The parent answered a token refresh with an error.
    RefreshRejected,
    /// The parent's answer to a token refresh was not usable.
    RefreshInvalid,
    /// The refreshed token belongs to another account, or a lent one to another user than the one before it.
    AccountMismatch,
    /// The refreshed token belongs to a workspace that the configuration does not allow.
    WorkspaceRestricted,
    /// Nobody was connected who could refresh the token.
    NoOwner,
    /// The login is no longer good; log in again.
    ReauthRequired,
    /// The backend failed.
    Upstream,
    /// The host's file system refused, or what was asked for is no file that could be used.
    FileSystem,
}

/// The machine-readable part of an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/")]
pub struct ErrorData {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Present and true when the same request may succeed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub retryable: Option<bool>,
    /// How long to wait before trying again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub retry_after_ms: Option<u64>,
    /// The reference's own word for the kind, where it has one: `serverShuttingDown`. In strict mode, it and
    /// `readState` are all that is left of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reason: Option<String>,
    /// What of the thread is unread now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub read_state: Option<ThreadReadState>,
    /// Who writes the thread, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub holder: Option<ThreadHolder>,
}

/// The process that writes a thread. Others may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/")]
pub struct ThreadHolder {
    /// The process.
    pub pid: u32,
    /// When it took the thread, in unix seconds.
    pub since: i64,
}

impl From<ErrorKind> for ErrorData {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, retryable: None, retry_after_ms: None, reason: None, read_state: None, holder: None }
    }
}

/// The `error` member of a response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS, thiserror::Error)]
#[error("{message} (code {code})")]
#[ts(rename = "JSONRPCErrorError")]
#[schemars(rename = "JSONRPCErrorError")]
pub struct ErrorObject {
    /// One of [`ErrorCode`], or whatever the other side chose.
    pub code: i64,
    /// For people.
    pub message: String,
    /// For machines; see [`ErrorData`]. In strict mode absent, but for what the reference sends, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "unknown")]
    pub data: Option<Value>,
}

impl ErrorObject {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code: code as i64, message: message.into(), data: None }
    }

    /// -32700.
    pub fn parse_error(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ParseError, message)
    }

    /// -32600.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// -32600 for parameters that can be read and do not fit.
    pub fn invalid_request_params(message: impl Into<String>) -> Self {
        Self::invalid_request(message).kind(ErrorKind::InvalidParams)
    }

    /// -32600 for parameters that cannot be read; `reason` is the decoder's text. It quotes what it refuses, which
    /// may be of any length, so only so many letters of it are told.
    pub fn undecodable(reason: impl std::fmt::Display) -> Self {
        Self::invalid_request_params(format!("Invalid request: {:.4000}", reason.to_string()))
    }

    /// -32602 for parameters that can be read and that contradict each other or are out of range.
    pub fn contradiction(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidParams, message).kind(ErrorKind::InvalidParams)
    }

    /// -32601.
    pub fn method_not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::MethodNotFound, message)
    }

    /// -32603.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InternalError, message)
    }

    /// -32001.
    pub fn overloaded(retry_after_ms: u64) -> Self {
        Self::new(ErrorCode::Overloaded, "Server overloaded; retry later.").data(&ErrorData {
            retryable: Some(true),
            retry_after_ms: Some(retry_after_ms),
            ..ErrorKind::Overloaded.into()
        })
    }

    /// -32600 for new work, while the host waits for the end of what runs.
    pub fn draining() -> Self {
        Self::invalid_request("Server is draining; retry after reconnecting").data(&ErrorData {
            retryable: Some(true),
            reason: Some("serverShuttingDown".to_owned()),
            ..ErrorKind::Draining.into()
        })
    }

    /// -32600 for whoever has not seen the newest of a thread.
    pub fn read_state_conflict(current: ThreadReadState) -> Self {
        Self::invalid_request("read state changed").data(&ErrorData {
            reason: Some("readStateConflict".to_owned()),
            read_state: Some(current),
            ..ErrorKind::ReadStateConflict.into()
        })
    }

    /// Without what the reference does not send.
    #[must_use]
    pub fn strict(mut self) -> Self {
        if let Some(Value::Object(mut data)) = self.data.take()
            && data.contains_key("reason")
        {
            data.retain(|member, _| matches!(member.as_str(), "reason" | "readState"));
            self.data = Some(Value::Object(data));
        }
        self
    }

    /// -32600 for a thread that another process writes.
    pub fn held(message: impl Into<String>, holder: Option<ThreadHolder>) -> Self {
        Self::invalid_request(message).data(&ErrorData { holder, ..ErrorKind::ThreadBusy.into() })
    }

    /// Adds the kind that a machine can read.
    #[must_use]
    pub fn kind(self, kind: ErrorKind) -> Self {
        self.data(&kind.into())
    }

    fn data(mut self, data: &ErrorData) -> Self {
        self.data = serde_json::to_value(data).ok();
        self
    }
}
