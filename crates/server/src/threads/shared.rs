//! What a thread's driver and the handlers share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use valet_protocol::methods::{ThreadClosed, ThreadStatusChanged};
use valet_protocol::{ErrorObject, RequestId, ServerNotificationMethod, v2};
use valet_store::StoreError;

use super::questions::Questions;
use super::stage::Stage;
use crate::blocking::blocking;
use crate::connection::{Connection, ConnectionId, Connections};
use crate::convert;
use crate::owners::Owners;

/// How long the read state may differ from what is stored of it.
const NOTE_AFTER: Duration = Duration::from_secs(1);
/// The longest pause between two attempts to note it.
const NOTE_AFTER_MOST: Duration = Duration::from_secs(60);

/// What a thread's driver and the handlers share.
pub(crate) struct ThreadState {
    pub(super) id: String,
    stage: Mutex<Stage>,
    pub(super) questions: Questions,
    pub(super) connections: Arc<Connections>,
    pub(super) owners: Arc<Owners>,
    /// Whether everybody who could listen has left.
    retired: watch::Sender<bool>,
    /// Whether a turn runs.
    running: watch::Sender<bool>,
    /// How many turns run in all threads.
    all_running: Arc<watch::Sender<usize>>,
    /// Whether no turn runs and nobody listens.
    quiet: watch::Sender<bool>,
    /// Whether the read state is newer than what is stored of it.
    unnoted: AtomicBool,
    noting: Mutex<()>,
}

impl ThreadState {
    pub(super) fn new(
        id: String,
        stage: Stage,
        connections: Arc<Connections>,
        owners: Arc<Owners>,
        all_running: Arc<watch::Sender<usize>>,
    ) -> Arc<Self> {
        let quiet = watch::Sender::new(stage.is_alone());
        Arc::new(Self {
            id,
            stage: Mutex::new(stage),
            questions: Questions::default(),
            connections,
            owners,
            retired: watch::Sender::new(false),
            running: watch::Sender::new(false),
            all_running,
            quiet,
            unnoted: AtomicBool::new(false),
            noting: Mutex::default(),
        })
    }

    /// Everything of the thread that changes.
    pub(crate) fn stage(&self) -> MutexGuard<'_, Stage> {
        // The stage is whole between any two statements that change it.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who listen.
    pub(crate) fn notify<N: ServerNotificationMethod>(&self, params: &N::Params) {
        self.stage().notify::<N>(params);
    }

    /// Tells those who listen, and whose the thread is in memory.
    pub(crate) fn tell<N: ServerNotificationMethod>(&self, params: &N::Params) {
        self.stage().tell::<N>(&self.connections, params);
    }

    pub(crate) fn set_status(&self, status: v2::ThreadStatus) {
        self.set_status_of(&mut self.stage(), status);
    }

    /// The same as a part of a moment of the thread.
    pub(super) fn set_status_of(&self, stage: &mut Stage, status: v2::ThreadStatus) {
        stage.record.thread.status = status.clone();
        let params = v2::ThreadStatusChangedNotification { thread_id: self.id.clone(), status };
        stage.tell::<ThreadStatusChanged>(&self.connections, &params);
    }

    /// Asks those who listen, now and whoever comes before there is an answer.
    pub(crate) fn ask(&self, id: &RequestId, question: &Bytes) {
        let mut stage = self.stage();
        self.questions.asked(id, question.clone());
        stage.ask(question);
    }

    /// Those who listen, the first to come first.
    pub(crate) fn listeners(&self) -> Vec<Arc<Connection>> {
        self.stage().listeners()
    }

    /// Whether a connection listens.
    pub(crate) fn has_listener(&self, id: ConnectionId) -> bool {
        self.stage().has(id)
    }

    /// Says whether the connection listened.
    pub(crate) fn leave(&self, id: ConnectionId) -> bool {
        let mut stage = self.stage();
        let left = stage.leave(id);
        if left {
            self.settle(&mut stage);
        }
        left
    }

    pub(super) fn turn_began(&self) {
        self.all_running.send_modify(|running| *running += 1);
        self.running.send_replace(true);
        self.settle(&mut self.stage());
    }

    pub(super) fn turn_ended(&self) {
        self.running.send_replace(false);
        self.all_running.send_modify(|running| *running -= 1);
        self.settle(&mut self.stage());
    }

    /// What is unread is something else from now on, if the caller knew of the last change.
    ///
    /// # Errors
    ///
    /// What the caller does not know. Nothing has changed.
    pub(crate) fn set_read_state(
        self: &Arc<Self>,
        expected_revision: &str,
        read_state: v2::ThreadReadState,
    ) -> Result<(), v2::ThreadReadState> {
        let mut stage = self.stage();
        let known = stage.record.read_state.clone().unwrap_or_else(|| convert::unread_nothing(&self.id));
        if known.revision != expected_revision {
            return Err(known);
        }
        stage.record.read_state = Some(read_state);
        self.read_state_changed();
        Ok(())
    }

    /// Has the read state stored before long: turns do not wait for a database.
    pub(super) fn read_state_changed(self: &Arc<Self>) {
        if !self.unnoted.swap(true, Ordering::Relaxed) {
            let (thread, mut here) = (Arc::downgrade(self), Some(Arc::clone(self)));
            tokio::spawn(async move {
                let mut pause = NOTE_AFTER;
                tokio::time::sleep(pause).await;
                // Another process may keep the database. When the thread leaves memory, it is tried once more.
                while let Some(shared) = here.take() {
                    if shared.noted().await.is_ok() {
                        return;
                    }
                    drop(shared);
                    tokio::time::sleep(pause).await;
                    pause = NOTE_AFTER_MOST.min(pause * 2);
                    here = thread.upgrade();
                }
            });
        }
    }

    /// Stores the read state, if it was not stored yet.
    ///
    /// # Errors
    ///
    /// It cannot be stored; that is in the log.
    pub(crate) async fn noted(self: &Arc<Self>) -> Result<(), ErrorObject> {
        let shared = Arc::clone(self);
        blocking(move || shared.note_read_state().map_err(convert::store_error)).await
    }

    /// The same, where it may wait for a disk.
    fn note_read_state(&self) -> Result<(), StoreError> {
        // Whoever comes second waits for the first.
        let _noting = self.noting.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.unnoted.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let (state, store) = {
            let stage = self.stage();
            (stage.record.read_state.clone(), stage.log.store())
        };
        let Some(state) = state else { return Ok(()) };
        store.set_read_state(&self.id, &convert::stored_read_state(&state)).inspect_err(|error| {
            tracing::debug!(thread = self.id, %error, "what is unread cannot be noted");
            // Of what is not stored, nothing is to be noted.
            if !matches!(error, StoreError::NotFound(_)) {
                self.unnoted.store(true, Ordering::Relaxed);
            }
        })
    }

    /// Whether there is anything of the thread that another process could take up.
    pub(crate) fn is_stored(&self) -> bool {
        let stage = self.stage();
        !stage.record.thread.ephemeral && stage.log.is_stored()
    }

    /// Gives the lease back, if everything is stored.
    pub(crate) fn give_lease_back(&self) {
        self.stage().log.give_lease_back();
    }

    /// Whether a turn runs.
    pub(crate) fn is_running(&self) -> bool {
        *self.running.borrow()
    }

    /// The thread is no longer in memory.
    pub(crate) fn closed(&self) {
        self.set_status(v2::ThreadStatus::NotLoaded {});
        self.tell::<ThreadClosed>(&v2::ThreadClosedNotification { thread_id: self.id.clone() });
    }

    /// Everybody who could listen has left, or somebody has come back.
    pub(super) fn set_retired(&self, retired: bool) {
        self.retired.send_replace(retired);
    }

    /// Waits until nobody is left who could listen.
    pub(super) async fn retired(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.retired.subscribe().wait_for(|retired| *retired).await;
    }

    pub(super) async fn idle(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.running.subscribe().wait_for(|running| !running).await;
    }

    /// Whether no turn runs and nobody listens, now and later.
    pub(super) fn quiet(&self) -> watch::Receiver<bool> {
        self.quiet.subscribe()
    }

    /// To be called after a turn began or ended, somebody came or left, or something was stored.
    pub(super) fn settle(&self, stage: &mut Stage) {
        let quiet = stage.is_alone() && !self.is_running();
        if quiet {
            // Somebody else may want to go on with it.
            stage.log.give_lease_back();
        }
        self.quiet.send_if_modified(|before| std::mem::replace(before, quiet) != quiet);
    }
}
