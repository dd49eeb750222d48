//! `thread/search`.

use valet_protocol::ErrorObject;
use valet_protocol::methods::ThreadSearch;
use valet_protocol::v2::{ThreadSearchParams, ThreadSearchResponse, ThreadSearchResult, ThreadSearchSortKey};
use valet_store::{Found, Query, SortKey};

use super::thread_list::{Asked, cursors};
use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ThreadSearch {
    async fn answer(context: Context, params: ThreadSearchParams) -> Answered<Self> {
        let term = params.search_term.trim().to_owned();
        if term.is_empty() {
            return Err(ErrorObject::invalid_request_params("thread/search requires a non-empty searchTerm"));
        }
        let sort = match params.sort_key.unwrap_or_default() {
            ThreadSearchSortKey::CreatedAt => SortKey::CreatedAt,
            ThreadSearchSortKey::UpdatedAt => SortKey::UpdatedAt,
            ThreadSearchSortKey::RecencyAt => SortKey::RecencyAt,
        };
        let asked = Asked {
            cursor: params.cursor.as_deref(),
            limit: params.limit,
            direction: params.sort_direction,
            kinds: params.source_kinds.as_deref(),
            archived: params.archived,
            of_account: params.current_account_only,
        };
        let query = Query { sort, ..context.query(asked)? };
        let ascending = query.ascending;
        let page = context.with_store(move |store| store.search(&term, &query)).await?;
        let (next_cursor, backwards_cursor) = cursors(&page, sort, ascending, |found| &found.thread);
        let result = |Found { thread, snippet }| ThreadSearchResult { thread: context.row(&thread), snippet };
        Ok(ThreadSearchResponse { data: page.data.into_iter().map(result).collect(), next_cursor, backwards_cursor })
    }
}
