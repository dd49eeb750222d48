//! `thread/start`.

use std::sync::Arc;

use uuid::Uuid;
use valet_protocol::methods::{ThreadStart, ThreadStarted};
use valet_protocol::{COMPATIBLE_VERSION, ErrorKind, ErrorObject, v2};

use crate::connection::Audience;
use crate::convert::{self, now_ms};
use crate::dispatch::{Context, Handler};
use crate::responder::Responder;
use crate::threads::{Record, ThreadSettings, absolute};

impl Handler for ThreadStart {
    async fn handle(context: Context, params: v2::ThreadStartParams, responder: Responder<Self>) {
        let record = match record(&context, &params) {
            Ok(record) => record,
            Err(error) => return responder.respond(Err(error)),
        };
        let response = response(&record);
        let confined = !matches!(
            response.sandbox,
            v2::SandboxPolicy::DangerFullAccess {} | v2::SandboxPolicy::ExternalSandbox { .. }
        );
        let started = v2::ThreadStartedNotification { thread: record.summary() };
        context.host.threads.start(&context.host, record, Arc::clone(&context.connection));
        context.forget_if_gone();
        responder.respond(Ok(response));
        let audience = Audience::of(context.host.tenant(context.connection.id));
        context.host.connections.tell::<ThreadStarted>(audience, &started);
        if confined {
            // Beside the answer: it takes some milliseconds, once.
            let host = &context.host;
            host.sandbox_warning.try_out(&host.launcher, &host.connections).await;
        }
    }
}

fn record(context: &Context, params: &v2::ThreadStartParams) -> Result<Record, ErrorObject> {
    let refused = |error: crate::ConfigError| {
        ErrorObject::invalid_request(format!("failed to load configuration: {error}")).kind(ErrorKind::InvalidParams)
    };
    let own_config = params.config.as_ref().map(|keys| context.host.config.overlay(keys)).transpose();
    let own_config = own_config.map_err(refused)?;
    let config = own_config.as_ref().unwrap_or(&context.host.config);
    let settings = ThreadSettings::new(config, params, absolute(params.cwd.as_deref().unwrap_or(".")));
    config.check_provider(&settings.provider_id).map_err(refused)?;
    let id = Uuid::now_v7().to_string();
    let now = now_ms() / 1000;
    let thread = v2::Thread {
        environments: Some(vec![settings.environment()]),
        extra: None,
        session_id: id.clone(),
        id,
        forked_from_id: None,
        attached_to_thread_id: None,
        parent_thread_id: None,
        preview: String::new(),
        ephemeral: params.ephemeral.unwrap_or_default(),
        section: None,
        section_entered_at: None,
        project_id: None,
        history_mode: v2::ThreadHistoryMode::Paginated,
        model_provider: settings.provider_id.clone(),
        model: Some(settings.model.clone()),
        reasoning_effort: settings.effort.clone(),
        created_at: now,
        updated_at: now,
        recency_at: Some(now),
        status: v2::ThreadStatus::Idle {},
        // Threads live in memory: there is no file yet.
        path: None,
        cwd: settings.cwd.clone(),
        cli_version: COMPATIBLE_VERSION.to_owned(),
        originator: context.connection.session().map(|session| session.origin.originator.clone()),
        source: v2::SessionSource::VsCode,
        can_accept_direct_input: Some(true),
        thread_source: params.thread_source.clone(),
        agent_nickname: None,
        agent_role: None,
        git_info: None,
        name: None,
        daybreak_enabled: None,
        turns: Vec::new(),
    };
    let account_id = context.host.accounts.current_account_id(context.connection.id);
    let config = own_config.map_or_else(|| Arc::clone(&context.host.config), Arc::new);
    let client_tools = convert::client_tools(params.dynamic_tools.as_deref().unwrap_or_default()).into();
    Ok(Record { thread, settings, config, account_id, turns: Vec::new(), read_state: None, client_tools })
}

fn response(record: &Record) -> v2::ThreadStartResponse {
    let settings = &record.settings;
    v2::ThreadStartResponse {
        thread: record.summary(),
        model: settings.model.clone(),
        model_provider: settings.provider_id.clone(),
        service_tier: settings.service_tier.clone(),
        disabled_plugin_ids: Vec::new(),
        cwd: settings.cwd.clone(),
        runtime_workspace_roots: vec![settings.cwd.clone()],
        instruction_sources: instruction_sources(&settings.cwd),
        approval_policy: settings.approval_policy,
        approvals_reviewer: settings.approvals_reviewer,
        sandbox: settings.sandbox_policy.clone(),
        active_permission_profile: None,
        reasoning_effort: settings.effort.clone(),
        multi_agent_mode: v2::MultiAgentMode::ExplicitRequestOnly,
    }
}

/// The files of the project that the model will be told of.
fn instruction_sources(cwd: &str) -> Vec<String> {
    valet_agent::project::files(cwd.as_ref()).into_iter().map(|file| file.display().to_string()).collect()
}
