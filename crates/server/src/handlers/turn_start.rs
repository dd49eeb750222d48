//! `turn/start`.

use std::sync::Arc;

use valet_agent::{Said, TurnRequest};
use valet_protocol::methods::TurnStart;
use valet_protocol::v2::{TurnStartParams, TurnStartResponse};

use crate::context::Context;
use crate::convert;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::threads::{Changes, terms};

impl Handler for TurnStart {
    async fn handle(context: Context, params: TurnStartParams, responder: Responder<Self>) {
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
            service_tier: params.service_tier.map(Some),
            collaboration_mode: params.collaboration_mode,
        };
        // What is in force is captured here, once; the turn does not look again.
        let captured = thread.changed(changes).and_then(|(settings, differs)| {
            let terms = terms(&context, &thread, &settings)?;
            Ok((settings, differs, terms))
        });
        let (settings, differs, mut terms) = match captured {
            Ok(captured) => captured,
            Err(error) => return responder.respond(Err(error)),
        };
        terms.settings.output_schema = params.output_schema;
        if let Some(tier) = params.service_tier_for_turn {
            terms.settings.service_tier = Some(tier);
        }
        thread.apply(&settings);
        thread.note_repository();
        let accepted = {
            let thread = Arc::clone(&thread);
            move |turn_id: &str| {
                responder.respond(Ok(TurnStartResponse { turn: convert::new_turn(turn_id) }));
                if differs {
                    thread.tell_settings();
                }
            }
        };
        let said = Said {
            input: params.input.into_iter().map(convert::input_from_wire).collect(),
            client_id: params.client_user_message_id,
        };
        thread.conversation.turn(TurnRequest { said, terms, accepted: Box::new(accepted) }).await;
    }
}
