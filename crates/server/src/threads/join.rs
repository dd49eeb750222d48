//! Coming to listen to a thread in the middle of its work, without a gap and without an overlap: what a newcomer is
//! told of what was is one moment, and everything after that moment follows the answer.

use std::sync::Arc;

use bytes::Bytes;
use valet_protocol::{ServerNotificationMethod, v2};
use valet_store::StoreError;

use super::history::History;
use super::record::{Record, ThreadSettings};
use super::shared::ThreadState;
use super::stage::Stage;
use crate::connection::Connection;

/// A connection that came to listen, and waits for its answer. When this is dropped, what was held back follows.
pub(crate) struct Joining {
    shared: Arc<ThreadState>,
    connection: Arc<Connection>,
    /// Whether it did not listen before.
    new: bool,
    /// What stood open at that moment, as it was asked.
    questions: Vec<Bytes>,
    answered: bool,
}

/// A thread at one moment.
pub(crate) struct Moment {
    pub(crate) thread: v2::Thread,
    pub(crate) settings: ThreadSettings,
    pub(crate) read_state: Option<v2::ThreadReadState>,
    /// What was used so far, and by which turn last.
    pub(crate) token_usage: Option<(String, v2::ThreadTokenUsage)>,
    /// What happened up to that moment; none before the first turn.
    pub(crate) history: Option<History>,
}

impl ThreadState {
    /// The thread as it is now.
    ///
    /// # Errors
    ///
    /// Its log cannot be read.
    pub(crate) fn moment(&self) -> Result<Moment, StoreError> {
        self.moment_of(&self.stage())
    }

    fn moment_of(&self, stage: &Stage) -> Result<Moment, StoreError> {
        let Record { thread, settings, read_state, token_usage, .. } = &stage.record;
        Ok(Moment {
            thread: thread.clone(),
            settings: settings.clone(),
            read_state: read_state.clone(),
            token_usage: token_usage.clone(),
            history: stage.log.lines()?.map(|lines| History {
                lines,
                running: stage.running.clone(),
                open: stage.open.to_vec(),
            }),
        })
    }

    /// A connection listens from now on, and is told nothing before its answer; until it leaves, the lease on the thread
    /// is held. None: the thread was closed, or somebody else went on with it. What is in memory is old.
    ///
    /// # Errors
    ///
    /// Somebody else has the lease, or the log cannot be read. Nothing has changed.
    pub(crate) fn join(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
    ) -> Result<Option<(Joining, Moment)>, StoreError> {
        let mut stage = self.stage();
        if !stage.log.take_lease()? {
            return Ok(None);
        }
        let moment = self.moment_of(&stage)?;
        self.set_retired(false);
        if stage.tenant.is_some_and(|tenant| self.connections.get(tenant).is_none()) {
            // Whose it was has left: from now on it is the newcomer's, and goes with that.
            stage.tenant = Some(connection.id);
        }
        let new = stage.listen(Arc::clone(connection));
        // A turn of the thread may wait for a token, with nobody to ask for it.
        self.owners.wake();
        stage.hold_back(connection.id);
        self.settle(&mut stage);
        let questions = self.questions.open();
        let joining =
            Joining { shared: Arc::clone(self), connection: Arc::clone(connection), new, questions, answered: false };
        Ok(Some((joining, moment)))
    }
}

impl Joining {
    /// Tells those who listen, and the newcomer at once, behind the answer.
    pub(crate) fn notify<N: ServerNotificationMethod>(&self, params: &N::Params) {
        self.shared.stage().notify_first::<N>(self.connection.id, params);
    }

    /// The answer is on its way: what stands open is asked again after it, and then comes what was held back.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        let mut stage = self.shared.stage();
        if !self.answered && self.new {
            stage.leave(self.connection.id);
            return self.shared.settle(&mut stage);
        }
        if self.answered {
            self.questions.drain(..).for_each(|question| self.connection.send(question));
        }
        stage.send_held(self.connection.id);
    }
}
