//! Taking a stored thread up again: its settings come from its log, and what the model was given is read beside the
//! answer.

use std::sync::Arc;

use futures_util::FutureExt;
use valet_agent::Past;
use valet_auth::Identity;
use valet_protocol::{ErrorObject, v2};
use valet_store::{Direction, Lines, StoreError, Summary, ThreadLog, Until};

use super::past;
use super::record::{Record, ThreadSettings, absolute};
use super::{Beginning, Thread, sandbox_or_profile};
use crate::blocking::blocking;
use crate::config::Config;
use crate::connection::Connection;
use crate::context::Context;
use crate::convert;
use crate::rollout::{Scan, SessionMeta, Settings, TokenInfo, started};

/// What a log says of the thread that is to go on.
pub(crate) struct Stored {
    log: Box<dyn ThreadLog>,
    meta: SessionMeta,
    settings: Settings,
}

impl Stored {
    /// Reads what is needed to go on with a log. May wait for a disk.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub(crate) fn read(log: Box<dyn ThreadLog>) -> Result<Self, StoreError> {
        let lines = log.lines();
        Ok(Self { meta: SessionMeta::read(&*lines)?, settings: Settings::read(&*lines)?, log })
    }
}

/// Loads a thread that is stored, with some of its settings changed, with its first listener, if it has one yet, and
/// with the account that was chosen for it.
///
/// # Errors
///
/// The configuration does not allow what is to be changed.
pub(crate) fn open(
    context: &Context,
    summary: &Summary,
    stored: Stored,
    overrides: &v2::ThreadOverrides,
    ephemeral: bool,
    listener: Option<Arc<Connection>>,
    account: Option<Identity>,
) -> Result<Arc<Thread>, ErrorObject> {
    let host = &context.host;
    let config = configuration(&host.config, overrides)?;
    let mut settings = ThreadSettings::new(&config, &v2::ThreadStartParams::default(), summary.cwd.clone());
    settings.restore(stored.settings.clone(), &config);
    settings.base_instructions = stored.meta.base_instructions.map(|base| base.text).or(settings.base_instructions);
    settings.override_with(overrides, &config)?;
    config.check_provider(&settings.provider_id).map_err(convert::config_error)?;
    let end = stored.log.lines().end().map_err(convert::store_error)?;
    let lines = Until::new(stored.log.lines(), end);
    let record = Record {
        thread: v2::Thread { ephemeral, ..loaded(summary, &settings) },
        config,
        account,
        creator: summary.creator.clone(),
        read_state: summary.read_state.as_ref().map(convert::read_state),
        token_usage: last_usage(&lines).map_err(convert::store_error)?,
        client_tools: convert::client_tools(&stored.meta.dynamic_tools.unwrap_or_default()).into(),
        applied: Some(stored.settings),
        settings,
    };
    let past = read_past(lines).boxed();
    let tenant = host.tenant(context.connection.id);
    Ok(host.threads.start(host, record, Beginning::Stored(stored.log, past), tenant, listener))
}

/// The configuration with what is to be different for one thread.
///
/// # Errors
///
/// It is not allowed.
pub(crate) fn configuration(config: &Arc<Config>, overrides: &v2::ThreadOverrides) -> Result<Arc<Config>, ErrorObject> {
    match &overrides.config {
        Some(keys) => config.overlay(keys).map(Arc::new).map_err(convert::config_error),
        None => Ok(Arc::clone(config)),
    }
}

/// The thread as one that is loaded.
fn loaded(summary: &Summary, settings: &ThreadSettings) -> v2::Thread {
    v2::Thread {
        environments: Some(vec![settings.environment()]),
        status: v2::ThreadStatus::Idle {},
        can_accept_direct_input: Some(true),
        model: Some(settings.model.clone()),
        model_provider: settings.provider_id.clone(),
        reasoning_effort: settings.effort.clone(),
        cwd: settings.cwd.clone(),
        ..convert::thread(summary)
    }
}

/// Reads what the model was given, where it may wait for a disk.
async fn read_past(lines: Until) -> Result<Past, String> {
    blocking(move || past::read(&lines).map_err(|error| ErrorObject::internal(error.to_string())))
        .await
        .map_err(|error| error.message)
}

impl ThreadSettings {
    /// What the log says, where it says something.
    fn restore(&mut self, stored: Settings, config: &Config) {
        let Settings { mode, mode_instructions, .. } = stored;
        self.model = stored.model.unwrap_or(std::mem::take(&mut self.model));
        self.provider_id = stored.provider_id.unwrap_or(std::mem::take(&mut self.provider_id));
        self.cwd = stored.cwd.unwrap_or(std::mem::take(&mut self.cwd));
        self.effort = stored.effort.or(self.effort.take());
        self.summary = stored.summary.or(self.summary);
        self.verbosity = stored.verbosity.or(self.verbosity.take());
        self.service_tier = stored.service_tier.or(self.service_tier.take());
        self.approval_policy = stored.approval_policy.unwrap_or(self.approval_policy);
        self.approvals_reviewer = stored.approvals_reviewer.unwrap_or(self.approvals_reviewer);
        self.developer_instructions = stored.developer_instructions.or(self.developer_instructions.take());
        self.mode = mode.unwrap_or_default();
        self.mode_instructions = mode_instructions;
        if let Some(policy) = stored.sandbox_policy {
            self.sandbox_policy = policy;
        }
        self.resolve_sandbox(config);
    }

    /// What a client wants to be different from now on.
    fn override_with(&mut self, overrides: &v2::ThreadOverrides, config: &Config) -> Result<(), ErrorObject> {
        let v2::ThreadOverrides { model, model_provider, service_tier, cwd, .. } = overrides.clone();
        self.model = model.unwrap_or(std::mem::take(&mut self.model));
        self.provider_id = model_provider.unwrap_or(std::mem::take(&mut self.provider_id));
        self.service_tier = service_tier.unwrap_or(self.service_tier.take());
        self.cwd = cwd.map_or(std::mem::take(&mut self.cwd), |cwd| absolute(&cwd));
        self.approval_policy = overrides.approval_policy.unwrap_or(self.approval_policy);
        self.approvals_reviewer = overrides.approvals_reviewer.unwrap_or(self.approvals_reviewer);
        self.base_instructions = overrides.base_instructions.clone().or(self.base_instructions.take());
        self.developer_instructions = overrides.developer_instructions.clone().or(self.developer_instructions.take());
        if let Some(mode) = sandbox_or_profile(overrides.sandbox, overrides.permissions.as_deref())? {
            self.sandbox_policy = config.sandbox_of(mode);
        }
        self.resolve_sandbox(config);
        Ok(())
    }

    /// For the log.
    pub(crate) fn stored(&self) -> Settings {
        let settings = self.clone();
        Settings {
            model: Some(settings.model),
            provider_id: Some(settings.provider_id),
            cwd: Some(settings.cwd),
            effort: settings.effort,
            summary: settings.summary,
            verbosity: settings.verbosity,
            service_tier: settings.service_tier,
            approval_policy: Some(settings.approval_policy),
            approvals_reviewer: Some(settings.approvals_reviewer),
            sandbox_policy: Some(settings.sandbox_policy),
            developer_instructions: settings.developer_instructions,
            mode: Some(settings.mode),
            mode_instructions: settings.mode_instructions,
        }
    }
}

/// How much of a log is looked at for what was used, in bytes.
const LOOK: usize = 4 * 1024 * 1024;

/// What was used last, and by which turn, unless that is far back.
pub(super) fn last_usage(lines: &dyn Lines) -> Result<Option<(String, v2::ThreadTokenUsage)>, StoreError> {
    let mut usage = None;
    let mut scan = Scan::new(lines, lines.end()?, Direction::Backward);
    while scan.taken < LOOK
        && let Some(line) = scan.next()?
    {
        let Some(line) = line.envelope().filter(|line| line.kind == "event_msg") else { continue };
        if usage.is_none() && line.payload.get().contains("\"token_count\"") {
            usage = TokenInfo::read(line.payload);
        } else if usage.is_some()
            && let Some(turn_id) = started(line.payload)
        {
            return Ok(usage.map(|usage| (turn_id, usage)));
        }
    }
    Ok(None)
}
