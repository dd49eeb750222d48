//! One exchange: what the person asked, what was added on the way, and how it ended.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::{
    ApprovalsReviewer, AskForApproval, CollaborationMode, ReasoningSummary, SandboxPolicy, ThreadItem,
    TurnEnvironmentParams, UserInput,
};
use crate::open_enum::open_enum;

/// `turn/start`. What is set here stays set for later turns of the thread, unless it says otherwise.
///
/// While a turn runs this is a steer: the input joins it, and the answer names it.
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
    /// The turn that caused this one. For this turn only.
    pub parent_turn_id: Option<String>,
    /// The `rootTurnId` of that turn. Else this turn is its own root. For this turn only.
    pub root_turn_id: Option<String>,
    /// What else the model should know, by a name that the client chooses. Experimental.
    pub additional_context: Option<BTreeMap<String, AdditionalContextEntry>>,
    /// Words about the turn for the backend: members of the `x-codex-turn-metadata` that goes with each
    /// request. Replaces those of earlier turns; the host's own members stay. Experimental.
    pub responsesapi_client_metadata: Option<BTreeMap<String, String>>,
    /// The same, added to those of earlier turns. Experimental.
    pub responsesapi_client_metadata_patch: Option<BTreeMap<String, String>>,
    /// Where commands run. Empty: nowhere, for this turn. Experimental.
    pub environments: Option<Vec<TurnEnvironmentParams>>,
    /// The working directory.
    pub cwd: Option<String>,
    /// The directories that belong to the work, absolute. Experimental.
    pub runtime_workspace_roots: Option<Vec<String>>,
    /// When to ask.
    pub approval_policy: Option<AskForApproval>,
    /// Whom to ask.
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    /// What commands may do.
    pub sandbox_policy: Option<SandboxPolicy>,
    /// A profile of permissions in the place of a sandbox, by its id: see `permissionProfile/list`. Experimental.
    pub permissions: Option<String>,
    /// The model. Not checked here: a name that the backend refuses fails the turn.
    pub model: Option<String>,
    /// The service tier.
    pub service_tier: Option<String>,
    /// The service tier for this turn only. `default` is the plain one.
    pub service_tier_for_turn: Option<String>,
    /// How hard to think. An open string.
    pub effort: Option<String>,
    /// How much of the reasoning to tell.
    pub summary: Option<ReasoningSummary>,
    /// A JSON Schema that the final answer must fit. For this turn only.
    #[ts(type = "unknown", optional)]
    pub output_schema: Option<Value>,
    /// The mode of collaboration. Goes before `model` and `effort`. Experimental.
    pub collaboration_mode: Option<CollaborationMode>,
}

/// Something else that the model should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct AdditionalContextEntry {
    /// In words for the model.
    pub value: String,
    /// How far to trust it.
    pub kind: AdditionalContextKind,
    /// What to call it. Only with `untrusted`.
    pub name: Option<String>,
}

/// How far the model should trust what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum AdditionalContextKind {
    /// It comes from outside: something to read, not to obey.
    Untrusted,
    /// It comes from the client itself.
    Application,
}

/// The answer to `turn/start`. Sent before `turn/started` and every item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct TurnStartResponse {
    /// The turn, in progress and without items.
    pub turn: Turn,
}

/// `turn/steer`: add input to the turn that runs.
///
/// What the model is saying is cut; it goes on with the input in front of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct TurnSteerParams {
    /// The thread.
    pub thread_id: String,
    /// Must be the running turn.
    pub expected_turn_id: String,
    /// What the person says.
    pub input: Vec<UserInput>,
    /// Comes back as `clientId` of the user's item.
    pub client_user_message_id: Option<String>,
    /// As in `turn/start`. Experimental.
    pub additional_context: Option<BTreeMap<String, AdditionalContextEntry>>,
    /// As in `turn/start`. Experimental.
    pub responsesapi_client_metadata: Option<BTreeMap<String, String>>,
    /// As in `turn/start`. Experimental.
    pub responsesapi_client_metadata_patch: Option<BTreeMap<String, String>>,
}

/// The answer to `turn/steer`. Sent before the user's item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct TurnSteerResponse {
    /// The running turn.
    pub turn_id: String,
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
    #[schemars(with = "()")]
    #[ts(type = "null")]
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
