//! `thread/fork`.

use std::sync::Arc;

use uuid::Uuid;
use valet_auth::Identity;
use valet_protocol::methods::{DeprecationNotice, ThreadFork, ThreadStarted, ThreadTokenUsageUpdated};
use valet_protocol::v2::{
    DeprecationNoticeNotification, ThreadForkParams, ThreadForkResponse, ThreadStartResponse,
    ThreadStartedNotification, ThreadTokenUsageUpdatedNotification,
};
use valet_protocol::{ErrorKind, ErrorObject, Order};
use valet_store::{Position, StoreError};

use super::thread_resume::{check_path, lane, named};
use super::{TURNS_OF_AN_OPENED_THREAD, opened};
use crate::blocking::blocking;
use crate::context::Context;
use crate::convert;
use crate::dispatch::Handler;
use crate::responder::Responder;
use crate::threads::{Fork, History, Joining, Moment, Thread, configuration, open, sandbox_or_profile};

impl Handler for ThreadFork {
    fn lane(params: &ThreadForkParams) -> Order {
        lane(params.path.as_deref(), &params.thread_id)
    }

    async fn handle(context: Context, params: ThreadForkParams, responder: Responder<Self>) {
        let with_turns = !params.exclude_turns;
        let plan = match plan(&context, &params).await {
            Ok(plan) => plan,
            Err(error) => return responder.respond(Err(error)),
        };
        let (id, ephemeral) = (plan.fork.id.to_string(), params.ephemeral);
        let Forked { thread, joining, moment, response } = match carry_out(&context, plan, params).await {
            Ok(forked) => forked,
            Err(error) => {
                discard(&context, id, ephemeral).await;
                return responder.respond(Err(error));
            }
        };
        context.forget_if_gone();
        responder.respond(Ok(ThreadForkResponse(response)));
        if let Some((turn_id, token_usage)) = moment.token_usage.filter(|_| with_turns) {
            let params = ThreadTokenUsageUpdatedNotification { thread_id: thread.id.clone(), turn_id, token_usage };
            context.connection.notify::<ThreadTokenUsageUpdated>(&params);
        }
        joining.answered();
        thread.shared.tell::<ThreadStarted>(&ThreadStartedNotification { thread: moment.thread });
    }
}

/// What is to be written, and from what.
struct Plan {
    fork: Fork,
    history: History,
    account: Option<Identity>,
}

/// What is not allowed is refused here, before anything is written.
async fn plan(context: &Context, params: &ThreadForkParams) -> Result<Plan, ErrorObject> {
    if params.last_turn_id.is_some() && params.before_turn_id.is_some() {
        return Err(ErrorObject::invalid_request_params("`beforeTurnId` cannot be combined with `lastTurnId`"));
    }
    let path = params.path.as_deref().filter(|path| !path.is_empty());
    let source_id = named(path, &params.thread_id)?;
    let config = configuration(&context.host.config, &params.overrides)?;
    if let Some(provider) = &params.overrides.model_provider {
        config.check_provider(provider).map_err(convert::config_error)?;
    }
    sandbox_or_profile(params.overrides.sandbox, params.overrides.permissions.as_deref())?;
    let not_found = || convert::store_error(StoreError::NotFound(source_id.clone()));
    let account = account(context, params, &source_id)?;
    let source = context.stored(&source_id).await?.ok_or_else(not_found)?;
    if source.archived {
        return Err(convert::store_error(StoreError::Archived(source_id)));
    }
    if !params.exclude_turns {
        if params.ephemeral {
            let message = "ephemeral paginated thread/fork requires `excludeTurns: true`";
            return Err(ErrorObject::invalid_request_params(message));
        }
        let notice = DeprecationNoticeNotification { summary: TURNS_OF_AN_OPENED_THREAD.to_owned(), details: None };
        context.connection.notify::<DeprecationNotice>(&notice);
    }
    check_path(path, source.path.as_deref(), |asked, current| {
        format!("cannot fork thread {source_id} with stale path: requested {asked}, current {current}")
    })?;
    let history = context.history(&source_id).await?.ok_or_else(not_found)?;
    let (last, before) = (params.last_turn_id.clone(), params.before_turn_id.clone());
    let (cut, history) = blocking(move || Ok((cut(&history, last.as_deref(), before.as_deref())?, history))).await?;
    let fork = Fork {
        id: Uuid::now_v7(),
        source_id,
        name: source.name,
        originator: context.connection.session().map(|session| session.origin.originator.clone()),
        thread_source: params.thread_source.clone(),
        creator: context.creator_under(account.as_ref())?,
        git: source.git,
        cut,
    };
    Ok(Plan { fork, history, account })
}

/// A fork that is stored and loaded, and that its connection listens to.
struct Forked {
    thread: Arc<Thread>,
    joining: Joining,
    moment: Moment,
    response: ThreadStartResponse,
}

async fn carry_out(context: &Context, plan: Plan, params: ThreadForkParams) -> Result<Forked, ErrorObject> {
    let Plan { fork, history, account } = plan;
    let id = fork.id.to_string();
    let store = context.host.threads.store(params.ephemeral);
    let written = move || {
        let stored = fork.write(&*store, history)?;
        Ok((stored, store.find(&id)?.ok_or(StoreError::NotFound(id))?))
    };
    let (stored, summary) = blocking(move || written().map_err(convert::store_error)).await?;
    let listener = Some(Arc::clone(&context.connection));
    let thread = open(context, &summary, stored, &params.overrides, params.ephemeral, listener, account)?;
    thread.store()?;
    let joined = thread.shared.join(&context.connection).map_err(convert::store_error)?;
    let not_found = || convert::store_error(StoreError::NotFound(thread.id.clone()));
    let (joining, mut moment) = joined.ok_or_else(not_found)?;
    let mut response = opened(&moment.thread, &moment.settings);
    if let Some(history) = moment.history.take().filter(|_| !params.exclude_turns) {
        response.thread.turns = blocking(move || history.turns()).await?;
    }
    Ok(Forked { thread, joining, moment, response })
}

/// A fork that its client does not come to know is taken away again: a part of a history is no thread.
async fn discard(context: &Context, id: String, ephemeral: bool) {
    let threads = &context.host.threads;
    if let Some(thread) = threads.get(&id) {
        threads.unload(&thread);
    }
    let store = threads.store(ephemeral);
    // There may be nothing to take away.
    let _ = blocking(move || store.delete(&id).map_err(convert::store_error)).await;
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
