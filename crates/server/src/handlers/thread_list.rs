//! `thread/list`.

use valet_protocol::ErrorObject;
use valet_protocol::methods::ThreadList;
use valet_protocol::v2::{SortDirection, Thread, ThreadListParams, ThreadListResponse, ThreadReadState, ThreadSortKey};

use super::invalid_cursor;
use crate::dispatch::{Context, Handler};
use crate::responder::Responder;

const DEFAULT_LIMIT: u32 = 25;
const MAX_LIMIT: u32 = 100;

impl Handler for ThreadList {
    async fn handle(context: Context, params: ThreadListParams, responder: Responder<Self>) {
        let account_id = context.host.accounts.current_account_id(context.connection.id);
        let threads = context.host.threads.visible_to(context.connection.id);
        let listed = threads.iter().filter_map(|thread| {
            let record = thread.shared.record();
            // A thread that nobody has spoken in yet is of no interest to anybody.
            let of_account = !params.current_account_only || record.account_id == account_id;
            let shown =
                of_account && !record.thread.ephemeral && !record.turns.is_empty() && matches(&params, &record.thread);
            shown.then(|| {
                let thread = Thread { can_accept_direct_input: None, ..record.summary() };
                (thread, record.read_state.clone())
            })
        });
        responder.respond(page(&params, listed.collect()));
    }
}

fn matches(params: &ThreadListParams, thread: &Thread) -> bool {
    let provider = params.model_providers.as_deref().unwrap_or_default();
    let excluded = params.excluded_thread_ids.as_deref().unwrap_or_default();
    let search = params.search_term.as_deref().unwrap_or_default().to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&search);
    // Nothing is archived: threads live in memory only.
    !params.archived.unwrap_or_default()
        && (provider.is_empty() || provider.contains(&thread.model_provider))
        && !excluded.contains(&thread.id)
        && params.cwd.as_ref().is_none_or(|cwd| cwd.contains(&thread.cwd))
        && (holds(&thread.preview) || thread.name.as_deref().is_some_and(holds))
}

fn page(
    params: &ThreadListParams,
    mut threads: Vec<(Thread, Option<ThreadReadState>)>,
) -> Result<ThreadListResponse, ErrorObject> {
    let place = |thread: &Thread| {
        let time = match params.sort_key.unwrap_or_default() {
            ThreadSortKey::UpdatedAt => thread.updated_at,
            ThreadSortKey::RecencyAt => thread.recency_at.unwrap_or(thread.updated_at),
            ThreadSortKey::CreatedAt | ThreadSortKey::SectionPosition => thread.created_at,
        };
        (time, thread.id.clone())
    };
    let descending = params.sort_direction.unwrap_or_default() == SortDirection::Desc;
    threads.sort_by_cached_key(|(thread, _)| place(thread));
    if descending {
        threads.reverse();
    }
    if let Some(cursor) = &params.cursor {
        let after = read_cursor(cursor).ok_or_else(|| invalid_cursor(cursor))?;
        threads.retain(|(thread, _)| if descending { place(thread) < after } else { place(thread) > after });
    }
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize;
    let more = threads.len() > limit;
    threads.truncate(limit);
    let cursor = |at: Option<&(Thread, Option<ThreadReadState>)>| at.map(|(thread, _)| write_cursor(&place(thread)));
    let (next, backwards) = (cursor(threads.last()).filter(|_| more), cursor(threads.first()));
    let read_states = threads.iter().filter_map(|(thread, state)| Some((thread.id.clone(), state.clone()?)));
    Ok(ThreadListResponse {
        read_states: Some(read_states.collect()),
        next_cursor: next,
        backwards_cursor: backwards,
        data: threads.into_iter().map(|(thread, _)| thread).collect(),
    })
}

fn write_cursor((time, id): &(i64, String)) -> String {
    format!("{time}:{id}")
}

fn read_cursor(cursor: &str) -> Option<(i64, String)> {
    let (time, id) = cursor.split_once(':')?;
    Some((time.parse().ok()?, id.to_owned()))
}
