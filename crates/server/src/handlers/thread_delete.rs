//! `thread/delete`.

use valet_protocol::methods::{ThreadDelete, ThreadDeleted};
use valet_protocol::v2::{ThreadDeleteParams, ThreadDeleteResponse, ThreadDeletedNotification};
use valet_protocol::{ErrorKind, ErrorObject};
use valet_store::{Creator, Summary};

use super::thread_id_of;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ThreadDelete {
    async fn handle(context: Context, params: ThreadDeleteParams, responder: Responder<Self>) {
        let deleted = async {
            let id = thread_id_of(&params.thread_id)?;
            Ok((delete(&context, &id).await?, id))
        };
        match deleted.await {
            Ok((creator, thread_id)) => {
                responder.respond(Ok(ThreadDeleteResponse {}));
                let params = ThreadDeletedNotification { thread_id: thread_id.clone() };
                context.tell_of::<ThreadDeleted>(&thread_id, creator.as_ref(), &params);
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}

async fn delete(context: &Context, id: &str) -> Result<Option<Creator>, ErrorObject> {
    if let Some(thread) = context.loaded_thread(id)? {
        if thread.shared.stage().record.thread.ephemeral {
            let message = format!("thread is not persisted and cannot be deleted: {id}");
            return Err(ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported));
        }
        if !thread.shared.is_stored() {
            let creator = thread.creator();
            context.end_and_unload(id).await;
            return Ok(creator);
        }
    }
    let summary = context.stored_or_none_found(id).await?;
    context.end_and_unload(id).await;
    let Summary { id, creator, .. } = summary;
    context.with_store(move |store| store.delete(&id)).await?;
    Ok(creator)
}
