//! Taking turns of a thread back: its log and what the model is given end before them.

use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::Uuid;
use valet_protocol::methods::ThreadReadStateChanged;
use valet_protocol::{ErrorObject, v2};
use valet_store::{Lines, StoreError};

use super::open::last_usage;
use super::{Moment, Thread, past};
use crate::convert::store_error;

impl Thread {
    /// Ends the turn that runs, if one does, and waits until its end was told.
    pub(crate) async fn stop(&self) {
        self.conversation.interrupt(None, |_| {}).await;
        self.shared.idle().await;
    }

    /// Forgets a turn and all that came after it. Nothing may run. Returns what is unread now, if that is something else.
    ///
    /// # Errors
    ///
    /// There is no such turn, or the log cannot be changed.
    pub(crate) async fn revert(self: &Arc<Self>, turn_id: &str) -> Result<Option<v2::ThreadReadState>, ErrorObject> {
        let not_found = || ErrorObject::invalid_request(format!("turn not found: {turn_id}"));
        let Moment { history, read_state, .. } = self.shared.moment().map_err(store_error)?;
        let history = history.ok_or_else(not_found)?;
        let (thread, turn_id) = (Arc::clone(self), turn_id.to_owned());
        let reverted = tokio::task::spawn_blocking(move || {
            let (start, _) = history.place_of(&turn_id)?;
            let is_gone = |turn_id: &str| history.place_of(turn_id).is_ok_and(|(at, _)| at >= start);
            let unread = read_state.and_then(|state| state.first_unread);
            let unread_is_gone =
                matches!(&unread, Some(v2::ThreadUnreadPosition::Turn { turn_id }) if is_gone(turn_id));
            let lines = {
                let mut stage = thread.shared.stage();
                stage.log.truncate(start).map_err(store_error)?;
                stage.log.lines().map_err(store_error)?.ok_or_else(|| ErrorObject::internal("the log is gone"))?
            };
            let read_state = thread.forget_after(&lines, unread_is_gone).map_err(store_error)?;
            Ok((read_state, past::read(&lines).map_err(store_error)?))
        });
        let reverted = reverted.await.unwrap_or_else(|error| Err(ErrorObject::internal(error.to_string())));
        let (read_state, past) = reverted?;
        let (done, taken_up) = oneshot::channel::<()>();
        self.conversation.take_up(past, move || drop(done)).await;
        let _ = taken_up.await;
        Ok(read_state)
    }

    /// Puts what is known of the thread back to what its log says.
    fn forget_after(&self, lines: &dyn Lines, unread_is_gone: bool) -> Result<Option<v2::ThreadReadState>, StoreError> {
        let usage = last_usage(lines)?;
        let store = self.shared.stage().log.store();
        let summary = store.find(&self.id)?;
        let mut stage = self.shared.stage();
        stage.record.token_usage = usage;
        stage.record.applied = None;
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
    pub(crate) fn tell_reloaded(&self, read_state: Option<v2::ThreadReadState>) {
        self.shared.set_status(v2::ThreadStatus::NotLoaded {});
        self.tell_unread(read_state);
        self.shared.set_status(v2::ThreadStatus::Idle {});
    }

    /// Says what is unread now, if that is something else.
    pub(crate) fn tell_unread(&self, read_state: Option<v2::ThreadReadState>) {
        if let Some(read_state) = read_state {
            let params = v2::ThreadReadStateChangedNotification { thread_id: self.id.clone(), read_state };
            self.shared.tell::<ThreadReadStateChanged>(&params);
        }
    }
}
