//! `thread/unarchive`.

use valet_protocol::methods::{ThreadUnarchive, ThreadUnarchived};
use valet_protocol::v2::{ThreadUnarchiveParams, ThreadUnarchiveResponse, ThreadUnarchivedNotification};
use valet_protocol::{ErrorKind, ErrorObject};
use valet_store::Summary;

use super::session_id_of;
use crate::context::Context;
use crate::convert;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ThreadUnarchive {
    async fn handle(context: Context, params: ThreadUnarchiveParams, responder: Responder<Self>) {
        match unarchive(&context, &params.thread_id).await {
            Ok(summary) => {
                responder.respond(Ok(ThreadUnarchiveResponse { thread: convert::thread(&summary) }));
                let params = ThreadUnarchivedNotification { thread_id: summary.id.clone() };
                context.tell_of::<ThreadUnarchived>(&summary.id, summary.creator.as_ref(), &params);
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}

async fn unarchive(context: &Context, thread_id: &str) -> Result<Summary, ErrorObject> {
    let id = session_id_of(thread_id)?;
    if !context.stored(&id).await?.is_some_and(|summary| summary.archived) {
        let message = format!("no archived rollout found for thread id {id}");
        return Err(ErrorObject::invalid_request(message).kind(ErrorKind::ThreadNotFound));
    }
    context.with_store(move |store| store.set_archived(&id, false)).await
}
