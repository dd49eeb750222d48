//! `turn/steer`.

use valet_agent::Said;
use valet_protocol::ErrorObject;
use valet_protocol::methods::TurnSteer;
use valet_protocol::v2::{TurnSteerParams, TurnSteerResponse};

use crate::context::Context;
use crate::convert::{control_error, input_from_wire};
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for TurnSteer {
    async fn handle(context: Context, params: TurnSteerParams, responder: Responder<Self>) {
        let thread = match context.thread(&params.thread_id) {
            Ok(thread) => thread,
            Err(error) => return responder.respond(Err(error)),
        };
        if params.input.is_empty() {
            return responder.respond(Err(ErrorObject::invalid_request_params("input must not be empty")));
        }
        let said = Said {
            input: params.input.into_iter().map(input_from_wire).collect(),
            client_id: params.client_user_message_id,
        };
        let turn_id = params.expected_turn_id;
        let response = TurnSteerResponse { turn_id: turn_id.clone() };
        let reply = |result: Result<(), _>| {
            responder.respond(result.map(|()| response).map_err(|error| control_error(&error)));
        };
        thread.conversation.steer(turn_id, said, reply).await;
    }
}
