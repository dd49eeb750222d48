//! `thread/read`.

use valet_protocol::methods::{DeprecationNotice, ThreadRead};
use valet_protocol::v2::{DeprecationNoticeNotification, ThreadReadParams, ThreadReadResponse};
use valet_protocol::{ErrorKind, ErrorObject};

use crate::dispatch::{Context, Handler};
use crate::responder::Responder;

const WHOLE_HISTORY: &str = "Full-history hydration is deprecated for paginated threads; omit `includeTurns` or set it to `false`, then page with `thread/turns/list` and `thread/items/list`.";

impl Handler for ThreadRead {
    async fn handle(context: Context, params: ThreadReadParams, responder: Responder<Self>) {
        responder.respond(read(&context, &params));
    }
}

fn read(context: &Context, params: &ThreadReadParams) -> Result<ThreadReadResponse, ErrorObject> {
    let thread = context.loaded_thread(&params.thread_id)?.ok_or_else(|| {
        let message = format!("thread not loaded: {}", params.thread_id);
        ErrorObject::invalid_request(message).kind(ErrorKind::ThreadNotFound)
    })?;
    let record = thread.shared.record();
    let read_state = record.read_state.clone();
    if !params.include_turns {
        return Ok(ThreadReadResponse { thread: record.summary(), read_state });
    }
    if record.turns.is_empty() {
        return Err(ErrorObject::method_not_found("list_turns is not supported yet"));
    }
    let notice = DeprecationNoticeNotification { summary: WHOLE_HISTORY.to_owned(), details: None };
    context.connection.notify::<DeprecationNotice>(&notice);
    Ok(ThreadReadResponse { thread: record.full(), read_state })
}
