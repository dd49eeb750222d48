//! `turn/start`.

use std::sync::Arc;

use valet_agent::{Said, TurnRequest};
use valet_protocol::methods::{ThreadSettingsUpdated, TurnStart};
use valet_protocol::v2::{ThreadSettingsUpdatedNotification, TurnStartParams, TurnStartResponse};

use crate::context::Context;
use crate::convert;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::threads::{policy_or_profile, terms};

impl Handler for TurnStart {
    async fn handle(context: Context, mut params: TurnStartParams, responder: Responder<Self>) {
        let thread = match context.thread(&params.thread_id) {
            Ok(thread) => thread,
            Err(error) => return responder.respond(Err(error)),
        };
        match policy_or_profile(params.sandbox_policy, params.permissions.as_deref(), &context.host.config) {
            Ok(policy) => params.sandbox_policy = policy,
            Err(error) => return responder.respond(Err(error)),
        }
        // What is in force is captured here, once; the turn does not look again.
        let mut settings = thread.shared.stage().record.settings.clone();
        let changed = settings.change(&params, &context.host.config);
        let mut terms = match terms(&context, &thread, &settings) {
            Ok(terms) => terms,
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
                if changed {
                    thread.shared.notify::<ThreadSettingsUpdated>(&ThreadSettingsUpdatedNotification {
                        thread_id: thread.id.clone(),
                        thread_settings: settings.to_wire(),
                    });
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
