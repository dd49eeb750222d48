//! `thread/settings/update`.

use valet_protocol::methods::{ThreadSettingsUpdate, ThreadSettingsUpdated};
use valet_protocol::v2::{
    ThreadSettingsUpdateParams, ThreadSettingsUpdateResponse, ThreadSettingsUpdatedNotification, TurnStartParams,
};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::threads::policy_or_profile;

impl Handler for ThreadSettingsUpdate {
    async fn handle(context: Context, params: ThreadSettingsUpdateParams, responder: Responder<Self>) {
        let thread = match context.thread(&params.thread_id) {
            Ok(thread) => thread,
            Err(error) => return responder.respond(Err(error)),
        };
        let policy = policy_or_profile(params.sandbox_policy, params.permissions.as_deref(), &context.host.config);
        let sandbox_policy = match policy {
            Ok(policy) => policy,
            Err(error) => return responder.respond(Err(error)),
        };
        let mut settings = thread.shared.stage().record.settings.clone();
        let before = settings.clone();
        if let Some(tier) = params.service_tier {
            settings.service_tier = tier;
        }
        // What a turn may change, without the turn.
        let changes = TurnStartParams {
            model: params.model,
            cwd: params.cwd,
            approval_policy: params.approval_policy,
            approvals_reviewer: params.approvals_reviewer,
            sandbox_policy,
            effort: params.effort,
            summary: params.summary,
            collaboration_mode: params.collaboration_mode,
            ..TurnStartParams::default()
        };
        settings.change(&changes, &context.host.config);
        if settings == before {
            return responder.respond(Ok(ThreadSettingsUpdateResponse {}));
        }
        thread.apply(&settings);
        responder.respond(Ok(ThreadSettingsUpdateResponse {}));
        let (thread_id, thread_settings) = (thread.id.clone(), settings.to_wire());
        let params = ThreadSettingsUpdatedNotification { thread_id, thread_settings };
        thread.shared.notify::<ThreadSettingsUpdated>(&params);
    }
}
