//! One exchange: what the person asked, and how it ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::{ApprovalsReviewer, AskForApproval, ReasoningSummary, SandboxPolicy, ThreadItem, UserInput};
use crate::open_enum::open_enum;

/// `turn/start`. What is set here stays set for later turns of the thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct TurnStartParams {
    /// A loaded thread.
    pub thread_id: String,
    /// What the person says. May be empty.
    pub input: Vec<UserInput>,
    /// Comes back as `clientId` of the user's item.
    pub client_user_message_id: Option<String>,
    /// The working directory.
    pub cwd: Option<String>,
    /// When to ask.
    pub approval_policy: Option<AskForApproval>,
    /// Whom to ask.
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    /// What commands may do.
    pub sandbox_policy: Option<SandboxPolicy>,
    /// The model. Not checked here: a name that the backend refuses fails the turn.
    pub model: Option<String>,
    /// The service tier.
    pub service_tier: Option<String>,
    /// How hard to think. An open string.
    pub effort: Option<String>,
    /// How much of the reasoning to tell.
    pub summary: Option<ReasoningSummary>,
    /// A JSON Schema that the final answer must fit. For this turn only.
    #[ts(type = "unknown", optional)]
    pub output_schema: Option<Value>,
}

/// The answer to `turn/start`. Sent before `turn/started` and every item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct TurnStartResponse {
    /// The turn, in progress and without items.
    pub turn: Turn,
}

/// `turn/interrupt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct TurnInterruptParams {
    /// The thread.
    pub thread_id: String,
    /// Must be the running turn.
    pub turn_id: String,
}

/// The answer to `turn/interrupt`; `turn/completed` follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct TurnInterruptResponse {}

/// One turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct Turn {
    /// A uuid, version 7.
    pub id: String,
    /// The turn that this one serves; itself unless another agent started it.
    pub root_turn_id: Option<String>,
    /// As many as `itemsView` says.
    pub items: Vec<ThreadItem>,
    /// Which items are here.
    pub items_view: TurnItemsView,
    /// How it stands.
    pub status: TurnStatus,
    /// Set when it failed.
    pub error: Option<TurnError>,
    /// When work on it began, in unix seconds.
    pub started_at: Option<i64>,
    /// When it ended, in unix seconds.
    pub completed_at: Option<i64>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i64>,
}

open_enum! {
    /// How a turn stands.
    pub enum TurnStatus in "v2/" {
        /// It ended by itself.
        Completed = "completed",
        /// It was interrupted.
        Interrupted = "interrupted",
        /// It failed; see `error`.
        Failed = "failed",
        /// It runs.
        InProgress = "inProgress",
    }
}

open_enum! {
    /// Which items of a turn are sent along.
    pub enum TurnItemsView in "v2/" {
        /// None.
        NotLoaded = "notLoaded",
        /// The ones that a list shows.
        Summary = "summary",
        /// All.
        Full = "full",
    }
}

/// Why a turn failed, or why it is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct TurnError {
    /// For people.
    pub message: String,
    /// For machines.
    pub codex_error_info: Option<CodexErrorInfo>,
    /// With `unauthorized`: the kind of the failure, one of `ErrorKind`. Else more for people.
    pub additional_details: Option<String>,
    /// Null here.
    #[ts(type = "unknown")]
    pub misalignment: Option<Value>,
}

/// The class of a failure. Open: more values appear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum CodexErrorInfo {
    /// The conversation is longer than the model reads.
    ContextWindowExceeded,
    /// A budget set for the session is spent.
    SessionBudgetExceeded,
    /// The account's limit is reached.
    UsageLimitExceeded,
    /// Too many requests.
    RateLimitExceeded,
    /// No flexible capacity.
    FlexUnavailable,
    /// The model is at capacity.
    ServerOverloaded,
    /// No such model, or not with this login.
    ModelNotFound,
    /// The backend refused the content.
    CyberPolicy,
    /// The backend failed.
    InternalServerError,
    /// The login is not good; see `additionalDetails`.
    Unauthorized,
    /// The backend did not understand the request.
    BadRequest,
    /// A command could not be sandboxed.
    SandboxError,
    /// None of the others.
    Other,
    /// The backend answered with this status.
    HttpConnectionFailed {
        /// Null when there was no answer.
        http_status_code: Option<u16>,
    },
    /// The stream could not be opened.
    ResponseStreamConnectionFailed {
        /// Null when there was no answer.
        http_status_code: Option<u16>,
    },
    /// The stream ended early.
    ResponseStreamDisconnected {
        /// Null when it was cut after a good start.
        http_status_code: Option<u16>,
    },
    /// Tried too often.
    ResponseTooManyFailedAttempts {
        /// Of the last attempt.
        http_status_code: Option<u16>,
    },
    /// A value of a newer version, kept as it came.
    #[serde(untagged)]
    #[schemars(skip)]
    #[ts(skip)]
    Unknown(Value),
}

/// `turn/started`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct TurnStartedNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn, without items.
    pub turn: Turn,
}

/// `turn/completed`: exactly one per turn, after its last item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct TurnCompletedNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn, with the model's last message as its only item, if there is one.
    pub turn: Turn,
}
