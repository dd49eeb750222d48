//! `thread/loaded/list`.

use valet_protocol::methods::ThreadLoadedList;
use valet_protocol::v2::{ThreadLoadedListParams, ThreadLoadedListResponse};

use super::{invalid_cursor, thread_id_of};
use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ThreadLoadedList {
    async fn answer(context: Context, params: ThreadLoadedListParams) -> Answered<Self> {
        let mut ids = context.own_threads();
        ids.sort();
        // A cursor is the last id of a page; ids sort by time.
        if let Some(cursor) = &params.cursor {
            if thread_id_of(cursor).is_err() {
                return Err(invalid_cursor(cursor));
            }
            ids.retain(|id| id > cursor);
        }
        let limit = params.limit.map_or(ids.len(), |limit| limit.max(1) as usize);
        let next_cursor = (limit < ids.len()).then(|| ids[limit - 1].clone());
        ids.truncate(limit);
        Ok(ThreadLoadedListResponse { data: ids, next_cursor })
    }
}
