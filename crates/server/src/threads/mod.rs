//! The threads in memory, and who listens to them.

mod client;
mod questions;
mod record;
mod sink;
mod terms;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use valet_agent::{Conversation, Services};

use crate::connection::{Audience, Connection, ConnectionId};
use crate::host::HostState;
use crate::notification::{Notification, Piece};

use client::ThreadClient;
use questions::Questions;
pub(crate) use record::{Record, ThreadSettings, absolute};
use sink::ThreadSink;
pub(crate) use terms::terms;

/// The threads in memory by id.
#[derive(Default)]
pub(crate) struct Threads {
    by_id: RwLock<HashMap<String, Arc<Thread>>>,
    /// How many turns run.
    running: Arc<watch::Sender<usize>>,
}

/// One thread in memory.
pub(crate) struct Thread {
    pub(crate) id: String,
    pub(crate) conversation: Conversation,
    pub(crate) shared: Arc<Shared>,
    /// Whose it is, where each connection is a tenant of its own.
    tenant: Option<ConnectionId>,
}

impl Thread {
    /// Whether a connection may know of the thread.
    pub(crate) fn is_visible_to(&self, connection: ConnectionId) -> bool {
        self.tenant.is_none_or(|tenant| tenant == connection)
    }
}

/// What a thread's driver and the handlers share.
pub(crate) struct Shared {
    record: std::sync::Mutex<Record>,
    subscribers: RwLock<Vec<Arc<Connection>>>,
    pub(crate) questions: Questions,
    /// Whether everybody who could listen has left for good.
    retired: CancellationToken,
    /// Whether a turn runs.
    running: watch::Sender<bool>,
    /// How many turns run in all threads.
    all_running: Arc<watch::Sender<usize>>,
}

impl Shared {
    pub(crate) fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        // The record is whole between any two statements that change it.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who listen.
    pub(crate) fn notify<N: valet_protocol::ServerNotificationMethod>(&self, params: &N::Params) {
        self.send(Notification::new::<N>(params));
    }

    /// Tells those who listen a piece of a text.
    fn notify_piece<N: valet_protocol::ServerNotificationMethod>(&self, piece: &Piece<'_>) {
        self.send(Notification::piece::<N>(piece));
    }

    fn send(&self, notification: Option<Notification>) {
        let Some(notification) = notification else { return };
        for connection in self.subscribers.read().unwrap_or_else(PoisonError::into_inner).iter() {
            notification.send_to(connection);
        }
    }

    /// Those who listen, the first to come first.
    pub(crate) fn subscribers(&self) -> Vec<Arc<Connection>> {
        self.subscribers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a connection listens.
    pub(crate) fn has_subscriber(&self, id: ConnectionId) -> bool {
        self.subscribers.read().unwrap_or_else(PoisonError::into_inner).iter().any(|one| one.id == id)
    }

    fn subscribe(&self, connection: Arc<Connection>) {
        let mut subscribers = self.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        if !subscribers.iter().any(|subscriber| subscriber.id == connection.id) {
            subscribers.push(connection);
        }
    }

    /// Says whether the connection was subscribed.
    pub(crate) fn unsubscribe(&self, id: ConnectionId) -> bool {
        let mut subscribers = self.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        let before = subscribers.len();
        subscribers.retain(|subscriber| subscriber.id != id);
        subscribers.len() < before
    }

    fn turn_began(&self) {
        self.all_running.send_modify(|running| *running += 1);
        self.running.send_replace(true);
    }

    fn turn_ended(&self) {
        self.running.send_replace(false);
        self.all_running.send_modify(|running| *running -= 1);
    }

    fn is_running(&self) -> bool {
        *self.running.borrow()
    }

    async fn idle(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.running.subscribe().wait_for(|running| !running).await;
    }
}

impl Threads {
    /// Starts a thread, with its first listener.
    pub(crate) fn start(&self, host: &HostState, record: Record, subscriber: Arc<Connection>) -> Arc<Thread> {
        let id = record.thread.id.clone();
        let shared = Arc::new(Shared {
            record: std::sync::Mutex::new(record),
            subscribers: RwLock::default(),
            questions: Questions::default(),
            retired: CancellationToken::new(),
            running: watch::Sender::new(false),
            all_running: Arc::clone(&self.running),
        });
        let tenant = host.tenant(subscriber.id);
        shared.subscribe(subscriber);
        let sink = ThreadSink {
            thread_id: id.clone(),
            shared: Arc::clone(&shared),
            connections: Arc::clone(&host.connections),
            audience: Audience::of(tenant),
            strict: host.config.strict(),
            metrics: host.metrics.clone(),
            waiting: std::sync::Mutex::default(),
        };
        let client = ThreadClient {
            thread_id: Uuid::parse_str(&id).unwrap_or_default(),
            shared: Arc::clone(&shared),
            outgoing: host.outgoing.clone(),
        };
        let services = Services {
            http: Arc::clone(&host.http),
            launcher: Arc::clone(&host.launcher),
            client: Arc::new(client),
            sink: Arc::new(sink),
        };
        let conversation = Conversation::start(id.clone(), services);
        let thread = Arc::new(Thread { id: id.clone(), conversation, shared, tenant });
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&thread));
        thread
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Thread>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn all(&self) -> Vec<Arc<Thread>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The threads that a connection may know of.
    pub(crate) fn visible_to(&self, connection: ConnectionId) -> Vec<Arc<Thread>> {
        let threads = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        threads.values().filter(|thread| thread.is_visible_to(connection)).cloned().collect()
    }

    /// Forgets the threads of a tenant that has left, each when its turn has ended.
    pub(crate) fn retire(&self, tenant: ConnectionId) {
        let mut threads = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<Arc<Thread>> =
            threads.extract_if(|_, thread| thread.tenant == Some(tenant)).map(|(_, thread)| thread).collect();
        for thread in gone {
            // Nobody is left who could answer what stands open.
            thread.shared.retired.cancel();
            tokio::spawn(async move { thread.shared.idle().await });
        }
    }

    pub(crate) fn unsubscribe_everywhere(&self, id: ConnectionId) {
        for thread in self.by_id.read().unwrap_or_else(PoisonError::into_inner).values() {
            thread.shared.unsubscribe(id);
        }
    }

    /// How many turns run, now and later.
    pub(crate) fn running(&self) -> watch::Receiver<usize> {
        self.running.subscribe()
    }

    /// Waits until no turn runs.
    pub(crate) async fn all_idle(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.running().wait_for(|running| *running == 0).await;
    }

    /// Interrupts every turn that runs or would, and waits until the end of each was told.
    pub(crate) async fn end_all(&self) {
        join_all(self.all().iter().map(|thread| thread.end())).await;
    }
}

impl Thread {
    async fn end(&self) {
        if *self.shared.running.borrow() {
            tracing::warn!(thread = self.id, "a turn is interrupted: the host ends");
        }
        self.conversation.end().await;
    }
}
