//! `command/exec/terminate`.

use valet_protocol::methods::CommandExecTerminate;
use valet_protocol::v2::{CommandExecTerminateParams, CommandExecTerminateResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for CommandExecTerminate {
    async fn handle(context: Context, params: CommandExecTerminateParams, responder: Responder<Self>) {
        let found = context.host.processes.get(context.connection.id, &params.process_id);
        responder.respond(found.map(|process| {
            process.running.terminate();
            CommandExecTerminateResponse {}
        }));
    }
}
