//! What is in force for a turn: the settings of the thread, the account that it runs under, and who asks.

use std::sync::Arc;

use valet_agent::{Settings, Surroundings, Terms};
use valet_protocol::v2::ModeKind;
use valet_protocol::{ErrorKind, ErrorObject};

use super::{Thread, ThreadSettings};
use crate::context::Context;
use crate::convert;

/// Captures what is in force now.
pub(crate) fn terms(context: &Context, thread: &Thread, settings: &ThreadSettings) -> Result<Terms, ErrorObject> {
    let host = &context.host;
    let (config, client_tools, chosen) = {
        let record = &thread.shared.stage().record;
        (Arc::clone(&record.config), Arc::clone(&record.client_tools), record.account.clone())
    };
    let login = host.accounts.for_work(context.connection.id, chosen.as_ref())?;
    let provider = config
        .provider(&settings.provider_id, login.as_ref().map(|login| login.mode()))
        .map_err(|error| ErrorObject::invalid_request(error.to_string()).kind(ErrorKind::AuthRequired))?;
    let session =
        context.connection.session().ok_or_else(|| ErrorObject::internal("the connection is not initialized"))?;
    let account = config.payer(&provider, login);
    if account.is_none() && config.uses_login(&settings.provider_id) {
        // The reference sends it all the same, and so what the client is told is the backend's refusal.
        tracing::warn!(
            provider = settings.provider_id,
            "nobody is logged in for this turn: log in with `account/login/start`, or lend a token"
        );
    }
    Ok(Terms {
        settings: Settings {
            surroundings: surroundings(settings),
            model: settings.model.clone(),
            provider,
            effort: settings.effort.clone(),
            summary: settings.summary.and_then(convert::reasoning_summary),
            verbosity: settings.verbosity.clone(),
            service_tier: settings.service_tier.clone(),
            output_schema: None,
            base_instructions: settings.base_instructions.clone(),
            developer_instructions: settings.developer_instructions.clone(),
            home: config.home.clone(),
            approvals: convert::approvals(settings.approval_policy),
            sandbox: settings.sandbox.clone(),
            environment: Arc::clone(&config.keys.shell_environment_policy),
            client_tools,
            plan_mode: settings.mode == ModeKind::Plan,
            // The reference's own sample has 0 for none.
            compact_at: config.keys.model_auto_compact_token_limit.filter(|limit| *limit > 0),
        },
        origin: Arc::clone(&session.origin),
        account,
    })
}

fn surroundings(settings: &ThreadSettings) -> Surroundings {
    let words = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(text)) => text,
        Ok(value) => value.get("type").and_then(serde_json::Value::as_str).unwrap_or("granular").to_owned(),
        Err(_) => "unknown".to_owned(),
    };
    Surroundings {
        cwd: settings.cwd.clone(),
        shell: std::env::var("SHELL").ok().filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned()),
        sandbox: words(serde_json::to_value(&settings.sandbox_policy)),
        approvals: words(serde_json::to_value(settings.approval_policy)),
        mode: settings.mode_instructions.clone(),
    }
}
