//! Taking turns of a thread back: its log and what the model is given end before them.

use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::Uuid;
use valet_agent::Past;
use valet_protocol::methods::ThreadReadStateChanged;
use valet_protocol::{ErrorObject, v2};
use valet_store::{Lines, StoreError};

use super::open::last_usage;
use super::{Moment, Thread, past};
use crate::blocking::blocking;
use crate::context::Context;
use crate::convert::store_error;
use crate::rollout::SessionMeta;

impl Thread {
    /// Ends the turn that runs and those that wait behind it, and waits until the end of each was told.
    pub(crate) async fn stop(&self) {
        loop {
            self.conversation.interrupt(None, |_| {}).await;
            if !self.conversation.is_at_work().await {
                return;
            }
        }
    }

    /// Whether the thread has this turn.
    ///
    /// # Errors
    ///
    /// It does not.
    pub(crate) async fn check_turn(&self, turn_id: &str) -> Result<(), ErrorObject> {
        let not_found = || ErrorObject::invalid_request(format!("turn not found: {turn_id}"));
        let history = self.shared.moment().map_err(store_error)?.history.ok_or_else(not_found)?;
        let turn_id = turn_id.to_owned();
        blocking(move || history.place_of(&turn_id)).await.map(drop)
    }

    /// Forgets a turn and all that came after it, when what runs has ended. Returns what is unread now, if that is
    /// something else.
    ///
    /// # Errors
    ///
    /// There is no such turn, or the log cannot be changed.
    pub(crate) async fn revert(self: &Arc<Self>, turn_id: &str) -> Result<Option<v2::ThreadReadState>, ErrorObject> {
        self.check_turn(turn_id).await?;
        let (reverted, outcome) = oneshot::channel();
        let (thread, turn_id) = (Arc::clone(self), turn_id.to_owned());
        // Carried out where no turn can begin meanwhile.
        self.conversation
            .take_up(async move {
                let (past, told) = match blocking(move || thread.cut_off(&turn_id)).await {
                    Ok((read_state, past)) => (Some(past), Ok(read_state)),
                    Err(error) => (None, Err(error)),
                };
                let _ = reverted.send(told);
                past
            })
            .await;
        outcome.await.unwrap_or_else(|_| Err(ErrorObject::internal("the thread was closed")))
    }

    /// Ends the log before a turn. Returns what is unread then, if that is something else, and what the model was
    /// given.
    fn cut_off(&self, turn_id: &str) -> Result<(Option<v2::ThreadReadState>, Past), ErrorObject> {
        let Moment { history, read_state, .. } = self.shared.moment().map_err(store_error)?;
        let history = history.ok_or_else(|| ErrorObject::internal("the log is gone"))?;
        let (start, _) = history.place_of(turn_id)?;
        let is_gone = |turn_id: &str| history.place_of(turn_id).is_ok_and(|(at, _)| at >= start);
        let unread = read_state.and_then(|state| state.first_unread);
        let unread_is_gone = matches!(&unread, Some(v2::ThreadUnreadPosition::Turn { turn_id }) if is_gone(turn_id));
        let lines = {
            let mut stage = self.shared.stage();
            stage.log.truncate(start)?;
            // What was noted since then holds all the same.
            stage.record.applied = None;
            let settings = stage.settings_line();
            let thread = &stage.record.thread;
            let noted = thread.git_info.as_ref().map(|_| SessionMeta::noting(thread, stage.record.creator.as_ref()));
            stage.log.append(settings.into_iter().chain(noted.and_then(Result::ok)));
            stage.log.lines().map_err(store_error)?.ok_or_else(|| ErrorObject::internal("the log is gone"))?
        };
        let read_state = self.forget_after(&lines, unread_is_gone).map_err(store_error)?;
        Ok((read_state, past::read(&lines).map_err(store_error)?))
    }

    /// Puts what is known of the thread back to what its log says.
    fn forget_after(&self, lines: &dyn Lines, unread_is_gone: bool) -> Result<Option<v2::ThreadReadState>, StoreError> {
        let usage = last_usage(lines)?;
        let store = self.shared.stage().log.store();
        let summary = store.find(&self.id)?;
        let mut stage = self.shared.stage();
        stage.record.token_usage = usage;
        stage.record.thread.preview = summary.map(|summary| summary.preview).unwrap_or_default();
        let nothing = || v2::ThreadReadState { first_unread: None, revision: Uuid::now_v7().to_string() };
        let read_state = unread_is_gone.then(nothing);
        if read_state.is_some() {
            stage.record.read_state.clone_from(&read_state);
            self.shared.read_state_changed();
        }
        self.shared.settle(&mut stage);
        Ok(read_state)
    }

    /// Says that the thread was taken out of memory and is there again: what clients know of its turns is old.
    pub(crate) fn tell_reloaded(&self, context: &Context, read_state: Option<v2::ThreadReadState>) {
        self.shared.set_status(v2::ThreadStatus::NotLoaded {});
        self.tell_unread(context, read_state);
        self.shared.set_status(v2::ThreadStatus::Idle {});
    }

    /// Says what is unread now, if that is something else.
    pub(crate) fn tell_unread(&self, context: &Context, read_state: Option<v2::ThreadReadState>) {
        if let Some(read_state) = read_state {
            let params = v2::ThreadReadStateChangedNotification { thread_id: self.id.clone(), read_state };
            context.tell_of::<ThreadReadStateChanged>(&self.id, self.creator().as_ref(), &params);
        }
    }
}
