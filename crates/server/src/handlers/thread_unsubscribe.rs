//! `thread/unsubscribe`.

use valet_protocol::methods::ThreadUnsubscribe;
use valet_protocol::v2::{ThreadUnsubscribeParams, ThreadUnsubscribeResponse, ThreadUnsubscribeStatus};

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ThreadUnsubscribe {
    async fn answer(context: Context, params: ThreadUnsubscribeParams) -> Answered<Self> {
        let status = match context.loaded_thread(&params.thread_id)? {
            None => ThreadUnsubscribeStatus::NotLoaded,
            Some(thread) if thread.shared.leave(context.connection.id) => ThreadUnsubscribeStatus::Unsubscribed,
            Some(_) => ThreadUnsubscribeStatus::NotSubscribed,
        };
        Ok(ThreadUnsubscribeResponse { status })
    }
}
