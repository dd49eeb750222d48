//! `thread/start`, and what is in force after it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::open_enum::open_enum;
use crate::v2::{
    AccountChoice, ApprovalsReviewer, AskForApproval, DynamicToolSpec, SandboxMode, SandboxPolicy, Thread,
};

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
    /// A profile of permissions in the place of a sandbox, by its id: see `permissionProfile/list`. Experimental.
    pub permissions: Option<String>,
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
    /// What only Valet understands: the account that the thread runs under. Experimental.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valet: Option<AccountChoice>,
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
    #[schemars(with = "()")]
    #[ts(type = "null")]
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
