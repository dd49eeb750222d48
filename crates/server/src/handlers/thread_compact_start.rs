//! `thread/compact/start`.

use valet_protocol::methods::ThreadCompactStart;
use valet_protocol::v2::{ThreadCompactStartParams, ThreadCompactStartResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::threads::terms;

impl Handler for ThreadCompactStart {
    async fn handle(context: Context, params: ThreadCompactStartParams, responder: Responder<Self>) {
        let thread = match context.thread(&params.thread_id) {
            Ok(thread) => thread,
            Err(error) => return responder.respond(Err(error)),
        };
        let settings = thread.shared.stage().record.settings.clone();
        match terms(&context, &thread, &settings) {
            Ok(terms) => {
                responder.respond(Ok(ThreadCompactStartResponse {}));
                thread.conversation.compact(terms, |_| {}).await;
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}
