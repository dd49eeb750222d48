//! What is known of a thread: its metadata, what is in force for it, and its turns so far.

use std::path::Path;
use std::sync::Arc;

use valet_agent::{ClientTool, PLAN_MODE};
use valet_auth::Identity;
use valet_exec::Sandbox;
use valet_protocol::{ErrorObject, v2};
use valet_store::Creator;

use super::profiles::policy_or_profile;
use crate::config::Config;
use crate::rollout::Settings;
use crate::sandbox::sandbox;

/// Everything that reads of a thread are answered from.
pub(crate) struct Record {
    /// The metadata, without turns.
    pub(crate) thread: v2::Thread,
    pub(crate) settings: ThreadSettings,
    /// The configuration, with the keys that the thread was started with.
    pub(crate) config: Arc<Config>,
    /// The lent account that the next turns run under, and no other. None: whoever is logged in. Never stored.
    pub(crate) account: Option<Identity>,
    /// The account that the thread was started under.
    pub(crate) creator: Option<Creator>,
    pub(crate) read_state: Option<v2::ThreadReadState>,
    /// What was used so far, and by which turn last.
    pub(crate) token_usage: Option<(String, v2::ThreadTokenUsage)>,
    /// The settings as the log says them last.
    pub(crate) applied: Option<Settings>,
    /// Tools that the client declared.
    pub(crate) client_tools: Arc<[ClientTool]>,
}

/// What a client wants to be different in a thread from now on.
pub(crate) struct Changes {
    pub(crate) model: Option<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) approval_policy: Option<v2::AskForApproval>,
    pub(crate) approvals_reviewer: Option<v2::ApprovalsReviewer>,
    pub(crate) sandbox_policy: Option<v2::SandboxPolicy>,
    /// A profile in the place of a policy.
    pub(crate) permissions: Option<String>,
    pub(crate) effort: Option<String>,
    pub(crate) summary: Option<v2::ReasoningSummary>,
    /// None within: none.
    pub(crate) service_tier: Option<Option<String>>,
    pub(crate) collaboration_mode: Option<v2::CollaborationMode>,
}

/// What is in force for the next turn of a thread.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ThreadSettings {
    pub(crate) model: String,
    pub(crate) provider_id: String,
    pub(crate) cwd: String,
    pub(crate) effort: Option<String>,
    pub(crate) summary: Option<v2::ReasoningSummary>,
    pub(crate) verbosity: Option<String>,
    pub(crate) service_tier: Option<String>,
    pub(crate) approval_policy: v2::AskForApproval,
    pub(crate) approvals_reviewer: v2::ApprovalsReviewer,
    pub(crate) sandbox_policy: v2::SandboxPolicy,
    /// What the policy means here; its paths were resolved when it was set.
    pub(crate) sandbox: Sandbox,
    pub(crate) base_instructions: Option<String>,
    pub(crate) developer_instructions: Option<String>,
    pub(crate) mode: v2::ModeKind,
    /// What the mode asks of the model.
    pub(crate) mode_instructions: Option<String>,
}

impl ThreadSettings {
    /// What the configuration says, and the request on top of it.
    pub(crate) fn new(config: &Config, params: &v2::ThreadStartParams, cwd: String) -> Self {
        let keys = &config.keys;
        let sandbox_policy = params.sandbox.map_or_else(|| config.sandbox_policy(), |mode| config.sandbox_of(mode));
        Self {
            sandbox: sandbox(&sandbox_policy, Path::new(&cwd), config),
            model: params.model.clone().unwrap_or_else(|| config.model()),
            provider_id: params.model_provider.clone().unwrap_or_else(|| config.provider_id().to_owned()),
            cwd,
            effort: keys.model_reasoning_effort.clone(),
            summary: config.summary(),
            verbosity: keys.model_verbosity.clone(),
            service_tier: params.service_tier.clone().or_else(|| keys.service_tier.clone()),
            approval_policy: params.approval_policy.unwrap_or_else(|| config.approval_policy()),
            approvals_reviewer: params.approvals_reviewer.unwrap_or_else(|| config.approvals_reviewer()),
            sandbox_policy,
            base_instructions: params.base_instructions.clone().or_else(|| keys.instructions.clone()),
            developer_instructions: params
                .developer_instructions
                .clone()
                .or_else(|| keys.developer_instructions.clone()),
            mode: v2::ModeKind::Default,
            mode_instructions: None,
        }
    }

    /// The same with some of it changed; the configuration is the thread's own.
    ///
    /// # Errors
    ///
    /// The permissions that are asked for are unknown, or asked for twice.
    pub(crate) fn changed(&self, changes: Changes, config: &Config) -> Result<Self, ErrorObject> {
        let mut now = self.clone();
        let policy = policy_or_profile(changes.sandbox_policy, changes.permissions.as_deref(), config)?;
        set(&mut now.sandbox_policy, policy);
        set(&mut now.model, changes.model);
        set(&mut now.cwd, changes.cwd.map(|cwd| absolute(&cwd)));
        set(&mut now.approval_policy, changes.approval_policy);
        set(&mut now.approvals_reviewer, changes.approvals_reviewer);
        set(&mut now.service_tier, changes.service_tier);
        if let Some(v2::CollaborationMode { mode, settings }) = changes.collaboration_mode {
            let usual = (mode == v2::ModeKind::Plan).then(|| PLAN_MODE.to_owned());
            now.mode = mode;
            now.mode_instructions = settings.developer_instructions.or(usual);
            now.model = settings.model;
            now.effort = settings.reasoning_effort.or(now.effort);
        }
        now.effort = changes.effort.or(now.effort);
        now.summary = changes.summary.or(now.summary);
        if (&now.sandbox_policy, &now.cwd) != (&self.sandbox_policy, &self.cwd) {
            now.resolve_sandbox(config);
        }
        Ok(now)
    }

    /// To be called after the policy or the working directory was set.
    pub(crate) fn resolve_sandbox(&mut self, config: &Config) {
        self.sandbox = sandbox(&self.sandbox_policy, Path::new(&self.cwd), config);
    }

    /// For clients.
    pub(crate) fn to_wire(&self) -> v2::ThreadSettings {
        v2::ThreadSettings {
            disabled_plugin_ids: Vec::new(),
            cwd: self.cwd.clone(),
            environments: Some(vec![self.environment()]),
            approval_policy: self.approval_policy,
            approvals_reviewer: self.approvals_reviewer,
            sandbox_policy: self.sandbox_policy.clone(),
            active_permission_profile: None,
            model: self.model.clone(),
            model_provider: self.provider_id.clone(),
            service_tier: self.service_tier.clone(),
            effort: self.effort.clone(),
            summary: self.summary,
            collaboration_mode: v2::CollaborationMode {
                mode: self.mode,
                settings: v2::CollaborationSettings {
                    model: self.model.clone(),
                    reasoning_effort: self.effort.clone(),
                    developer_instructions: self.mode_instructions.clone(),
                },
            },
            multi_agent_mode: v2::MultiAgentMode::ExplicitRequestOnly,
            personality: None,
        }
    }

    /// Where commands run.
    pub(crate) fn environment(&self) -> v2::ThreadEnvironment {
        v2::ThreadEnvironment {
            environment_id: "local".to_owned(),
            cwd: self.cwd.clone(),
            runtime_workspace_roots: vec![self.cwd.clone()],
        }
    }
}

fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

/// A directory as an absolute path; relative ones start where the host was started.
pub(crate) fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}
