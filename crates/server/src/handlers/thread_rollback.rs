//! `thread/rollback`: the older form of `thread/revert`, which counts turns.

use valet_protocol::methods::{ThreadReverted, ThreadRollback};
use valet_protocol::v2::{Thread, ThreadRevertedNotification, ThreadRollbackParams, ThreadRollbackResponse};
use valet_protocol::{ErrorKind, ErrorObject};

use crate::blocking::blocking;
use crate::context::Context;
use crate::convert;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ThreadRollback {
    async fn handle(context: Context, params: ThreadRollbackParams, responder: Responder<Self>) {
        match roll_back(&context, &params).await {
            Ok(thread) => {
                let thread_id = thread.id.clone();
                let creator = context.thread(&thread_id).ok().and_then(|thread| thread.creator());
                responder.respond(Ok(ThreadRollbackResponse { thread }));
                let params = ThreadRevertedNotification { thread_id: thread_id.clone() };
                context.tell_of::<ThreadReverted>(&thread_id, creator.as_ref(), &params);
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}

async fn roll_back(context: &Context, params: &ThreadRollbackParams) -> Result<Thread, ErrorObject> {
    let thread = context.thread(&params.thread_id)?;
    if params.num_turns == 0 {
        return Err(ErrorObject::invalid_request_params("numTurns must be >= 1"));
    }
    // A turn that was asked for before may not have begun yet.
    if thread.conversation.is_at_work().await {
        let message = "cannot roll back while a turn runs; interrupt it first";
        return Err(ErrorObject::invalid_request(message).kind(ErrorKind::ThreadBusy));
    }
    let turns = context.turns_of(&params.thread_id).await?;
    let first = turns.len().saturating_sub(usize::try_from(params.num_turns).unwrap_or(usize::MAX));
    let first = turns.get(first).ok_or_else(|| ErrorObject::invalid_request_params("the thread has no turns"))?;
    let unread = thread.revert(&first.id).await?;
    thread.tell_unread(context, unread);
    let turns = context.turns_of(&params.thread_id).await?;
    let moment = thread.shared.moment().map_err(convert::store_error)?;
    Ok(Thread { turns, ..moment.thread })
}

impl Context {
    async fn turns_of(&self, thread_id: &str) -> Result<Vec<valet_protocol::v2::Turn>, ErrorObject> {
        match self.history(thread_id).await? {
            Some(history) => blocking(move || history.turns()).await,
            None => Ok(Vec::new()),
        }
    }
}
