//! `thread/fork`.

use std::sync::Arc;

use uuid::Uuid;
use valet_auth::Identity;
use valet_protocol::methods::{DeprecationNotice, ThreadFork, ThreadStarted, ThreadTokenUsageUpdated};
use valet_protocol::v2::{
    DeprecationNoticeNotification, ThreadForkParams, ThreadForkResponse, ThreadStartedNotification,
    ThreadTokenUsageUpdatedNotification,
};
use valet_protocol::{ErrorKind, ErrorObject};
use valet_store::{Position, StoreError};

use super::thread_resume::{check_path, id_in};
use super::{TURNS_OF_AN_OPENED_THREAD, opened, reading, session_id_of};
use crate::context::Context;
use crate::convert;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::threads::{Fork, History, Thread, configuration, open, refused};

impl Handler for ThreadFork {
    async fn handle(context: Context, params: ThreadForkParams, responder: Responder<Self>) {
        let with_turns = !params.exclude_turns;
        let thread = match fork(&context, params).await {
            Ok(thread) => thread,
            Err(error) => return responder.respond(Err(error)),
        };
        let joined = thread.shared.join(&context.connection);
        let (joining, moment) = match joined.and_then(|joined| joined.ok_or(StoreError::NotFound(thread.id.clone()))) {
            Ok(joined) => joined,
            Err(error) => return responder.respond(Err(convert::store_error(error))),
        };
        context.forget_if_gone();
        let mut response = opened(&moment.thread, &moment.settings);
        if let Some(history) = moment.history.filter(|_| with_turns) {
            match reading(move || history.turns()).await {
                Ok(turns) => response.thread.turns = turns,
                Err(error) => return responder.respond(Err(error)),
            }
        }
        responder.respond(Ok(ThreadForkResponse(response)));
        if let Some((turn_id, token_usage)) = moment.token_usage.filter(|_| with_turns) {
            let params = ThreadTokenUsageUpdatedNotification { thread_id: thread.id.clone(), turn_id, token_usage };
            context.connection.notify::<ThreadTokenUsageUpdated>(&params);
        }
        joining.answered();
        thread.shared.tell::<ThreadStarted>(&ThreadStartedNotification { thread: moment.thread });
    }
}

async fn fork(context: &Context, params: ThreadForkParams) -> Result<Arc<Thread>, ErrorObject> {
    if params.last_turn_id.is_some() && params.before_turn_id.is_some() {
        return Err(ErrorObject::invalid_request("`beforeTurnId` cannot be combined with `lastTurnId`")
            .kind(ErrorKind::InvalidParams));
    }
    let path = params.path.as_deref().filter(|path| !path.is_empty());
    let source_id = match path.and_then(id_in) {
        Some(id) => id,
        None => session_id_of(&params.thread_id)?,
    };
    // What is not allowed is refused before anything is written.
    let config = configuration(&context.host.config, &params.overrides)?;
    if let Some(provider) = &params.overrides.model_provider {
        config.check_provider(provider).map_err(refused)?;
    }
    let not_found = || convert::store_error(StoreError::NotFound(source_id.clone()));
    let account = account(context, &params, &source_id)?;
    let source = context.stored(&source_id).await?.ok_or_else(not_found)?;
    if source.archived {
        return Err(convert::store_error(StoreError::Archived(source_id)));
    }
    if !params.exclude_turns {
        if params.ephemeral {
            let message = "ephemeral paginated thread/fork requires `excludeTurns: true`";
            return Err(ErrorObject::invalid_request(message).kind(ErrorKind::InvalidParams));
        }
        let notice = DeprecationNoticeNotification { summary: TURNS_OF_AN_OPENED_THREAD.to_owned(), details: None };
        context.connection.notify::<DeprecationNotice>(&notice);
    }
    check_path(path, source.path.as_deref(), |asked, current| {
        format!("cannot fork thread {source_id} with stale path: requested {asked}, current {current}")
    })?;
    let history = context.history(&source_id).await?.flatten();
    let history = history.ok_or_else(not_found)?;
    let (last, before) = (params.last_turn_id.clone(), params.before_turn_id.clone());
    let (cut, history) = reading(move || Ok((cut(&history, last.as_deref(), before.as_deref())?, history))).await?;
    let plan = Fork {
        id: Uuid::now_v7(),
        source_id,
        name: source.name,
        originator: context.connection.session().map(|session| session.origin.originator.clone()),
        thread_source: params.thread_source,
        creator: context.creator_under(account.as_ref())?,
        git: source.git,
        cut,
    };
    let id = plan.id.to_string();
    let store = context.host.threads.store(params.ephemeral);
    let written = move || {
        let stored = plan.write(&*store, history).inspect_err(|_| {
            // A part of a history is no thread.
            let _ = store.delete(&id);
        })?;
        Ok((stored, store.find(&id)?.ok_or(StoreError::NotFound(id))?))
    };
    let (stored, summary) = reading(move || written().map_err(convert::store_error)).await?;
    let listener = Some(Arc::clone(&context.connection));
    let thread = open(context, &summary, stored, &params.overrides, params.ephemeral, listener, account)?;
    thread.store()?;
    Ok(thread)
}

/// The account that was chosen, or else the one that the source runs under.
fn account(context: &Context, params: &ThreadForkParams, source_id: &str) -> Result<Option<Identity>, ErrorObject> {
    match context.choice(params.overrides.valet.as_ref())? {
        Some(choice) => Ok(choice),
        None => {
            let source = context.loaded_thread(source_id)?;
            Ok(source.and_then(|source| source.shared.stage().record.account.clone()))
        }
    }
}

/// Up to where the history is taken over.
fn cut(history: &History, last: Option<&str>, before: Option<&str>) -> Result<Option<Position>, ErrorObject> {
    match (last, before) {
        (Some(last), _) if history.running() == Some(last) => {
            let message = format!("lastTurnId '{last}' identifies an in-progress turn");
            Err(ErrorObject::invalid_request(message).kind(ErrorKind::ThreadBusy))
        }
        (Some(last), _) => history.place_of(last).map(|(_, end)| Some(end)),
        (None, Some(before)) => history.place_of(before).map(|(start, _)| Some(start)),
        (None, None) => Ok(None),
    }
}
