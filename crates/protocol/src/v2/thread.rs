//! A conversation: its metadata, its state, and the methods on it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::{ApprovalsReviewer, AskForApproval, DynamicToolSpec, ReasoningSummary, SandboxMode, SandboxPolicy, Turn};
use crate::open_enum::open_enum;

/// `thread/start`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadStartParams {
    /// The model.
    pub model: Option<String>,
    /// A key of `model_providers` in the configuration.
    pub model_provider: Option<String>,
    /// The working directory. Need not exist.
    pub cwd: Option<String>,
    /// The service tier.
    pub service_tier: Option<String>,
    /// Replaces the host's base instructions.
    pub base_instructions: Option<String>,
    /// Added to them.
    pub developer_instructions: Option<String>,
    /// When to ask.
    pub approval_policy: Option<AskForApproval>,
    /// Whom to ask.
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    /// What commands may do.
    pub sandbox: Option<SandboxMode>,
    /// Configuration for this thread, by dotted key.
    #[ts(type = "Record<string, unknown> | null", optional)]
    pub config: Option<BTreeMap<String, Value>>,
    /// Never stored and never listed.
    pub ephemeral: Option<bool>,
    /// What started it, in the client's words.
    pub thread_source: Option<String>,
    /// The directories that belong to the work, absolute. Else the working directory. Experimental.
    pub runtime_workspace_roots: Option<Vec<String>>,
    /// Where commands run. Empty: nowhere. Else on this machine. Experimental.
    pub environments: Option<Vec<TurnEnvironmentParams>>,
    /// Tools that the client answers by `item/tool/call`. Experimental.
    pub dynamic_tools: Option<Vec<DynamicToolSpec>>,
}

/// The answer to `thread/start`. The caller is subscribed to the thread's events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadStartResponse {
    /// The thread.
    pub thread: Thread,
    /// The model in force.
    pub model: String,
    /// The provider in force.
    pub model_provider: String,
    /// The service tier in force.
    pub service_tier: Option<String>,
    /// Always empty here.
    pub disabled_plugin_ids: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// The directories that belong to the work.
    pub runtime_workspace_roots: Vec<String>,
    /// Files that instructions were read from.
    pub instruction_sources: Vec<String>,
    /// When the person is asked.
    pub approval_policy: AskForApproval,
    /// Who is asked.
    pub approvals_reviewer: ApprovalsReviewer,
    /// What commands may do.
    pub sandbox: SandboxPolicy,
    /// Always null here.
    #[ts(type = "unknown")]
    pub active_permission_profile: Option<Value>,
    /// How hard the model thinks, when somebody said so.
    pub reasoning_effort: Option<String>,
    /// How the model may delegate.
    pub multi_agent_mode: MultiAgentMode,
}

open_enum! {
    /// How the model may delegate to other agents.
    pub enum MultiAgentMode in "" {
        /// Only when asked to.
        ExplicitRequestOnly = "explicitRequestOnly",
        /// By itself.
        Proactive = "proactive",
    }
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct Thread {
    /// A uuid, version 7.
    pub id: String,
    /// Where its commands run. Null when it is not loaded.
    pub environments: Option<Vec<ThreadEnvironment>>,
    /// Null here.
    #[ts(type = "unknown")]
    pub extra: Option<Value>,
    /// Shared by threads that belong together; else the thread's id.
    pub session_id: String,
    /// The thread that it was forked from.
    pub forked_from_id: Option<String>,
    /// Null here.
    pub attached_to_thread_id: Option<String>,
    /// Null here.
    pub parent_thread_id: Option<String>,
    /// The first words of the person.
    pub preview: String,
    /// Whether it is never stored.
    pub ephemeral: bool,
    /// Null here.
    #[ts(type = "unknown")]
    pub section: Option<Value>,
    /// Null here.
    pub section_entered_at: Option<i64>,
    /// Null here.
    pub project_id: Option<String>,
    /// How its history is served.
    pub history_mode: ThreadHistoryMode,
    /// The provider in force.
    pub model_provider: String,
    /// The model in force.
    pub model: Option<String>,
    /// How hard the model thinks, when somebody said so.
    pub reasoning_effort: Option<String>,
    /// When it was started, in unix seconds.
    pub created_at: i64,
    /// When it last changed, in unix seconds.
    pub updated_at: i64,
    /// What lists sort by, in unix seconds.
    pub recency_at: Option<i64>,
    /// How it stands.
    pub status: ThreadStatus,
    /// Its file. Null when it is ephemeral.
    pub path: Option<String>,
    /// The working directory.
    pub cwd: String,
    /// The compatible version of the host that started it.
    pub cli_version: String,
    /// The name of the client that started it.
    pub originator: Option<String>,
    /// What kind of program started it.
    pub source: SessionSource,
    /// Whether `turn/start` is taken.
    pub can_accept_direct_input: Option<bool>,
    /// What started it, in the client's words.
    pub thread_source: Option<String>,
    /// Null here.
    pub agent_nickname: Option<String>,
    /// Null here.
    pub agent_role: Option<String>,
    /// The repository that it works in.
    pub git_info: Option<GitInfo>,
    /// A name given by a person.
    pub name: Option<String>,
    /// Null here.
    pub daybreak_enabled: Option<bool>,
    /// Empty unless turns were asked for.
    pub turns: Vec<Turn>,
}

/// Where a thread's commands run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadEnvironment {
    /// `local`.
    pub environment_id: String,
    /// The working directory.
    pub cwd: String,
    /// The directories that belong to the work.
    pub runtime_workspace_roots: Vec<String>,
}

/// Where a client wants commands to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct TurnEnvironmentParams {
    /// `local`, the only one here.
    pub environment_id: String,
    /// The working directory.
    pub cwd: String,
    /// The directories that belong to the work. Else the working directory.
    pub runtime_workspace_roots: Option<Vec<String>>,
}

/// The repository that a thread works in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct GitInfo {
    /// The commit.
    pub sha: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// Where it is pushed to.
    pub origin_url: Option<String>,
}

open_enum! {
    /// How a thread's history is served.
    pub enum ThreadHistoryMode in "v2/" {
        /// Whole.
        Legacy = "legacy",
        /// By pages.
        Paginated = "paginated",
    }
}

/// What kind of program started a thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub enum SessionSource {
    /// A terminal.
    Cli,
    /// An app server, whatever stands in front of it.
    #[serde(rename = "vscode")]
    VsCode,
    /// A single run.
    Exec,
    /// An app server.
    AppServer,
    /// Not known.
    Unknown,
    /// A value of a newer version, kept as it came.
    #[serde(untagged)]
    #[schemars(skip)]
    #[ts(skip)]
    Other(Value),
}

/// How a thread stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum ThreadStatus {
    /// Stored, not in memory.
    NotLoaded {},
    /// Waiting for input.
    Idle {},
    /// The last turn failed.
    SystemError {},
    /// A turn runs.
    Active {
        /// What it waits for; empty when it works.
        active_flags: Vec<ThreadActiveFlag>,
    },
    /// A state of a newer version, kept as it came.
    #[serde(untagged)]
    #[schemars(skip)]
    #[ts(skip)]
    Unknown(Value),
}

open_enum! {
    /// What a running turn waits for.
    pub enum ThreadActiveFlag in "v2/" {
        /// A person's approval.
        WaitingOnApproval = "waitingOnApproval",
        /// A person's answer.
        WaitingOnUserInput = "waitingOnUserInput",
    }
}

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

/// `thread/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadListParams {
    /// From an earlier answer.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// What to sort by. Default: `created_at`.
    pub sort_key: Option<ThreadSortKey>,
    /// Default: newest first.
    pub sort_direction: Option<SortDirection>,
    /// Only of these providers. Empty: of all.
    pub model_providers: Option<Vec<String>>,
    /// Archived threads instead of the others.
    pub archived: Option<bool>,
    /// Only of this working directory, or of these.
    pub cwd: Option<OneOrMany>,
    /// Only threads whose preview or name holds this text, in any case.
    pub search_term: Option<String>,
    /// Without these.
    pub excluded_thread_ids: Option<Vec<String>>,
    /// Accepted and without effect.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub use_state_db_only: bool,
    /// Only threads of the account that is logged in.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub current_account_only: bool,
}

/// One text or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(untagged)]
#[schemars(inline)]
#[ts(export_to = "v2/")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// Whether `text` is among them.
    pub fn contains(&self, text: &str) -> bool {
        match self {
            Self::One(one) => one == text,
            Self::Many(many) => many.iter().any(|one| one == text),
        }
    }
}

/// What a list of threads is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export_to = "v2/")]
pub enum ThreadSortKey {
    /// When the thread was started.
    #[default]
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// When it was last used.
    RecencyAt,
    /// Its place in its section.
    SectionPosition,
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export_to = "v2/")]
pub enum SortDirection {
    /// The smallest.
    Asc,
    /// The largest.
    #[default]
    Desc,
}

/// The answer to `thread/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadListResponse {
    /// One page, without turns.
    pub data: Vec<Thread>,
    /// What is unread in each.
    pub read_states: Option<BTreeMap<String, ThreadReadState>>,
    /// Null after the last page.
    pub next_cursor: Option<String>,
    /// For asking later what is newer than this page. Null when the page is empty.
    pub backwards_cursor: Option<String>,
}

/// `thread/loaded/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadLoadedListParams {
    /// From an earlier answer.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// The answer to `thread/loaded/list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadLoadedListResponse {
    /// The ids of threads in memory.
    pub data: Vec<String>,
    /// Null after the last page.
    pub next_cursor: Option<String>,
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

/// `thread/tokenUsage/updated`: after every model response that says what it cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadTokenUsageUpdatedNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// What was used.
    pub token_usage: ThreadTokenUsage,
}

/// What a thread has used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadTokenUsage {
    /// Since the thread began.
    pub total: TokenUsageBreakdown,
    /// By the last response.
    pub last: TokenUsageBreakdown,
    /// How much the model reads, less a reserve. Null for models that are not in the catalog.
    pub model_context_window: Option<i64>,
}

/// Tokens by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct TokenUsageBreakdown {
    /// Input and output.
    pub total_tokens: i64,
    /// Read by the model.
    pub input_tokens: i64,
    /// Of these, from the cache.
    pub cached_input_tokens: i64,
    /// Of these, written to the cache.
    pub cache_write_input_tokens: i64,
    /// Written by the model.
    pub output_tokens: i64,
    /// Of these, reasoning.
    pub reasoning_output_tokens: i64,
}

/// `thread/settings/updated`: a turn changed what is in force. Not sent when nothing changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadSettingsUpdatedNotification {
    /// The thread.
    pub thread_id: String,
    /// What is in force.
    pub thread_settings: ThreadSettings,
}

/// What is in force for the turns of a thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadSettings {
    /// Always empty here.
    pub disabled_plugin_ids: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// Where commands run.
    pub environments: Option<Vec<ThreadEnvironment>>,
    /// When the person is asked.
    pub approval_policy: AskForApproval,
    /// Who is asked.
    pub approvals_reviewer: ApprovalsReviewer,
    /// What commands may do.
    pub sandbox_policy: SandboxPolicy,
    /// Always null here.
    #[ts(type = "unknown")]
    pub active_permission_profile: Option<Value>,
    /// The model.
    pub model: String,
    /// The provider.
    pub model_provider: String,
    /// The service tier.
    pub service_tier: Option<String>,
    /// How hard the model thinks.
    pub effort: Option<String>,
    /// How much of its reasoning it tells.
    pub summary: Option<ReasoningSummary>,
    /// The mode of collaboration.
    pub collaboration_mode: CollaborationMode,
    /// How the model may delegate.
    pub multi_agent_mode: MultiAgentMode,
    /// Always null here.
    #[ts(type = "unknown")]
    pub personality: Option<Value>,
}

/// The mode of collaboration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct CollaborationMode {
    /// Which.
    pub mode: ModeKind,
    /// What the mode sets.
    pub settings: CollaborationSettings,
}

/// A mode of collaboration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub enum ModeKind {
    /// The model looks and asks, and proposes a plan. It changes nothing.
    Plan,
    /// The model works.
    #[default]
    Default,
}

/// What a mode of collaboration sets. Keys as in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(rename = "Settings")]
#[schemars(rename = "Settings")]
pub struct CollaborationSettings {
    /// The model.
    pub model: String,
    /// How hard it thinks.
    pub reasoning_effort: Option<String>,
    /// Added instructions. Null in a request: those of the mode.
    pub developer_instructions: Option<String>,
}
