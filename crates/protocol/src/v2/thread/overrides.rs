//! What `thread/resume` and `thread/fork` may change about the thread that they open.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::nullable;
use crate::v2::{AccountChoice, ApprovalsReviewer, AskForApproval, SandboxMode};

/// Settings for the turns to come. What is not set stays as the thread has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadOverrides {
    /// The model.
    pub model: Option<String>,
    /// A key of `model_providers` in the configuration.
    pub model_provider: Option<String>,
    /// The service tier. Null: none.
    #[serde(default, deserialize_with = "nullable::present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[ts(as = "Option<String>")]
    pub service_tier: Option<Option<String>>,
    /// The working directory.
    pub cwd: Option<String>,
    /// The directories that belong to the work, absolute. Experimental.
    pub runtime_workspace_roots: Option<Vec<String>>,
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
    /// Replaces the host's base instructions.
    pub base_instructions: Option<String>,
    /// Added to them.
    pub developer_instructions: Option<String>,
    /// What only Valet understands: the account that the thread runs under, also one that is loaded. Experimental.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valet: Option<AccountChoice>,
}
