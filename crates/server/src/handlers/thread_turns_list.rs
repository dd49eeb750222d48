//! `thread/turns/list`.

use valet_protocol::methods::ThreadTurnsList;
use valet_protocol::v2::{ThreadTurnsListParams, ThreadTurnsListResponse};
use valet_protocol::{ErrorKind, ErrorObject};

use super::not_loaded;
use crate::blocking::blocking;
use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ThreadTurnsList {
    async fn answer(context: Context, params: ThreadTurnsListParams) -> Answered<Self> {
        let id = &params.thread_id;
        let thread = context.loaded_thread(id)?;
        if thread.as_ref().is_some_and(|thread| thread.shared.stage().record.thread.ephemeral) {
            let message = "ephemeral threads do not support thread/turns/list";
            return Err(ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported));
        }
        let nothing_yet = || if thread.is_some() { not_materialized(id) } else { not_loaded(id) };
        let history = context.history(id).await?.ok_or_else(nothing_yet)?;
        blocking(move || history.turns_page(&params)).await.map(ThreadTurnsListResponse)
    }
}

/// What is said of a thread in which nothing was said yet.
fn not_materialized(id: &str) -> ErrorObject {
    let message =
        format!("thread {id} is not materialized yet; thread/turns/list is unavailable before first user message");
    ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported)
}
