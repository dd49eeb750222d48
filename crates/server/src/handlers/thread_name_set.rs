//! `thread/name/set`.

use valet_protocol::ErrorObject;
use valet_protocol::methods::{ThreadNameSet, ThreadNameUpdated};
use valet_protocol::v2::{ThreadNameUpdatedNotification, ThreadSetNameParams, ThreadSetNameResponse};
use valet_store::Summary;

use super::thread_id_of;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ThreadNameSet {
    async fn handle(context: Context, params: ThreadSetNameParams, responder: Responder<Self>) {
        let name = params.name.trim().to_owned();
        match set_name(&context, &params.thread_id, &name).await {
            Ok(summary) => {
                responder.respond(Ok(ThreadSetNameResponse {}));
                let params = ThreadNameUpdatedNotification { thread_id: summary.id.clone(), thread_name: Some(name) };
                context.tell_of::<ThreadNameUpdated>(&summary.id, summary.creator.as_ref(), &params);
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}

async fn set_name(context: &Context, thread_id: &str, name: &str) -> Result<Summary, ErrorObject> {
    let id = thread_id_of(thread_id)?;
    if name.is_empty() {
        return Err(ErrorObject::invalid_request_params("thread name must not be empty"));
    }
    let loaded = context.loaded_thread(&id)?;
    if let Some(thread) = &loaded {
        thread.check_stored("metadata updates")?;
    }
    let summary = context.kept(&id).await?;
    let stored_name = name.to_owned();
    context.with_store(move |store| store.set_name(&id, &stored_name)).await?;
    if let Some(thread) = loaded {
        thread.shared.stage().record.thread.name = Some(name.to_owned());
    }
    Ok(summary)
}
