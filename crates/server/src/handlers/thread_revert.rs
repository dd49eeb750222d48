//! `thread/revert`.

use valet_protocol::methods::{ThreadRevert, ThreadReverted};
use valet_protocol::v2::{ThreadRevertParams, ThreadRevertResponse, ThreadRevertedNotification};
use valet_protocol::{ErrorKind, ErrorObject};

use crate::blocking::blocking;
use crate::context::Context;
use crate::convert;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ThreadRevert {
    async fn handle(context: Context, params: ThreadRevertParams, responder: Responder<Self>) {
        match revert(&context, &params).await {
            Ok(response) => {
                let thread_id = response.thread.id.clone();
                let creator = context.thread(&thread_id).ok().and_then(|thread| thread.creator());
                responder.respond(Ok(response));
                let params = ThreadRevertedNotification { thread_id: thread_id.clone() };
                context.tell_of::<ThreadReverted>(&thread_id, creator.as_ref(), &params);
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}

async fn revert(context: &Context, params: &ThreadRevertParams) -> Result<ThreadRevertResponse, ErrorObject> {
    let thread = context.thread(&params.thread_id)?;
    if thread.shared.stage().record.thread.ephemeral {
        let message = "ephemeral threads do not support thread/revert";
        return Err(ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported));
    }
    thread.check_turn(&params.before_turn_id).await?;
    thread.stop().await;
    let unread = thread.revert(&params.before_turn_id).await?;
    thread.tell_reloaded(context, unread);
    let moment = thread.shared.moment().map_err(convert::store_error)?;
    let (turns_backwards_cursor, items_backwards_cursor) = match moment.history {
        Some(history) => blocking(move || history.end_cursors()).await?,
        None => (None, None),
    };
    Ok(ThreadRevertResponse { thread: moment.thread, turns_backwards_cursor, items_backwards_cursor })
}
