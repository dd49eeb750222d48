//! What a turn may do: approvals, sandbox, reviewers. Shared by threads, turns and the configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// When the person is asked before a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(export_to = "v2/")]
pub enum AskForApproval {
    /// Before everything that is not known to be harmless.
    Untrusted,
    /// When the model asks for more than the sandbox allows.
    OnRequest,
    /// Per kind of question. Experimental.
    #[serde(rename = "granular")]
    Granular {
        /// Leaving the sandbox.
        #[serde(rename = "sandbox_approval")]
        sandbox_approval: bool,
        /// Commands that a rule wants to be asked about.
        rules: bool,
        /// Skills.
        #[serde(default, rename = "skill_approval")]
        skill_approval: bool,
        /// More permissions.
        #[serde(default, rename = "request_permissions")]
        request_permissions: bool,
        /// Questions of MCP servers.
        #[serde(rename = "mcp_elicitations")]
        mcp_elicitations: bool,
    },
    /// Never: what would need a question is refused.
    Never,
}

/// Who answers approvals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export_to = "v2/")]
pub enum ApprovalsReviewer {
    /// The person behind the client.
    #[default]
    User,
    /// A reviewing model.
    AutoReview,
    /// The older name of a reviewing model.
    GuardianSubagent,
}

/// The sandbox by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "kebab-case")]
#[ts(export_to = "v2/")]
pub enum SandboxMode {
    /// Commands may read.
    ReadOnly,
    /// Commands may also write below the working directory.
    WorkspaceWrite,
    /// No sandbox.
    DangerFullAccess,
}

/// Whether an outer sandbox lets the network through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum NetworkAccess {
    /// It does not.
    #[default]
    Restricted,
    /// It does.
    Enabled,
}

/// The sandbox in full. A sender may leave out everything but `type`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum SandboxPolicy {
    /// No sandbox.
    DangerFullAccess {},
    /// Commands may read.
    ReadOnly {
        /// Whether commands reach the network.
        #[serde(default)]
        #[ts(as = "Option<bool>", optional)]
        network_access: bool,
    },
    /// The parent has put the host into a sandbox of its own.
    ExternalSandbox {
        /// What that sandbox allows.
        #[serde(default)]
        #[ts(as = "Option<NetworkAccess>", optional)]
        network_access: NetworkAccess,
    },
    /// Commands may also write below the working directory and these roots.
    WorkspaceWrite {
        /// More directories that may be written.
        #[serde(default)]
        #[ts(as = "Option<Vec<String>>", optional)]
        writable_roots: Vec<String>,
        /// Whether commands reach the network.
        #[serde(default)]
        #[ts(as = "Option<bool>", optional)]
        network_access: bool,
        /// Keep `$TMPDIR` read-only.
        #[serde(default)]
        #[ts(as = "Option<bool>", optional)]
        exclude_tmpdir_env_var: bool,
        /// Keep `/tmp` read-only.
        #[serde(default)]
        #[ts(as = "Option<bool>", optional)]
        exclude_slash_tmp: bool,
    },
}

impl From<SandboxMode> for SandboxPolicy {
    fn from(mode: SandboxMode) -> Self {
        match mode {
            SandboxMode::ReadOnly => Self::ReadOnly { network_access: false },
            SandboxMode::WorkspaceWrite => Self::WorkspaceWrite {
                writable_roots: Vec::new(),
                network_access: false,
                exclude_tmpdir_env_var: false,
                exclude_slash_tmp: false,
            },
            SandboxMode::DangerFullAccess => Self::DangerFullAccess {},
        }
    }
}

/// How much of its reasoning the model tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningSummary {
    /// The backend chooses.
    Auto,
    /// A short one.
    Concise,
    /// A long one.
    Detailed,
    /// None.
    None,
}
