//! `thread/start`.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{SecondsFormat, Utc};
use uuid::Uuid;
use valet_agent::ClientTool;
use valet_protocol::methods::{ThreadStart, ThreadStarted};
use valet_protocol::{COMPATIBLE_VERSION, ErrorObject, v2};
use valet_store::NewLine;

use super::opened;
use crate::context::Context;
use crate::convert;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::rollout::{Instructions, SessionMeta};
use crate::threads::{Beginning, Record, ThreadSettings, absolute, sandbox_or_profile};

impl Handler for ThreadStart {
    async fn handle(context: Context, mut params: v2::ThreadStartParams, responder: Responder<Self>) {
        match sandbox_or_profile(params.sandbox, params.permissions.as_deref()) {
            Ok(sandbox) => params.sandbox = sandbox,
            Err(error) => return responder.respond(Err(error)),
        }
        let record = match record(&context, &params) {
            Ok(record) => record,
            Err(error) => return responder.respond(Err(error)),
        };
        let head = match head(&record, params.dynamic_tools) {
            Ok(head) => head,
            Err(error) => return responder.respond(Err(ErrorObject::internal(error.to_string()))),
        };
        let response = opened(&record.thread, &record.settings);
        let confined = !matches!(
            response.sandbox,
            v2::SandboxPolicy::DangerFullAccess {} | v2::SandboxPolicy::ExternalSandbox { .. }
        );
        let started = v2::ThreadStartedNotification { thread: record.thread.clone() };
        let (host, listener) = (&context.host, Arc::clone(&context.connection));
        let tenant = host.tenant(listener.id);
        let thread = host.threads.start(host, record, Beginning::New(head), tenant, Some(listener));
        context.forget_if_gone();
        responder.respond(Ok(response));
        thread.shared.tell::<ThreadStarted>(&started);
        if confined {
            // Beside the answer: it takes some milliseconds, once.
            let host = &context.host;
            host.sandbox_warning.try_out(&host.launcher, &host.connections).await;
        }
    }
}

fn record(context: &Context, params: &v2::ThreadStartParams) -> Result<Record, ErrorObject> {
    let own_config = params.config.as_ref().map(|keys| context.host.config.overlay(keys)).transpose();
    let own_config = own_config.map_err(convert::config_error)?;
    let config = own_config.as_ref().unwrap_or(&context.host.config);
    let settings = ThreadSettings::new(config, params, absolute(params.cwd.as_deref().unwrap_or(".")));
    config.check_provider(&settings.provider_id).map_err(convert::config_error)?;
    let ephemeral = params.ephemeral.unwrap_or_default();
    let id = Uuid::now_v7();
    let path = context.host.threads.store(ephemeral).place(id);
    let id = id.to_string();
    let now = Utc::now().timestamp();
    let thread = v2::Thread {
        environments: Some(vec![settings.environment()]),
        extra: None,
        session_id: id.clone(),
        id,
        forked_from_id: None,
        attached_to_thread_id: None,
        parent_thread_id: None,
        preview: String::new(),
        ephemeral,
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
        path: path.map(|path| path.display().to_string()),
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
    let config = own_config.map_or_else(|| Arc::clone(&context.host.config), Arc::new);
    let account = context.choice(params.valet.as_ref())?.flatten();
    let client_tools = convert::client_tools(params.dynamic_tools.as_deref().unwrap_or_default());
    check(&client_tools)?;
    Ok(Record {
        read_state: None,
        thread,
        settings,
        config,
        creator: context.creator_under(account.as_ref())?,
        account,
        token_usage: None,
        applied: None,
        client_tools: client_tools.into(),
    })
}

/// The backend would refuse every turn of a thread with tools that it cannot take.
fn check(tools: &[ClientTool]) -> Result<(), ErrorObject> {
    let refused = |words| Err(ErrorObject::invalid_request_params(words));
    let mut names = HashSet::new();
    for tool in tools {
        let name = &tool.name;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            return refused(format!("dynamic tool name must match ^[a-zA-Z0-9_-]+$ to match Responses API: {name}"));
        }
        if !names.insert(tool.full_name()) {
            return refused(format!("duplicate dynamic tool name: {name}"));
        }
        if !tool.parameters.is_object() {
            return refused(format!("dynamic tool input schema is not supported for {name}: it is no object"));
        }
    }
    Ok(())
}

/// The first line of the thread's log.
fn head(record: &Record, dynamic_tools: Option<Vec<v2::DynamicToolSpec>>) -> serde_json::Result<NewLine> {
    let base = valet_agent::base_instructions(record.settings.base_instructions.as_deref());
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let meta = SessionMeta {
        base_instructions: Some(Instructions { text: base.to_owned() }),
        dynamic_tools,
        ..SessionMeta::of(&record.thread, now, record.creator.as_ref())
    };
    meta.line()
}
