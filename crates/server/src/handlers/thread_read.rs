//! `thread/read`.

use valet_protocol::methods::{DeprecationNotice, ThreadRead};
use valet_protocol::v2::{DeprecationNoticeNotification, ThreadReadParams, ThreadReadResponse};
use valet_protocol::{ErrorKind, ErrorObject};

use super::{not_loaded, thread_id_of};
use crate::blocking::blocking;
use crate::context::Context;
use crate::convert;
use crate::dispatch::{Answered, Answers};

const WHOLE_HISTORY: &str = "Full-history hydration is deprecated for paginated threads; omit `includeTurns` or set it to `false`, then page with `thread/turns/list` and `thread/items/list`.";

impl Answers for ThreadRead {
    async fn answer(context: Context, params: ThreadReadParams) -> Answered<Self> {
        let id = thread_id_of(&params.thread_id)?;
        let (mut thread, read_state, history) = match context.loaded_thread(&id)? {
            Some(thread) => {
                context.learn_name(&thread).await?;
                let moment = thread.shared.moment().map_err(convert::store_error)?;
                (moment.thread, moment.read_state, moment.history)
            }
            None => {
                let summary = context.stored(&id).await?.ok_or_else(|| not_loaded(&id))?;
                let read_state = summary.read_state.as_ref().map(convert::read_state);
                let read_state = read_state.unwrap_or_else(|| convert::unread_nothing(&id));
                let history = if params.include_turns { context.history(&id).await? } else { None };
                (convert::thread(&summary), Some(read_state), history)
            }
        };
        if !params.include_turns {
            return Ok(ThreadReadResponse { thread, read_state });
        }
        if thread.ephemeral {
            let message = "ephemeral threads do not support includeTurns";
            return Err(ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported));
        }
        let Some(history) = history else {
            return Err(ErrorObject::method_not_found("list_turns is not supported yet").kind(ErrorKind::NotSupported));
        };
        let notice = DeprecationNoticeNotification { summary: WHOLE_HISTORY.to_owned(), details: None };
        context.connection.notify::<DeprecationNotice>(&notice);
        thread.turns = blocking(move || history.turns()).await?;
        Ok(ThreadReadResponse { thread, read_state })
    }
}
