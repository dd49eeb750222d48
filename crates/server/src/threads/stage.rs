//! Everything of a thread that changes, under one lock: what is known of it, the end of its log, the items that have
//! begun, and who listens. What is changed and told under one hold of the lock is one moment for everybody.

use std::sync::Arc;

use bytes::Bytes;
use valet_agent::Item;
use valet_protocol::{ErrorKind, ErrorObject, ServerNotificationMethod, v2};
use valet_store::NewLine;

use super::Record;
use super::log::Log;
use super::open_items::OpenItems;
use crate::connection::{Audience, Connection, ConnectionId, Connections};
use crate::convert;
use crate::notification::{Notification, Piece};
use crate::rollout::line;

/// Everything of a thread that changes.
pub(crate) struct Stage {
    pub(crate) record: Record,
    pub(super) log: Log,
    /// The turn that runs.
    pub(super) running: Option<String>,
    pub(super) open: OpenItems,
    /// Whose it is, where each connection is a tenant of its own.
    pub(super) tenant: Option<ConnectionId>,
    listeners: Vec<Listener>,
}

/// A connection that listens.
struct Listener {
    connection: Arc<Connection>,
    /// What it is told after the answer that it waits for; none when it waits for none.
    held: Option<Vec<Held>>,
}

enum Held {
    Told(Notification),
    Asked(Bytes),
}

impl Listener {
    fn send(&mut self, held: Held) {
        match &mut self.held {
            Some(waiting) => waiting.push(held),
            None => held.send_to(&self.connection),
        }
    }
}

impl Held {
    fn send_to(self, connection: &Connection) {
        match self {
            Self::Told(notification) => notification.send_to(connection),
            Self::Asked(question) => connection.send(question),
        }
    }
}

impl Stage {
    pub(super) fn new(record: Record, log: Log, tenant: Option<ConnectionId>) -> Self {
        Self { record, log, running: None, open: OpenItems::default(), tenant, listeners: Vec::new() }
    }

    /// Tells those who listen.
    pub(crate) fn notify<N: ServerNotificationMethod>(&mut self, params: &N::Params) {
        if !self.listeners.is_empty() {
            self.send(Notification::new::<N>(params));
        }
    }

    /// Tells those who listen a piece of a text.
    pub(super) fn notify_piece<N: ServerNotificationMethod>(&mut self, piece: &Piece<'_>) {
        self.open.extend(piece);
        if !self.listeners.is_empty() {
            self.send(Notification::piece::<N>(piece));
        }
    }

    fn send(&mut self, notification: Option<Notification>) {
        let Some(notification) = notification else { return };
        for listener in &mut self.listeners {
            listener.send(Held::Told(notification.clone()));
        }
    }

    /// Tells those who listen, and one of them even before its answer.
    pub(super) fn notify_first<N: ServerNotificationMethod>(&mut self, first: ConnectionId, params: &N::Params) {
        let Some(notification) = Notification::new::<N>(params) else { return };
        for listener in &mut self.listeners {
            let told = Held::Told(notification.clone());
            if listener.connection.id == first { told.send_to(&listener.connection) } else { listener.send(told) }
        }
    }

    /// Tells those who listen, and whose the thread is in memory: everybody's, or one tenant's. Of what becomes of the
    /// stored thread, others hear, too (`Context::tell_of`).
    pub(crate) fn tell<N: ServerNotificationMethod>(&mut self, connections: &Connections, params: &N::Params) {
        let Some(notification) = Notification::new::<N>(params) else { return };
        connections.each(Audience::of(self.tenant), |connection| {
            if !self.has(connection.id) {
                notification.send_to(connection);
            }
        });
        self.send(Some(notification));
    }

    /// Asks those who listen.
    pub(super) fn ask(&mut self, question: &Bytes) {
        for listener in &mut self.listeners {
            if listener.connection.session().is_some() {
                listener.send(Held::Asked(question.clone()));
            }
        }
    }

    /// What is in force, if the log does not say it yet.
    pub(super) fn settings_line(&mut self) -> Option<NewLine> {
        let settings = self.record.settings.stored();
        let is_new = self.record.applied.as_ref() != Some(&settings);
        let line = is_new.then(|| line::settings_applied(&self.record.thread.id, &settings));
        self.record.applied = Some(settings);
        // Settings are made of strings and numbers: they always serialise.
        line?.ok()
    }

    /// Stores lines that somebody waits for.
    ///
    /// # Errors
    ///
    /// They cannot be stored.
    pub(super) fn store(&mut self, lines: impl IntoIterator<Item = NewLine>) -> Result<(), ErrorObject> {
        if self.log.append(lines) {
            return Ok(());
        }
        let reason = self.log.failure().unwrap_or("the thread was closed");
        Err(ErrorObject::internal(reason).kind(ErrorKind::FileSystem))
    }

    /// An item began.
    pub(super) fn item_began(&mut self, item: &Item) -> v2::ThreadItem {
        let item = convert::item(item);
        self.open.begin(item.clone());
        item
    }

    /// Those who listen, the first to come first.
    pub(super) fn listeners(&self) -> Vec<Arc<Connection>> {
        self.listeners.iter().map(|listener| Arc::clone(&listener.connection)).collect()
    }

    /// Whether the thread is the connection's own, or it listens.
    pub(crate) fn is_of(&self, id: ConnectionId) -> bool {
        self.tenant.is_none_or(|tenant| tenant == id) || self.has(id)
    }

    /// Whether a connection listens.
    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.listeners.iter().any(|listener| listener.connection.id == id)
    }

    /// Whether nobody listens.
    pub(super) fn is_alone(&self) -> bool {
        self.listeners.is_empty()
    }

    /// A connection listens from now on. Says whether it did not before.
    pub(super) fn listen(&mut self, connection: Arc<Connection>) -> bool {
        let new = !self.has(connection.id);
        if new {
            self.listeners.push(Listener { connection, held: None });
        }
        new
    }

    /// Says whether the connection listened.
    pub(super) fn leave(&mut self, id: ConnectionId) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|listener| listener.connection.id != id);
        if self.tenant == Some(id)
            && let Some(next) = self.listeners.first()
        {
            self.tenant = Some(next.connection.id);
        }
        self.listeners.len() < before
    }

    /// From now on, what a connection is told and asked waits for an answer that it is to get first.
    pub(super) fn hold_back(&mut self, id: ConnectionId) {
        if let Some(listener) = self.listeners.iter_mut().find(|listener| listener.connection.id == id) {
            listener.held.get_or_insert_default();
        }
    }

    /// The answer is on its way: what was held follows it.
    pub(super) fn send_held(&mut self, id: ConnectionId) {
        if let Some(listener) = self.listeners.iter_mut().find(|listener| listener.connection.id == id) {
            let held = listener.held.take().unwrap_or_default();
            held.into_iter().for_each(|held| held.send_to(&listener.connection));
        }
    }
}
