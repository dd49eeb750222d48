//! `thread/items/list`.

use valet_protocol::methods::ThreadItemsList;
use valet_protocol::v2::ThreadItemsListParams;

use crate::blocking::blocking;
use crate::context::Context;
use crate::dispatch::{Answered, Answers};
use crate::threads::{Thread, no_items};

impl Answers for ThreadItemsList {
    async fn answer(context: Context, params: ThreadItemsListParams) -> Answered<Self> {
        let id = &params.thread_id;
        let ephemeral = |thread: &Thread| thread.shared.stage().record.thread.ephemeral;
        let is_ephemeral = context.loaded_thread(id)?.is_some_and(|thread| ephemeral(&thread));
        match context.history(id).await?.filter(|_| !is_ephemeral) {
            Some(history) => blocking(move || history.items_page(&params)).await,
            None => Err(no_items()),
        }
    }
}
