//! `thread/archive`.

use valet_protocol::methods::{ThreadArchive, ThreadArchived};
use valet_protocol::v2::{ThreadArchiveParams, ThreadArchiveResponse, ThreadArchivedNotification};

use super::session_id_of;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ThreadArchive {
    async fn handle(context: Context, params: ThreadArchiveParams, responder: Responder<Self>) {
        let archived = async {
            let id = session_id_of(&params.thread_id)?;
            let summary = context.kept(&id).await?;
            context.end_and_unload(&id).await;
            context.with_store(move |store| store.set_archived(&summary.id, true)).await
        };
        match archived.await {
            Ok(summary) => {
                responder.respond(Ok(ThreadArchiveResponse {}));
                let params = ThreadArchivedNotification { thread_id: summary.id.clone() };
                context.tell_of::<ThreadArchived>(&summary.id, summary.creator.as_ref(), &params);
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}
