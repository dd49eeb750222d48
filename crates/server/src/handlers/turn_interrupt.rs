//! `turn/interrupt`.

use valet_agent::InterruptError;
use valet_protocol::methods::TurnInterrupt;
use valet_protocol::v2::{TurnInterruptParams, TurnInterruptResponse};
use valet_protocol::{ErrorKind, ErrorObject};

use crate::dispatch::{Context, Handler};
use crate::responder::Responder;

impl Handler for TurnInterrupt {
    async fn handle(context: Context, params: TurnInterruptParams, responder: Responder<Self>) {
        let thread = match context.thread(&params.thread_id) {
            Ok(thread) => thread,
            Err(error) => return responder.respond(Err(error)),
        };
        let reply = |result: Result<(), InterruptError>| {
            responder.respond(result.map(|()| TurnInterruptResponse {}).map_err(|error| refusal(&error)));
        };
        thread.conversation.interrupt(Some(params.turn_id), reply).await;
    }
}

fn refusal(error: &InterruptError) -> ErrorObject {
    let kind = match error {
        InterruptError::Idle => ErrorKind::NoActiveTurn,
        InterruptError::Mismatch { .. } => ErrorKind::TurnMismatch,
    };
    ErrorObject::invalid_request(error.to_string()).kind(kind)
}
