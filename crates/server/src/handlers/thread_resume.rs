//! `thread/resume`.

use std::path::Path;
use std::sync::Arc;

use valet_auth::Identity;
use valet_protocol::methods::{DeprecationNotice, ThreadGoalCleared, ThreadResume, ThreadTokenUsageUpdated};
use valet_protocol::v2::{
    DeprecationNoticeNotification, ThreadGoalClearedNotification, ThreadOverrides, ThreadResumeInitialTurnsPageParams,
    ThreadResumeParams, ThreadResumeResponse, ThreadStatus, ThreadTokenUsage, ThreadTokenUsageUpdatedNotification,
    ThreadTurnsListParams,
};
use valet_protocol::{ErrorKind, ErrorObject, Order};

use super::{TURNS_OF_AN_OPENED_THREAD, opened, session_id_of};
use crate::blocking::blocking;
use crate::context::Context;
use crate::convert;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::threads::{Joining, Moment, Stored, Thread, open};

impl Handler for ThreadResume {
    fn lane(params: &ThreadResumeParams) -> Order {
        lane(params.path.as_deref(), &params.thread_id)
    }

    async fn handle(context: Context, params: ThreadResumeParams, responder: Responder<Self>) {
        let Joined { thread, was_loaded, choice, joining, moment } = match join(&context, &params).await {
            Ok(joined) => joined,
            Err(error) => return responder.respond(Err(error)),
        };
        context.forget_if_gone();
        let usage = moment.token_usage.clone().filter(|_| !(was_loaded && params.exclude_turns));
        match answer(moment, params).await {
            Ok(response) => {
                // Not before: a request that is refused changes nobody's account.
                if let Some(choice) = choice {
                    thread.shared.stage().record.account = choice;
                }
                responder.respond(Ok(response));
            }
            Err(error) => return responder.respond(Err(error)),
        }
        follow(&context, &thread, usage, joining);
    }
}

/// A thread that is loaded, and that its connection listens to.
struct Joined {
    thread: Arc<Thread>,
    was_loaded: bool,
    /// Whose account its next turns are to run under, if that was asked for.
    choice: Option<Option<Identity>>,
    joining: Joining,
    moment: Moment,
}

async fn join(context: &Context, params: &ThreadResumeParams) -> Result<Joined, ErrorObject> {
    let mut told = params.exclude_turns;
    loop {
        let (thread, was_loaded, choice) = find(context, params).await?;
        if !std::mem::replace(&mut told, true) {
            let summary = TURNS_OF_AN_OPENED_THREAD.to_owned();
            let notice = DeprecationNoticeNotification { summary, details: None };
            context.connection.notify::<DeprecationNotice>(&notice);
        }
        if !was_loaded {
            thread.shared.set_status(ThreadStatus::Idle {});
        }
        if let Some((joining, moment)) = thread.shared.join(&context.connection).map_err(convert::store_error)? {
            return Ok(Joined { thread, was_loaded, choice, joining, moment });
        }
        context.host.threads.unload(&thread);
    }
}

/// What follows the answer.
fn follow(context: &Context, thread: &Thread, usage: Option<(String, ThreadTokenUsage)>, joining: Joining) {
    let thread_id = thread.id.clone();
    if let Some((turn_id, token_usage)) = usage {
        let params = ThreadTokenUsageUpdatedNotification { thread_id: thread_id.clone(), turn_id, token_usage };
        context.connection.notify::<ThreadTokenUsageUpdated>(&params);
    }
    joining.notify::<ThreadGoalCleared>(&ThreadGoalClearedNotification { thread_id });
    joining.answered();
}

/// The thread, whether it was loaded, and whose account its next turns are to run under, if that was asked for.
async fn find(
    context: &Context,
    params: &ThreadResumeParams,
) -> Result<(Arc<Thread>, bool, Option<Option<Identity>>), ErrorObject> {
    if params.history.is_some() {
        let message = "a thread cannot be begun from `history` here; start one and use `thread/inject_items`";
        return Err(ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported));
    }
    let path = params.path.as_deref().filter(|path| !path.is_empty());
    let id = named(path, &params.thread_id)?;
    let choice = context.choice(params.overrides.valet.as_ref())?;
    if let Some(thread) = context.loaded_thread(&id)? {
        let active = thread.shared.stage().record.thread.path.clone();
        check_path(path, active.as_deref(), |asked, active| {
            format!("cannot resume running thread {id} with stale path: requested `{asked}`, active `{active}`")
        })?;
        if !thread.shared.is_stored() {
            return Err(convert::store_error(valet_store::StoreError::NotFound(id)));
        }
        context.learn_name(&thread).await?;
        return Ok((thread, true, choice));
    }
    let thread = load(context, &id, path, &params.overrides, choice.clone().flatten()).await?;
    Ok((thread, false, choice))
}

/// Loads a thread that is stored.
async fn load(
    context: &Context,
    id: &str,
    path: Option<&str>,
    overrides: &ThreadOverrides,
    account: Option<Identity>,
) -> Result<Arc<Thread>, ErrorObject> {
    let summary = context.stored_or_none_found(id).await?;
    check_path(path, summary.path.as_deref(), |asked, current| {
        format!("cannot resume paginated thread {id} with stale path: requested {asked}, current {current}")
    })?;
    let thread_id = summary.id.clone();
    let stored = context.with_store(move |store| Stored::read(store.lease(&thread_id)?)).await?;
    open(context, &summary, stored, overrides, false, None, account)
}

/// The id of the thread that is meant: a file goes before an id.
pub(super) fn named(path: Option<&str>, thread_id: &str) -> Result<String, ErrorObject> {
    path.and_then(id_in).map_or_else(|| session_id_of(thread_id), Ok)
}

/// The lane of that thread.
pub(super) fn lane(path: Option<&str>, thread_id: &str) -> Order {
    Order::Thread(named(path, thread_id).unwrap_or_else(|_| thread_id.to_owned()))
}

/// The id of the thread that a file is of, as its name says.
fn id_in(path: &str) -> Option<String> {
    let stem = Path::new(path).file_stem()?.to_str()?;
    let id = stem.get(stem.len().checked_sub(36)?..)?;
    session_id_of(id).ok()
}

/// A thread has one file, and whoever names another is told which in these words.
pub(super) fn check_path(
    asked: Option<&str>,
    known: Option<&str>,
    words: impl Fn(&str, &str) -> String,
) -> Result<(), ErrorObject> {
    match (asked, known) {
        (Some(asked), Some(known)) if asked != known => Err(ErrorObject::invalid_request_params(words(asked, known))),
        _ => Ok(()),
    }
}

async fn answer(moment: Moment, params: ThreadResumeParams) -> Result<ThreadResumeResponse, ErrorObject> {
    let mut response = ThreadResumeResponse {
        opened: opened(&moment.thread, &moment.settings),
        collaboration_mode: Some(moment.settings.to_wire().collaboration_mode),
        initial_turns_page: None,
        turns_backwards_cursor: None,
        items_backwards_cursor: None,
    };
    let Some(history) = moment.history else { return Ok(response) };
    let page = params.initial_turns_page;
    let with_turns = !params.exclude_turns;
    let read = move || {
        let page = page.map(|page| history.turns_page(&page_params(page))).transpose()?;
        let turns = if with_turns { history.turns()? } else { Vec::new() };
        Ok((page, turns, history.end_cursors()?))
    };
    let (page, turns, (turns_cursor, items_cursor)) = blocking(read).await?;
    response.initial_turns_page = page;
    response.opened.thread.turns = turns;
    response.turns_backwards_cursor = turns_cursor;
    response.items_backwards_cursor = items_cursor;
    Ok(response)
}

fn page_params(page: ThreadResumeInitialTurnsPageParams) -> ThreadTurnsListParams {
    ThreadTurnsListParams {
        limit: page.limit,
        sort_direction: page.sort_direction,
        items_view: page.items_view,
        ..ThreadTurnsListParams::default()
    }
}
