//! `thread/items/list`.

use valet_protocol::ErrorObject;
use valet_protocol::methods::ThreadItemsList;
use valet_protocol::v2::{ThreadItemsListParams, ThreadItemsListResponse};

use crate::blocking::blocking;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::threads::{Thread, no_items};

impl Handler for ThreadItemsList {
    async fn handle(context: Context, params: ThreadItemsListParams, responder: Responder<Self>) {
        responder.respond(list(&context, params).await);
    }
}

async fn list(context: &Context, params: ThreadItemsListParams) -> Result<ThreadItemsListResponse, ErrorObject> {
    let id = &params.thread_id;
    let ephemeral = |thread: &Thread| thread.shared.stage().record.thread.ephemeral;
    let is_ephemeral = context.loaded_thread(id)?.is_some_and(|thread| ephemeral(&thread));
    match context.history(id).await?.filter(|_| !is_ephemeral) {
        Some(history) => blocking(move || history.items_page(&params)).await,
        None => Err(no_items()),
    }
}
