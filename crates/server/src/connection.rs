//! Who is connected, what each connection asked for, and how it is told things.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use valet_agent::Origin;
use valet_auth::{Caller, OwnerId};
use valet_protocol::{ErrorObject, RequestId, ServerNotificationMethod, jsonrpc};
use valet_transport::{Close, Delta, Outbox};

use crate::metrics::Metrics;
use crate::notification::Notification;

/// Unique within the process; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// What the requests of one connection may weigh while they are carried out.
const LOAD_BYTES: usize = 16 * 1024 * 1024;
/// When to ask again while requests are carried out, and while the answers to earlier ones are not read.
const BUSY: Duration = Duration::from_millis(100);
const SLOW_READER: Duration = Duration::from_secs(1);

impl ConnectionId {
    /// The connection as one on whose behalf the backend is called.
    pub(crate) fn caller(self) -> Caller {
        Caller::Connection(self.0)
    }
}

/// Who is told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Every initialized connection.
    Everybody,
    /// One tenant.
    One(ConnectionId),
}

impl Audience {
    /// Who may hear of what belongs to a tenant, or to nobody in particular.
    pub(crate) fn of(tenant: Option<ConnectionId>) -> Self {
        tenant.map_or(Self::Everybody, Self::One)
    }
}

/// What the end of a connection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionKind {
    /// One of several that come and go. When it has left, nothing more can be told to it.
    Guest,
    /// The one that the host was started for. When it says no more, it still listens to how things end.
    Parent,
}

/// What a client said in `initialize`.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) experimental: bool,
    pub(crate) opted_out: HashSet<String>,
    pub(crate) refresh_timeout: Option<Duration>,
    pub(crate) allow_account_switch: bool,
    pub(crate) parse_errors: bool,
    /// Who the connection is as a lender of tokens.
    pub(crate) owner: OwnerId,
    /// Who the backend is told is calling.
    pub(crate) origin: Arc<Origin>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) kind: ConnectionKind,
    outbox: Outbox,
    session: OnceLock<Session>,
    /// Requests that are not answered yet, and how often the same id is open.
    open: Mutex<HashMap<RequestId, u32>>,
    /// What the open requests weigh, in bytes.
    load: AtomicUsize,
    /// Whether errors go out without `data`, as the reference sends them.
    strict: bool,
    told_crowded: AtomicBool,
    pub(crate) metrics: Metrics,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        kind: ConnectionKind,
        outbox: Outbox,
        strict: bool,
        metrics: Metrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            kind,
            outbox,
            session: OnceLock::new(),
            open: Mutex::default(),
            load: AtomicUsize::new(0),
            strict,
            told_crowded: AtomicBool::new(false),
            metrics,
        })
    }

    /// What the client said in `initialize`; none before that.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.session.get()
    }

    /// Opens the connection for requests and notifications. Says whether it was closed before.
    pub(crate) fn initialize(&self, session: Session) -> bool {
        self.session.set(session).is_ok()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<RequestId, u32>> {
        // Nothing under this lock can panic half-way.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the client should wait before it asks again, if it has asked for more than it may at a time.
    /// A request that is refused costs little; one that is read late would hold up the answers behind it.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let crowded = self.outbox.is_crowded();
        // Said once, until everything was read.
        if crowded && !self.told_crowded.swap(true, Ordering::Relaxed) {
            tracing::info!(
                connection = self.id.0,
                "requests are refused: too much waits for a client that reads slowly"
            );
        }
        if crowded {
            return Some(SLOW_READER);
        }
        if self.waiting_bytes() == 0 {
            self.told_crowded.store(false, Ordering::Relaxed);
        }
        (self.load.load(Ordering::Relaxed) > LOAD_BYTES).then_some(BUSY)
    }

    /// Notes that a request waits for its answer.
    pub(crate) fn request_opened(&self, id: &RequestId, weight: usize) {
        self.load.fetch_add(weight, Ordering::Relaxed);
        *self.open().entry(id.clone()).or_default() += 1;
    }

    /// Notes that a request is about to be answered. False: it was answered in the meantime.
    pub(crate) fn request_closed(&self, id: &RequestId, weight: usize) -> bool {
        self.load.fetch_sub(weight, Ordering::Relaxed);
        let mut open = self.open();
        let Some(times) = open.get_mut(id) else { return false };
        *times -= 1;
        if *times == 0 {
            open.remove(id);
        }
        true
    }

    /// Answers every request that is still open with this error.
    pub(crate) fn fail_open(&self, error: &ErrorObject) {
        let open = std::mem::take(&mut *self.open());
        for (id, times) in open {
            (0..times).for_each(|_| self.answer_error(&id, error));
        }
    }

    /// Refuses a request before anybody carries it out.
    pub(crate) fn refuse(&self, id: &RequestId, method: &'static str, error: &ErrorObject) {
        self.metrics.request(method, Some(error));
        self.answer_error(id, error);
    }

    /// Answers a request with what was written for it, or with an error.
    pub(crate) fn answer(&self, id: &RequestId, written: Result<serde_json::Result<Vec<u8>>, ErrorObject>) {
        match written {
            Ok(Ok(bytes)) => self.outbox.push(bytes.into()),
            Ok(Err(error)) => {
                tracing::error!(%error, "a result could not be written");
                self.answer_error(id, &ErrorObject::internal("the result could not be written"));
            }
            Err(error) => self.answer_error(id, &error),
        }
    }

    /// Answers a request with an error.
    pub(crate) fn answer_error(&self, id: &RequestId, error: &ErrorObject) {
        let bytes = match self.strict {
            true => jsonrpc::write_error(Some(id), &error.clone().strict()),
            false => jsonrpc::write_error(Some(id), error),
        };
        self.outbox.push(bytes.into());
    }

    /// Who the connection is as a lender of tokens; none before `initialize`.
    pub(crate) fn owner(&self) -> Option<OwnerId> {
        self.session().map(|session| session.owner)
    }

    /// How much waits to be written.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.outbox.waiting_bytes()
    }

    /// Answers text that is no message.
    pub(crate) fn answer_nobody(&self, error: &ErrorObject) {
        self.outbox.push(jsonrpc::write_error(None, error).into());
    }

    /// Sends a message that is already written.
    pub(crate) fn send(&self, message: Bytes) {
        self.outbox.push(message);
    }

    /// Sends a message that may be joined with those of the same text, while the reader is slow.
    pub(crate) fn send_delta(&self, delta: Delta) {
        self.outbox.push_delta(delta);
    }

    /// Tells this connection alone.
    pub(crate) fn notify<N: ServerNotificationMethod>(&self, params: &N::Params) {
        if let Some(notification) = Notification::new::<N>(params) {
            notification.send_to(self);
        }
    }

    /// Waits while the other side is slow to read: for whoever has much to say and can hold it back.
    pub(crate) async fn room(&self) {
        self.outbox.room().await;
    }

    pub(crate) fn close(&self, reason: Close) {
        self.outbox.close(reason);
    }

    /// Waits until everything was written and the transport has ended.
    pub(crate) async fn done(&self) {
        self.outbox.done().await;
    }
}

/// Everybody who is connected. The main loop alone adds and removes.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    by_id: RwLock<BTreeMap<ConnectionId, Arc<Connection>>>,
    count: watch::Sender<usize>,
}

impl Connections {
    pub(crate) fn insert(&self, connection: Arc<Connection>) {
        let mut connections = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        connections.insert(connection.id, connection);
        self.count.send_replace(connections.len());
    }

    pub(crate) fn remove(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        let mut connections = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        let removed = connections.remove(&id);
        self.count.send_replace(connections.len());
        removed
    }

    /// How many there are, now and later.
    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Tells everybody of an audience.
    pub(crate) fn tell<N: ServerNotificationMethod>(&self, audience: Audience, params: &N::Params) {
        if let Some(notification) = Notification::new::<N>(params) {
            self.each(audience, |connection| notification.send_to(connection));
        }
    }

    /// Goes through everybody of an audience. Must not ask for the connections again.
    pub(crate) fn each(&self, audience: Audience, act: impl FnMut(&Arc<Connection>)) {
        let connections = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        match audience {
            Audience::Everybody => connections.values().for_each(act),
            Audience::One(id) => connections.get(&id).into_iter().for_each(act),
        }
    }
}
