//! `thread/list`.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use valet_protocol::methods::ThreadList;
use valet_protocol::v2::{
    OneOrMany, SortDirection, Thread, ThreadListParams, ThreadListResponse, ThreadSortKey, ThreadSourceKind,
};
use valet_protocol::{ErrorKind, ErrorObject};
use valet_store::{Cursor, Page, Query, SortKey, Summary};

use super::{invalid_cursor, thread_id_of};
use crate::context::Context;
use crate::convert;
use crate::dispatch::{Answered, Answers};

const DEFAULT_LIMIT: u32 = 25;
const MAX_LIMIT: u32 = 100;
const MAX_EXCLUDED: usize = 100;

impl Answers for ThreadList {
    async fn answer(context: Context, params: ThreadListParams) -> Answered<Self> {
        let query = query(&context, &params)?;
        // Nothing belongs to a project, to a section, or to another thread here.
        let of_nothing = matches!(params.section_id, Some(Some(_)))
            || matches!(params.project_id, Some(Some(_)))
            || params.parent_thread_id.is_some()
            || params.ancestor_thread_id.is_some()
            || params.attached_to_thread_id.is_some()
            || matches!(&params.cwd, Some(OneOrMany::Many(cwds)) if cwds.is_empty());
        let (sort, ascending) = (query.sort, query.ascending);
        let page = if of_nothing {
            Page { data: Vec::new(), more: false }
        } else {
            context.with_store(move |store| store.list(&query)).await?
        };
        let read_state = |summary: &Summary| {
            let loaded = context.host.threads.get(&summary.id);
            let loaded = loaded.and_then(|thread| thread.shared.stage().record.read_state.clone());
            let known = loaded.or_else(|| summary.read_state.as_ref().map(convert::read_state));
            (summary.id.clone(), known.unwrap_or_else(|| convert::unread_nothing(&summary.id)))
        };
        let read_states: BTreeMap<_, _> = page.data.iter().map(read_state).collect();
        let (next_cursor, backwards_cursor) = cursors(&page, sort, ascending, |summary| summary);
        Ok(ThreadListResponse {
            data: page.data.iter().map(|summary| context.row(summary)).collect(),
            read_states: Some(read_states),
            next_cursor,
            backwards_cursor,
        })
    }
}

fn query(context: &Context, params: &ThreadListParams) -> Result<Query, ErrorObject> {
    if params.originators.as_ref().is_some_and(|originators| !originators.is_empty()) {
        let message = "originator filtering is not supported by the local app-server";
        return Err(ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported));
    }
    let without = params.excluded_thread_ids.clone().unwrap_or_default();
    if without.len() > MAX_EXCLUDED {
        return Err(ErrorObject::invalid_request_params(format!(
            "excludedThreadIds accepts at most {MAX_EXCLUDED} entries"
        )));
    }
    let excluded = without.iter().map(|id| ("excluded", id));
    let related = [("parent", &params.parent_thread_id), ("ancestor", &params.ancestor_thread_id)];
    let related = related.into_iter().filter_map(|(what, id)| Some((what, id.as_ref()?)));
    for (what, id) in excluded.chain(related) {
        let named = |error: ErrorObject| error.message.replacen("thread", &format!("{what} thread"), 1);
        thread_id_of(id).map_err(|error| ErrorObject::invalid_request_params(named(error)))?;
    }
    let sort = match params.sort_key.unwrap_or_default() {
        ThreadSortKey::CreatedAt => SortKey::CreatedAt,
        ThreadSortKey::UpdatedAt => SortKey::UpdatedAt,
        ThreadSortKey::RecencyAt => SortKey::RecencyAt,
        ThreadSortKey::SectionPosition => {
            return Err(ErrorObject::invalid_request_params("section-position sorting requires a section filter"));
        }
    };
    let providers = match &params.model_providers {
        Some(providers) => providers.clone(),
        None => vec![context.host.config.provider_id().to_owned()],
    };
    Ok(Query {
        sort,
        without,
        providers,
        cwds: match params.cwd.clone() {
            None => Vec::new(),
            Some(OneOrMany::One(cwd)) => vec![without_slash(cwd)],
            Some(OneOrMany::Many(cwds)) => cwds.into_iter().map(without_slash).collect(),
        },
        text: params.search_term.clone().filter(|text| !text.is_empty()),
        ..context.query(Asked {
            cursor: params.cursor.as_deref(),
            limit: params.limit,
            direction: params.sort_direction,
            kinds: params.source_kinds.as_deref(),
            archived: params.archived,
            of_account: params.current_account_only,
        })?
    })
}

fn without_slash(mut cwd: String) -> String {
    while cwd.len() > 1 && cwd.ends_with('/') {
        cwd.pop();
    }
    cwd
}

/// What lists and searches are asked for alike.
pub(super) struct Asked<'a> {
    pub(super) cursor: Option<&'a str>,
    pub(super) limit: Option<u32>,
    pub(super) direction: Option<SortDirection>,
    pub(super) kinds: Option<&'a [ThreadSourceKind]>,
    pub(super) archived: Option<bool>,
    pub(super) of_account: bool,
}

impl Context {
    /// The query for the threads that the asking connection may see.
    pub(super) fn query(&self, asked: Asked<'_>) -> Result<Query, ErrorObject> {
        let kinds = asked.kinds.filter(|kinds| !kinds.is_empty());
        let sources = kinds.unwrap_or(&[ThreadSourceKind::Cli, ThreadSourceKind::VsCode]).iter().map(source);
        let (creators, only) = self.may_list(asked.of_account);
        Ok(Query {
            ascending: asked.direction.unwrap_or_default() == SortDirection::Asc,
            after: asked.cursor.map(|cursor| read_cursor(cursor).ok_or_else(|| invalid_cursor(cursor))).transpose()?,
            limit: asked.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize,
            archived: asked.archived.unwrap_or_default(),
            sources: sources.map(str::to_owned).collect(),
            creators,
            only,
            ..Query::default()
        })
    }

    /// A stored thread as a list shows it: as it is in memory, if it is.
    pub(super) fn row(&self, summary: &Summary) -> Thread {
        let stored = convert::thread(summary);
        match self.host.threads.get(&summary.id) {
            Some(thread) => {
                let loaded = thread.shared.stage().record.thread.clone();
                Thread {
                    status: loaded.status,
                    environments: loaded.environments,
                    model: loaded.model,
                    reasoning_effort: loaded.reasoning_effort,
                    model_provider: loaded.model_provider,
                    ..stored
                }
            }
            None => stored,
        }
    }
}

/// How the log names what is asked for, as the beginning of a JSON text.
fn source(kind: &ThreadSourceKind) -> &'static str {
    match kind {
        ThreadSourceKind::Cli => "\"cli\"",
        ThreadSourceKind::VsCode => "\"vscode\"",
        ThreadSourceKind::Exec => "\"exec\"",
        ThreadSourceKind::AppServer => "\"mcp\"",
        ThreadSourceKind::SubAgent => "{\"subagent\"",
        ThreadSourceKind::SubAgentReview => "{\"subagent\":\"review\"",
        ThreadSourceKind::SubAgentCompact => "{\"subagent\":\"compact\"",
        ThreadSourceKind::SubAgentThreadSpawn => "{\"subagent\":{\"thread_spawn\"",
        ThreadSourceKind::SubAgentOther => "{\"subagent\":{\"other\"",
        ThreadSourceKind::Unknown => "\"unknown\"",
    }
}

/// Where the next page begins, and where one does that is read the other way.
pub(super) fn cursors<T>(
    page: &Page<T>,
    sort: SortKey,
    ascending: bool,
    summary: impl Fn(&T) -> &Summary,
) -> (Option<String>, Option<String>) {
    let next = page.data.last().filter(|_| page.more).map(&summary);
    let next = next.map(|last| format!("{}|{}", time(sort.of(last)), last.id));
    // The first one comes again.
    let first = page.data.first().map(&summary);
    let back = first.map(|first| time(sort.of(first) + if ascending { 1 } else { -1 }));
    (next, back)
}

fn time(ms: i64) -> String {
    let format = if ms % 1000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
    DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339_opts(format, true)
}

fn read_cursor(cursor: &str) -> Option<Cursor> {
    let (time, id) = match cursor.split_once('|') {
        Some((time, id)) => (time, Some(id.to_owned())),
        None => (cursor, None),
    };
    let time = DateTime::parse_from_rfc3339(time).ok()?;
    Some(Cursor { time_ms: time.timestamp_millis(), id })
}
