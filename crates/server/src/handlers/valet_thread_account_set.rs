//! `valet/thread/account/set`.

use valet_protocol::methods::ValetThreadAccountSet;
use valet_protocol::v2::{ThreadAccountFrom, ThreadAccountSetParams, ThreadAccountSetResponse};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ValetThreadAccountSet {
    async fn answer(context: Context, params: ThreadAccountSetParams) -> Answered<Self> {
        let thread = context.thread(&params.thread_id)?;
        let chosen = context.chosen(params.chatgpt_account_id.as_deref())?;
        thread.shared.stage().record.account = chosen;
        // A turn that was asked for before took the account that was set then.
        let from =
            if thread.conversation.is_at_work().await { ThreadAccountFrom::NextTurn } else { ThreadAccountFrom::Now };
        Ok(ThreadAccountSetResponse { from })
    }
}
