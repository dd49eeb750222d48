//! The threads in memory, and who listens to them.

mod client;
mod fork;
mod history;
mod join;
mod journal;
mod log;
mod open;
mod open_items;
mod past;
mod profiles;
mod questions;
mod record;
mod repository;
mod revert;
mod shared;
mod sink;
mod stage;
mod terms;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use chrono::Utc;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::watch;
use valet_agent::{Conversation, Past, Services};
use valet_protocol::methods::ThreadSettingsUpdated;
use valet_protocol::{ErrorKind, ErrorObject, v2};
use valet_store::{Creator, FileStore, MemoryStore, NewLine, ThreadLog, ThreadStore};

use crate::connection::{Connection, ConnectionId};
use crate::host::HostState;
use crate::rollout::SessionMeta;

use client::ThreadClient;
pub(crate) use fork::Fork;
pub(crate) use history::{History, no_items};
pub(crate) use join::{Joining, Moment};
use journal::ThreadJournal;
use log::Log;
pub(crate) use open::{Stored, configuration, open};
pub(crate) use profiles::{PROFILES, sandbox_or_profile};
pub(crate) use record::{Changes, Record, ThreadSettings, absolute};
pub(crate) use shared::ThreadState;
use sink::ThreadSink;
use stage::Stage;
pub(crate) use terms::terms;

/// The threads in memory by id, and where all of them are stored.
pub(crate) struct Threads {
    by_id: RwLock<HashMap<String, Arc<Thread>>>,
    pub(crate) stored: Arc<dyn ThreadStore>,
    /// Keeps what is never to be stored.
    ephemeral: Arc<dyn ThreadStore>,
    /// When a thread is unloaded to which nobody listens and in which nothing runs.
    unload_after: Duration,
    /// How many turns run.
    running: Arc<watch::Sender<usize>>,
}

/// One thread in memory.
pub(crate) struct Thread {
    pub(crate) id: String,
    pub(crate) conversation: Conversation,
    pub(crate) shared: Arc<ThreadState>,
}

/// What a thread goes on from.
pub(crate) enum Beginning {
    /// It is new: its first line.
    New(NewLine),
    /// It is stored: its end, and what was before.
    Stored(Box<dyn ThreadLog>, BoxFuture<'static, Result<Past, String>>),
}

impl Threads {
    pub(crate) fn new(home: &std::path::Path, unload_after: Duration) -> Arc<Self> {
        Arc::new(Self {
            by_id: RwLock::default(),
            stored: Arc::new(FileStore::open(home)),
            ephemeral: Arc::new(MemoryStore::default()),
            unload_after,
            running: Arc::default(),
        })
    }

    /// Where a thread is stored.
    pub(crate) fn store(&self, ephemeral: bool) -> Arc<dyn ThreadStore> {
        Arc::clone(if ephemeral { &self.ephemeral } else { &self.stored })
    }

    /// Starts the driver of a thread, with its first listener. Where each connection is a tenant of its own, it is
    /// that tenant's.
    pub(crate) fn start(
        self: &Arc<Self>,
        host: &HostState,
        record: Record,
        beginning: Beginning,
        tenant: Option<ConnectionId>,
        listener: Option<Arc<Connection>>,
    ) -> Arc<Thread> {
        let id = record.thread.id.clone();
        let store = self.store(record.thread.ephemeral);
        let (log, past) = match beginning {
            Beginning::New(head) => (Log::new(id.clone(), store, head), None),
            Beginning::Stored(log, past) => (Log::stored(id.clone(), store, log), Some(past)),
        };
        let mut stage = Stage::new(record, log, tenant);
        if let Some(listener) = listener {
            stage.listen(listener);
        }
        let (connections, owners) = (Arc::clone(&host.connections), Arc::clone(&host.owners));
        let shared = ThreadState::new(id.clone(), stage, connections, owners, Arc::clone(&self.running));
        let services = Services {
            http: Arc::clone(&host.http),
            models: (!host.config.strict()).then(|| Arc::clone(&host.models)),
            launcher: Arc::clone(&host.launcher),
            client: Arc::new(ThreadClient::new(&shared, &host.outgoing)),
            sink: Arc::new(ThreadSink::new(&shared, host)),
            journal: Arc::new(ThreadJournal { shared: Arc::clone(&shared) }),
        };
        let past = {
            let shared = Arc::clone(&shared);
            async move {
                let past = match past {
                    Some(past) => past.await,
                    None => Ok(Past::default()),
                };
                // Whoever goes on without it would write what does not follow from it.
                past.unwrap_or_else(|reason| {
                    shared.stage().log.give_up(reason);
                    Past::default()
                })
            }
        };
        let conversation = Conversation::start(id.clone(), services, past);
        let thread = Arc::new(Thread { id: id.clone(), conversation, shared });
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&thread));
        tokio::spawn(unload_when_quiet(
            Arc::downgrade(self),
            Arc::downgrade(&thread),
            thread.shared.quiet(),
            self.unload_after,
        ));
        thread
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Thread>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All threads in memory.
    pub(crate) fn all(&self) -> Vec<Arc<Thread>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Takes a thread out of memory.
    fn remove(&self, thread: &Arc<Thread>) -> bool {
        let mut threads = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        let here = threads.get(&thread.id).is_some_and(|one| Arc::ptr_eq(one, thread));
        here && threads.remove(&thread.id).is_some()
    }

    /// Takes a thread out of memory in which nothing runs, for others to take it up.
    pub(crate) fn unload(&self, thread: &Arc<Thread>) {
        if self.take_out(thread, &mut thread.shared.stage()) {
            thread.shared.set_status(v2::ThreadStatus::NotLoaded {});
        }
    }

    /// The same at a moment of the thread: nobody can join it any more.
    fn take_out(&self, thread: &Arc<Thread>, stage: &mut Stage) -> bool {
        let here = self.remove(thread);
        if here {
            close(thread, stage);
        }
        here
    }

    /// Forgets the threads of a tenant that has left, each when its turn has ended. Until then who has the same
    /// account can join it.
    pub(crate) fn retire(self: &Arc<Self>, tenant: ConnectionId) {
        for thread in self.all() {
            {
                let stage = thread.shared.stage();
                if stage.tenant != Some(tenant) {
                    continue;
                }
                // Nobody is left who could answer what stands open. Whoever joins says otherwise, under the same lock.
                thread.shared.set_retired(true);
            }
            let threads = Arc::clone(self);
            tokio::spawn(async move {
                thread.shared.idle().await;
                let mut stage = thread.shared.stage();
                // Another may have joined, and have left it to be unloaded like any other.
                if stage.is_alone() && stage.tenant == Some(tenant) {
                    threads.take_out(&thread, &mut stage);
                }
            });
        }
    }

    pub(crate) fn leave_all(&self, id: ConnectionId) {
        for thread in self.all() {
            thread.shared.leave(id);
        }
    }

    /// How many turns run, now and later.
    pub(crate) fn running(&self) -> watch::Receiver<usize> {
        self.running.subscribe()
    }

    /// Waits until no turn runs, nor will of those that were asked for.
    pub(crate) async fn all_idle(&self) {
        loop {
            // The sender lives in `self`, so waiting cannot fail.
            let _ = self.running().wait_for(|running| *running == 0).await;
            // One that waited behind another may have begun.
            let threads = self.all();
            if !join_all(threads.iter().map(|thread| thread.conversation.is_at_work())).await.contains(&true) {
                return;
            }
        }
    }

    /// Interrupts every turn that runs or would, and waits until the end of each was told.
    pub(crate) async fn end_all(&self) {
        join_all(self.all().iter().map(|thread| thread.end())).await;
    }

    /// Gives the leases on all threads back.
    pub(crate) fn give_leases_back(&self) {
        self.all().iter().for_each(|thread| thread.shared.give_lease_back());
    }
}

impl Thread {
    /// Interrupts what runs or would, and waits until the end of it was told.
    pub(crate) async fn end(&self) {
        let running = self.shared.stage().running.clone();
        if let Some(turn) = running {
            tracing::warn!(thread = self.id, turn, "a turn is interrupted: the thread ends");
        }
        self.conversation.end().await;
        let _ = self.shared.noted().await;
    }

    /// What would be in force with these changes, and whether that is something else. The thread's own configuration
    /// says what they mean.
    ///
    /// # Errors
    ///
    /// They are not allowed.
    pub(crate) fn changed(&self, changes: Changes) -> Result<(ThreadSettings, bool), ErrorObject> {
        let stage = self.shared.stage();
        let Record { settings, config, .. } = &stage.record;
        let changed = settings.changed(changes, config)?;
        let differs = changed != *settings;
        Ok((changed, differs))
    }

    /// Puts settings in force for later turns, and shows them in the thread.
    pub(crate) fn apply(&self, settings: &ThreadSettings) {
        let mut stage = self.shared.stage();
        let record = &mut stage.record;
        record.thread.model = Some(settings.model.clone());
        record.thread.reasoning_effort.clone_from(&settings.effort);
        record.thread.cwd.clone_from(&settings.cwd);
        record.thread.environments = Some(vec![settings.environment()]);
        record.settings = settings.clone();
        // Of a thread that is not stored yet, the first turn tells them.
        if stage.log.is_stored()
            && let Some(line) = stage.settings_line()
        {
            stage.log.append([line]);
            let thread = &mut stage.record.thread;
            thread.updated_at = thread.updated_at.max(Utc::now().timestamp());
            self.shared.settle(&mut stage);
        }
    }

    /// Tells those who listen what is in force for later turns.
    pub(crate) fn tell_settings(&self) {
        let mut stage = self.shared.stage();
        let (thread_id, thread_settings) = (self.id.clone(), stage.record.settings.to_wire());
        let params = v2::ThreadSettingsUpdatedNotification { thread_id, thread_settings };
        stage.notify::<ThreadSettingsUpdated>(&params);
    }

    /// Stores the thread with what is in force for it, even if nothing was said in it yet.
    ///
    /// # Errors
    ///
    /// It cannot be stored.
    pub(crate) fn store(&self) -> Result<(), ErrorObject> {
        let mut stage = self.shared.stage();
        let line = stage.settings_line();
        let stored = stage.store(line);
        self.shared.settle(&mut stage);
        stored
    }

    /// Notes what repository the thread works in.
    ///
    /// # Errors
    ///
    /// It cannot be stored.
    pub(crate) fn note(&self, git_info: Option<v2::GitInfo>) -> Result<v2::Thread, ErrorObject> {
        let mut stage = self.shared.stage();
        let thread = v2::Thread { git_info, ..stage.record.thread.clone() };
        let line = SessionMeta::noting(&thread, stage.record.creator.as_ref());
        let stored = stage.store(line);
        self.shared.settle(&mut stage);
        stored?;
        stage.record.thread.git_info.clone_from(&thread.git_info);
        Ok(thread)
    }

    /// Whether the thread is one that is stored.
    ///
    /// # Errors
    ///
    /// It is not; `what` needs a thread that is.
    pub(crate) fn check_stored(&self, what: &str) -> Result<(), ErrorObject> {
        if !self.shared.stage().record.thread.ephemeral {
            return Ok(());
        }
        let message = format!("ephemeral thread does not support {what}: {}", self.id);
        Err(ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported))
    }

    /// Whose the thread is, as its log says.
    pub(crate) fn creator(&self) -> Option<Creator> {
        self.shared.stage().record.creator.clone()
    }
}

/// The end of a thread that is no longer in memory. What is never to be stored is gone then.
fn close(thread: &Thread, stage: &mut Stage) {
    stage.log.give_up(format!("thread {} was closed", thread.id));
    if stage.record.thread.ephemeral
        && let Err(error) = stage.log.store().delete(&thread.id)
    {
        tracing::debug!(thread = thread.id, %error, "there was nothing to forget");
    }
}

/// Takes a thread out of memory when it was quiet for long enough.
async fn unload_when_quiet(
    threads: Weak<Threads>,
    thread: Weak<Thread>,
    mut quiet: watch::Receiver<bool>,
    after: Duration,
) {
    // The sender lives in the thread: when it is gone, there is nothing to do.
    while quiet.wait_for(|quiet| *quiet).await.is_ok() {
        tokio::select! {
            changed = quiet.changed() => if changed.is_err() { return } else { continue },
            () = tokio::time::sleep(after) => {}
        }
        let (Some(threads), Some(thread)) = (threads.upgrade(), thread.upgrade()) else { return };
        let _ = thread.shared.noted().await;
        let is_out = {
            let mut stage = thread.shared.stage();
            // Somebody may have come in the meantime.
            if !*quiet.borrow() {
                continue;
            }
            threads.take_out(&thread, &mut stage)
        };
        if is_out {
            thread.shared.closed();
        }
        return;
    }
}
