//! What is in force for a thread, as its log says it, and reading it back. The reference restores some of it from
//! `thread_settings_applied` and the rest from `turn_context`, so both are written; later lines win.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use valet_protocol::v2;
use valet_store::{Direction, Lines, Position, StoreError};

use super::line::SessionMeta;
use super::part;
use super::policy::{Profile, StoredSandbox};
use super::scan::Scan;

/// What is in force for a thread. None: the log does not say, or says that there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) model: Option<String>,
    pub(crate) provider_id: Option<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) effort: Option<String>,
    pub(crate) summary: Option<v2::ReasoningSummary>,
    pub(crate) verbosity: Option<String>,
    pub(crate) service_tier: Option<String>,
    pub(crate) approval_policy: Option<v2::AskForApproval>,
    pub(crate) approvals_reviewer: Option<v2::ApprovalsReviewer>,
    pub(crate) sandbox_policy: Option<v2::SandboxPolicy>,
    pub(crate) developer_instructions: Option<String>,
    pub(crate) mode: Option<v2::ModeKind>,
    /// What the mode asks of the model.
    pub(crate) mode_instructions: Option<String>,
}

/// The payload of a `turn_context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Context {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turn_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_turn_id: Option<String>,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default, deserialize_with = "part::lenient")]
    approval_policy: Option<v2::AskForApproval>,
    #[serde(default, deserialize_with = "part::lenient", skip_serializing_if = "Option::is_none")]
    approvals_reviewer: Option<v2::ApprovalsReviewer>,
    #[serde(default, deserialize_with = "part::lenient", skip_serializing_if = "Option::is_none")]
    permission_profile: Option<Profile>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default, deserialize_with = "part::lenient", skip_serializing_if = "Option::is_none")]
    collaboration_mode: Option<v2::CollaborationMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effort: Option<String>,
    #[serde(default, deserialize_with = "part::lenient", skip_serializing_if = "Option::is_none")]
    summary: Option<v2::ReasoningSummary>,
    #[serde(default, deserialize_with = "part::lenient", skip_serializing_if = "Option::is_none")]
    sandbox_policy: Option<StoredSandbox>,
    #[serde(default, deserialize_with = "part::lenient", skip_serializing_if = "Option::is_none")]
    valet: Option<Ours>,
}

/// What the reference keeps elsewhere, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Ours {
    model_provider: Option<String>,
    service_tier: Option<String>,
    verbosity: Option<String>,
    developer_instructions: Option<String>,
    /// What the agent notes of what the model was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Value>,
}

/// The member `thread_settings` of a `thread_settings_applied`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Applied {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    model_provider_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service_tier: Option<String>,
    #[serde(default, deserialize_with = "part::lenient")]
    approval_policy: Option<v2::AskForApproval>,
    #[serde(default, deserialize_with = "part::lenient")]
    approvals_reviewer: Option<v2::ApprovalsReviewer>,
    #[serde(default, deserialize_with = "part::lenient")]
    permission_profile: Option<Profile>,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default)]
    runtime_workspace_roots: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<String>,
    #[serde(default, deserialize_with = "part::lenient", skip_serializing_if = "Option::is_none")]
    reasoning_summary: Option<v2::ReasoningSummary>,
    #[serde(default, deserialize_with = "part::lenient")]
    collaboration_mode: Option<v2::CollaborationMode>,
    #[serde(default)]
    disabled_plugin_ids: Vec<String>,
}

impl Context {
    /// The same with what the agent notes.
    pub(crate) fn noting(mut self, agent: &impl Serialize) -> Self {
        self.valet.get_or_insert_default().agent = serde_json::to_value(agent).ok();
        self
    }

    /// What the agent noted.
    pub(crate) fn noted<T: DeserializeOwned>(payload: &RawValue) -> Option<T> {
        let context: Self = serde_json::from_str(payload.get()).ok()?;
        serde_json::from_value(context.valet?.agent?).ok()
    }
}

impl Settings {
    /// What the log says last. Looks at the first line, and back from the end until it knows.
    pub(crate) fn read(lines: &dyn Lines) -> Result<Self, StoreError> {
        let mut settings = Self::default();
        if let Some(first) = lines.read(Position::START, Direction::Forward, 0)?.first()
            && let Some(line) = first.envelope()
        {
            settings.line(&line.kind, line.payload);
        }
        let (mut context, mut applied) = (None, None);
        // Whichever is later is applied later.
        let mut applied_last = false;
        let mut scan = Scan::new(lines, lines.end()?, Direction::Backward);
        while (context.is_none() || (applied.is_none() && !whole(context.as_ref())))
            && let Some(line) = scan.next()?
        {
            let Some(line) = line.envelope() else { continue };
            if context.is_none() && line.kind == "turn_context" {
                context = serde_json::from_str::<Context>(line.payload.get()).ok();
            } else if applied.is_none() && line.kind == "event_msg" {
                applied = Applied::read(line.payload);
                applied_last |= applied.is_some() && context.is_none();
            }
        }
        match (context, applied) {
            (Some(context), Some(applied)) if applied_last => {
                settings.context(context);
                settings.applied(applied);
            }
            (context, applied) => {
                applied.into_iter().for_each(|applied| settings.applied(applied));
                context.into_iter().for_each(|context| settings.context(context));
            }
        }
        Ok(settings)
    }

    /// Takes in what a line of the log says. Lines come in the order of the log.
    pub(crate) fn line(&mut self, kind: &str, payload: &RawValue) {
        match kind {
            "session_meta" => {
                if let Ok(meta) = serde_json::from_str::<SessionMeta>(payload.get()) {
                    set(&mut self.cwd, Some(meta.cwd).filter(|cwd| !cwd.is_empty()));
                    set(&mut self.provider_id, meta.model_provider);
                }
            }
            "turn_context" => {
                if let Ok(context) = serde_json::from_str(payload.get()) {
                    self.context(context);
                }
            }
            "event_msg" => {
                if let Some(applied) = Applied::read(payload) {
                    self.applied(applied);
                }
            }
            _ => {}
        }
    }

    fn context(&mut self, context: Context) {
        set(&mut self.model, context.model);
        set(&mut self.cwd, context.cwd);
        set(&mut self.approval_policy, context.approval_policy);
        set(&mut self.approvals_reviewer, context.approvals_reviewer);
        let cwd = self.cwd.as_deref().unwrap_or_default();
        let of_profile = context.permission_profile.and_then(|profile| profile.policy(cwd));
        set(&mut self.sandbox_policy, context.sandbox_policy.map(Into::into).or(of_profile));
        self.mode(context.collaboration_mode);
        self.effort = context.effort;
        if let Some(ours) = context.valet {
            set(&mut self.provider_id, ours.model_provider);
            self.summary = context.summary;
            self.service_tier = ours.service_tier;
            self.verbosity = ours.verbosity;
            self.developer_instructions = ours.developer_instructions;
        }
    }

    fn applied(&mut self, applied: Applied) {
        set(&mut self.model, applied.model);
        set(&mut self.provider_id, applied.model_provider_id);
        set(&mut self.cwd, applied.cwd);
        set(&mut self.approval_policy, applied.approval_policy);
        set(&mut self.approvals_reviewer, applied.approvals_reviewer);
        let cwd = self.cwd.as_deref().unwrap_or_default();
        set(&mut self.sandbox_policy, applied.permission_profile.and_then(|profile| profile.policy(cwd)));
        self.mode(applied.collaboration_mode);
        self.effort = applied.reasoning_effort;
        self.service_tier = applied.service_tier;
        // The reference's `turn_context` has `none` here, whatever is in force.
        self.summary = applied.reasoning_summary;
    }

    fn mode(&mut self, mode: Option<v2::CollaborationMode>) {
        if let Some(mode) = mode {
            self.mode = Some(mode.mode);
            self.mode_instructions = mode.settings.developer_instructions;
        }
    }

    /// For the `turn_context` of a turn.
    pub(crate) fn to_context(&self, turn_id: &str, root_turn_id: &str) -> Context {
        let settings = self.clone();
        Context {
            turn_id: Some(turn_id.to_owned()),
            root_turn_id: Some(root_turn_id.to_owned()),
            collaboration_mode: self.collaboration_mode(),
            permission_profile: self.profile(),
            cwd: settings.cwd,
            approval_policy: settings.approval_policy,
            approvals_reviewer: settings.approvals_reviewer,
            model: settings.model,
            effort: settings.effort,
            summary: settings.summary,
            sandbox_policy: settings.sandbox_policy.map(Into::into),
            valet: Some(Ours {
                model_provider: settings.provider_id,
                service_tier: settings.service_tier,
                verbosity: settings.verbosity,
                developer_instructions: settings.developer_instructions,
                agent: None,
            }),
        }
    }

    /// For a `thread_settings_applied`.
    pub(crate) fn to_applied(&self) -> Applied {
        let settings = self.clone();
        Applied {
            collaboration_mode: self.collaboration_mode(),
            permission_profile: self.profile(),
            runtime_workspace_roots: settings.cwd.iter().cloned().collect(),
            model: settings.model,
            model_provider_id: settings.provider_id,
            service_tier: settings.service_tier,
            approval_policy: settings.approval_policy,
            approvals_reviewer: settings.approvals_reviewer,
            cwd: settings.cwd,
            reasoning_effort: settings.effort,
            reasoning_summary: settings.summary,
            disabled_plugin_ids: Vec::new(),
        }
    }

    fn collaboration_mode(&self) -> Option<v2::CollaborationMode> {
        let settings = v2::CollaborationSettings {
            model: self.model.clone()?,
            reasoning_effort: self.effort.clone(),
            developer_instructions: self.mode_instructions.clone(),
        };
        Some(v2::CollaborationMode { mode: self.mode?, settings })
    }

    fn profile(&self) -> Option<Profile> {
        Some(Profile::of(self.sandbox_policy.as_ref()?, self.cwd.as_deref()?))
    }
}

impl Applied {
    /// The payload of an `event_msg`, if it is one of these.
    fn read(payload: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Event {
            thread_settings: Applied,
        }
        // Most events are not; the name is looked for first, because that is quick.
        let is_one = payload.get().contains("thread_settings_applied");
        is_one.then(|| serde_json::from_str::<Event>(payload.get()).ok()).flatten().map(|event| event.thread_settings)
    }
}

/// Whether nothing else need be looked for.
fn whole(context: Option<&Context>) -> bool {
    context.is_some_and(|context| context.valet.is_some())
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *slot = value;
    }
}
