//! `thread/shellCommand`.

use std::time::Duration;

use valet_agent::ShellRequest;
use valet_protocol::ErrorObject;
use valet_protocol::methods::ThreadShellCommand;
use valet_protocol::v2::{ThreadShellCommandParams, ThreadShellCommandResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::threads::terms;

impl Handler for ThreadShellCommand {
    async fn handle(context: Context, params: ThreadShellCommandParams, responder: Responder<Self>) {
        if params.command.trim().is_empty() {
            return responder.respond(Err(ErrorObject::invalid_request_params("command must not be empty")));
        }
        let thread = match context.thread(&params.thread_id) {
            Ok(thread) => thread,
            Err(error) => return responder.respond(Err(error)),
        };
        let settings = thread.shared.stage().record.settings.clone();
        let terms = match terms(&context, &thread, &settings) {
            Ok(terms) => terms,
            Err(error) => return responder.respond(Err(error)),
        };
        responder.respond(Ok(ThreadShellCommandResponse {}));
        let timeout = params.timeout_ms.map(Duration::from_millis);
        let request = ShellRequest { command: params.command, timeout, terms, accepted: Box::new(|_| {}) };
        thread.conversation.shell(request).await;
    }
}
