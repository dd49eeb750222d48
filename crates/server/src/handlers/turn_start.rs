//! `turn/start`.

use std::sync::Arc;

use valet_agent::{Settings, Surroundings, TurnRequest};
use valet_protocol::methods::{ThreadSettingsUpdated, TurnStart};
use valet_protocol::v2::{ReasoningSummary, ThreadSettingsUpdatedNotification, TurnStartParams, TurnStartResponse};
use valet_protocol::{ErrorKind, ErrorObject};

use crate::convert;
use crate::dispatch::{Context, Handler};
use crate::responder::Responder;
use crate::threads::{Thread, ThreadSettings};

impl Handler for TurnStart {
    async fn handle(context: Context, params: TurnStartParams, responder: Responder<Self>) {
        let thread = match context.thread(&params.thread_id) {
            Ok(thread) => thread,
            Err(error) => return responder.respond(Err(error)),
        };
        match request(&context, &thread, params, responder) {
            Ok(request) => thread.conversation.turn(request).await,
            Err((responder, error)) => responder.respond(Err(error)),
        }
    }
}

/// What is in force is captured here, once; the turn does not look again.
fn request(
    context: &Context,
    thread: &Arc<Thread>,
    params: TurnStartParams,
    responder: Responder<TurnStart>,
) -> Result<TurnRequest, (Responder<TurnStart>, ErrorObject)> {
    let host = &context.host;
    let (mut settings, config) = {
        let record = thread.shared.record();
        (record.settings.clone(), Arc::clone(&record.config))
    };
    let changed = settings.change(&params);
    let login = host.accounts.current(context.connection.id);
    let provider = match config.provider(&settings.provider_id, login.as_ref().map(|login| login.mode())) {
        Ok(provider) => provider,
        Err(error) => {
            return Err((responder, ErrorObject::invalid_request(error.to_string()).kind(ErrorKind::AuthRequired)));
        }
    };
    let Some(origin) = context.connection.session().map(|session| Arc::clone(&session.origin)) else {
        return Err((responder, ErrorObject::internal("the connection is not initialized")));
    };
    // A key that the configuration names beats the login; a provider that wants neither gets neither.
    let login = login.filter(|_| config.uses_login(&settings.provider_id));
    let account = provider.key.clone().or(login);
    apply(thread, &settings);
    let accepted = {
        let thread = Arc::clone(thread);
        let settings = settings.clone();
        move |turn_id: &str| {
            responder.respond(Ok(TurnStartResponse { turn: convert::new_turn(turn_id) }));
            if changed {
                thread.shared.notify::<ThreadSettingsUpdated>(&ThreadSettingsUpdatedNotification {
                    thread_id: thread.id.clone(),
                    thread_settings: settings.to_wire(),
                });
            }
        }
    };
    Ok(TurnRequest {
        input: params.input.into_iter().map(convert::input_from_wire).collect(),
        client_id: params.client_user_message_id,
        settings: Settings {
            surroundings: surroundings(&settings),
            model: settings.model,
            provider,
            effort: settings.effort,
            summary: settings.summary.and_then(summary),
            verbosity: settings.verbosity,
            service_tier: settings.service_tier,
            output_schema: params.output_schema,
            base_instructions: settings.base_instructions,
            developer_instructions: settings.developer_instructions,
        },
        origin,
        account,
        accepted: Box::new(accepted),
    })
}

/// What a turn sets stays set for later turns, and shows in the thread.
fn apply(thread: &Thread, settings: &ThreadSettings) {
    let mut record = thread.shared.record();
    record.thread.model = Some(settings.model.clone());
    record.thread.reasoning_effort.clone_from(&settings.effort);
    record.thread.cwd.clone_from(&settings.cwd);
    record.thread.environments = Some(vec![settings.environment()]);
    record.settings = settings.clone();
}

fn summary(summary: ReasoningSummary) -> Option<&'static str> {
    match summary {
        ReasoningSummary::Auto => Some("auto"),
        ReasoningSummary::Concise => Some("concise"),
        ReasoningSummary::Detailed => Some("detailed"),
        ReasoningSummary::None => None,
    }
}

fn surroundings(settings: &ThreadSettings) -> Surroundings {
    let words = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(text)) => text,
        Ok(value) => value.get("type").and_then(serde_json::Value::as_str).unwrap_or("granular").to_owned(),
        Err(_) => "unknown".to_owned(),
    };
    Surroundings {
        cwd: settings.cwd.clone(),
        shell: std::env::var("SHELL").unwrap_or_else(|_| "sh".to_owned()),
        sandbox: words(serde_json::to_value(&settings.sandbox_policy)),
        approvals: words(serde_json::to_value(settings.approval_policy)),
    }
}
