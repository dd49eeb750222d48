//! `valet/thread/account/set`.

use valet_protocol::ErrorObject;
use valet_protocol::methods::ValetThreadAccountSet;
use valet_protocol::v2::{ThreadAccountFrom, ThreadAccountSetParams, ThreadAccountSetResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ValetThreadAccountSet {
    async fn handle(context: Context, params: ThreadAccountSetParams, responder: Responder<Self>) {
        responder.respond(set(&context, &params).await);
    }
}

async fn set(context: &Context, params: &ThreadAccountSetParams) -> Result<ThreadAccountSetResponse, ErrorObject> {
    let thread = context.thread(&params.thread_id)?;
    let chosen = context.chosen(params.chatgpt_account_id.as_deref())?;
    thread.shared.stage().record.account = chosen;
    // A turn that was asked for before took the account that was set then.
    let from =
        if thread.conversation.is_at_work().await { ThreadAccountFrom::NextTurn } else { ThreadAccountFrom::Now };
    Ok(ThreadAccountSetResponse { from })
}
