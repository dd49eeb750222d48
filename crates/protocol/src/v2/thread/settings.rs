//! What is in force for the turns of a thread.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::nullable;
use crate::v2::{
    ApprovalsReviewer, AskForApproval, MultiAgentMode, ReasoningSummary, SandboxPolicy, ThreadEnvironment,
    TurnEnvironmentParams,
};

/// `thread/settings/updated`: what is in force has changed. Not sent when nothing changed.
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
    #[schemars(with = "()")]
    #[ts(type = "null")]
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
    #[schemars(with = "()")]
    #[ts(type = "null")]
    pub personality: Option<Value>,
}

/// `thread/settings/update`: change what is in force without starting a turn. A running turn goes on as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadSettingsUpdateParams {
    /// A loaded thread.
    pub thread_id: String,
    /// The working directory. Without `environments`, commands run on this machine.
    pub cwd: Option<String>,
    /// Where commands run. Empty: nowhere.
    pub environments: Option<Vec<TurnEnvironmentParams>>,
    /// When to ask.
    pub approval_policy: Option<AskForApproval>,
    /// Whom to ask.
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    /// What commands may do.
    pub sandbox_policy: Option<SandboxPolicy>,
    /// A profile of permissions in the place of a sandbox, by its id: see `permissionProfile/list`.
    pub permissions: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The service tier. Null: none.
    #[serde(default, deserialize_with = "nullable::present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[ts(as = "Option<String>")]
    pub service_tier: Option<Option<String>>,
    /// How hard to think. An open string.
    pub effort: Option<String>,
    /// How much of the reasoning to tell.
    pub summary: Option<ReasoningSummary>,
    /// The mode of collaboration. Goes before `model` and `effort`.
    pub collaboration_mode: Option<CollaborationMode>,
}

/// The answer to `thread/settings/update`; `thread/settings/updated` follows if something changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadSettingsUpdateResponse {}

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
