//! `thread/unsubscribe`.

use valet_protocol::methods::ThreadUnsubscribe;
use valet_protocol::v2::{ThreadUnsubscribeParams, ThreadUnsubscribeResponse, ThreadUnsubscribeStatus};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ThreadUnsubscribe {
    async fn handle(context: Context, params: ThreadUnsubscribeParams, responder: Responder<Self>) {
        let status = context.loaded_thread(&params.thread_id).map(|thread| match thread {
            None => ThreadUnsubscribeStatus::NotLoaded,
            Some(thread) if thread.shared.leave(context.connection.id) => ThreadUnsubscribeStatus::Unsubscribed,
            Some(_) => ThreadUnsubscribeStatus::NotSubscribed,
        });
        responder.respond(status.map(|status| ThreadUnsubscribeResponse { status }));
    }
}
