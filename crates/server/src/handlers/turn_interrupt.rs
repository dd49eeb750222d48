//! `turn/interrupt`.

use valet_protocol::methods::TurnInterrupt;
use valet_protocol::v2::{TurnInterruptParams, TurnInterruptResponse};

use crate::context::Context;
use crate::convert::control_error;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for TurnInterrupt {
    async fn handle(context: Context, params: TurnInterruptParams, responder: Responder<Self>) {
        let thread = match context.thread(&params.thread_id) {
            Ok(thread) => thread,
            Err(error) => return responder.respond(Err(error)),
        };
        let reply = |result: Result<(), _>| {
            responder.respond(result.map(|()| TurnInterruptResponse {}).map_err(|error| control_error(&error)));
        };
        thread.conversation.interrupt(Some(params.turn_id), reply).await;
    }
}
