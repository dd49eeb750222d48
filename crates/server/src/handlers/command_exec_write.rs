//! `command/exec/write`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::mpsc::UnboundedSender;
use valet_protocol::ErrorObject;
use valet_protocol::methods::CommandExecWrite;
use valet_protocol::v2::CommandExecWriteParams;

use crate::context::Context;
use crate::dispatch::Handler;
use crate::processes::{Write, not_running};
use crate::responder::Responder;

impl Handler for CommandExecWrite {
    async fn handle(context: Context, params: CommandExecWriteParams, responder: Responder<Self>) {
        let name = params.process_id.clone();
        let (input, bytes) = match prepare(&context, &params) {
            Ok(prepared) => prepared,
            Err(error) => return responder.respond(Err(error)),
        };
        // Answered when the program has taken it; whatever else is asked of the program need not wait for that.
        if let Err(unsent) = input.send(Write { bytes, close: params.close_stdin, responder }) {
            unsent.0.responder.respond(Err(not_running(&name)));
        }
    }
}

fn prepare(
    context: &Context,
    params: &CommandExecWriteParams,
) -> Result<(UnboundedSender<Write>, Vec<u8>), ErrorObject> {
    if params.delta_base64.is_none() && !params.close_stdin {
        return Err(ErrorObject::contradiction("command/exec/write requires deltaBase64 or closeStdin"));
    }
    let bytes = STANDARD.decode(params.delta_base64.as_deref().unwrap_or_default());
    let bytes = bytes.map_err(|error| ErrorObject::contradiction(format!("invalid deltaBase64: {error}")))?;
    let process = context.host.processes.get(context.connection.id, &params.process_id)?;
    let input = process.input.clone();
    let closed = || ErrorObject::invalid_request("stdin streaming is not enabled for this command/exec");
    Ok((input.ok_or_else(closed)?, bytes))
}
