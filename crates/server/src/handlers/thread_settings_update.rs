//! `thread/settings/update`.

use valet_protocol::methods::ThreadSettingsUpdate;
use valet_protocol::v2::{ThreadSettingsUpdateParams, ThreadSettingsUpdateResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::threads::Changes;

impl Handler for ThreadSettingsUpdate {
    async fn handle(context: Context, params: ThreadSettingsUpdateParams, responder: Responder<Self>) {
        let thread = match context.thread(&params.thread_id) {
            Ok(thread) => thread,
            Err(error) => return responder.respond(Err(error)),
        };
        let changes = Changes {
            model: params.model,
            cwd: params.cwd,
            approval_policy: params.approval_policy,
            approvals_reviewer: params.approvals_reviewer,
            sandbox_policy: params.sandbox_policy,
            permissions: params.permissions,
            effort: params.effort,
            summary: params.summary,
            service_tier: params.service_tier,
            collaboration_mode: params.collaboration_mode,
        };
        let settings = match thread.changed(changes) {
            Ok((settings, true)) => settings,
            Ok((_, false)) => return responder.respond(Ok(ThreadSettingsUpdateResponse {})),
            Err(error) => return responder.respond(Err(error)),
        };
        thread.apply(&settings);
        responder.respond(Ok(ThreadSettingsUpdateResponse {}));
        thread.tell_settings();
    }
}
