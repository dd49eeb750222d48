//! The main loop: takes events one at a time, and owns what nobody else may touch, the callbacks of
//! outgoing requests and the lanes of incoming ones.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use valet_protocol::jsonrpc::{Malformed, Message};
use valet_protocol::{ErrorObject, RequestId};
use valet_transport::{Answer, Callbacks, Close, Inbox, Link};

use crate::connection::{Connection, ConnectionId, ConnectionKind};
use crate::context::Context;
use crate::dispatch::dispatch;
use crate::ending::{Ending, shutting_down};
use crate::event::{Event, OutgoingRequest};
use crate::host::HostState;
use crate::order::Lanes;
use crate::outgoing::Target;

pub(crate) struct MainLoop {
    host: Arc<HostState>,
    events: mpsc::Sender<Event>,
    /// Whoever waits for an answer, by whose answer counts.
    callbacks: Callbacks<Target>,
    lanes: Lanes,
    next_connection: u64,
    /// Texts that were no message.
    malformed: u64,
    /// What connections are told, once the end has begun. Nothing new is taken then.
    end: Option<Close>,
}

impl MainLoop {
    pub(crate) fn new(host: Arc<HostState>, events: mpsc::Sender<Event>) -> Self {
        Self {
            host,
            events,
            callbacks: Callbacks::default(),
            lanes: Lanes::default(),
            next_connection: 1,
            malformed: 0,
            end: None,
        }
    }

    pub(crate) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Connected { link, kind, closed } => self.connected(link, kind, closed),
                Event::Message { from, message } => self.message(from, &message).await,
                Event::Disconnected(id) => self.disconnected(id),
                Event::Outgoing(request) => self.outgoing(request),
                Event::Abandoned(id) => self.callbacks.remove(&id),
                Event::Ping(reply) => drop(reply.send(())),
                Event::Drain { limit, close } => self.drain(limit, close),
                Event::End(close) => self.end(close),
                Event::Ended => break,
            }
            self.host.metrics.server_requests(self.callbacks.len());
        }
    }

    fn drain(&mut self, limit: Option<Duration>, close: Close) {
        if self.host.drain() {
            let turns = *self.host.threads.running().borrow();
            let seconds = limit.map(|limit| limit.as_secs());
            tracing::info!(turns, seconds, "no new work is taken; turns that run may come to their end");
            let begun = self.lanes.of_threads();
            tokio::spawn(self.ending(close).drain(begun, limit));
        }
    }

    fn end(&mut self, close: Close) {
        self.host.drain();
        if self.end.is_none() {
            self.end = Some(close);
            tracing::info!("what still runs is ended, and connections are closed");
            tokio::spawn(self.ending(close).run());
        }
    }

    fn ending(&self, close: Close) -> Ending {
        let (host, events) = (Arc::clone(&self.host), self.events.clone());
        Ending { host, requests: self.lanes.tasks(), events, close }
    }

    fn connected(&mut self, link: Link, kind: ConnectionKind, closed: oneshot::Sender<()>) {
        if let Some(close) = self.end {
            // Whoever comes now is told the same as all others.
            return link.outbox.close(close);
        }
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let connection = Connection::new(id, kind, link.outbox, self.host.config.strict(), self.host.metrics.clone());
        self.host.connections.insert(Arc::clone(&connection));
        let events = self.events.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = read(id, link.inbox, &events) => {}
                // Nothing that is said can reach the other side any more.
                () = connection.done() => {}
            }
            let _ = closed.send(());
            if kind == ConnectionKind::Guest {
                let _ = events.send(Event::Disconnected(id)).await;
            }
        });
    }

    fn disconnected(&mut self, id: ConnectionId) {
        // Before anybody can see that it is gone, its owner is known not to be there: who waits for the owner is woken by
        // an arrival only.
        if let Some(owner) = self.host.connections.get(id).and_then(|connection| connection.owner()) {
            self.host.owners.left(owner, id);
        }
        // Then gone, before all else: whoever enters something for this connection looks here afterwards.
        let connection = self.host.connections.remove(id);
        self.callbacks.drop_where(|asked| *asked == Target::One(id));
        self.host.forget(id);
        if let Some(connection) = connection {
            if connection.session().is_some() {
                tracing::info!(connection = id.0, "a client has left");
            }
            connection.close(Close::Gone);
        }
    }

    async fn message(&mut self, from: ConnectionId, message: &[u8]) {
        let Some(connection) = self.host.connections.get(from) else { return };
        match Message::parse(message) {
            Ok(Message::Request { id, .. }) if self.end.is_some() => {
                connection.answer_error(&id, &shutting_down());
            }
            Ok(Message::Request { id, method, params }) => {
                let context = Context { host: Arc::clone(&self.host), connection };
                dispatch(context, &mut self.lanes, id, &method, params).await;
            }
            Ok(Message::Response { id, outcome }) => self.answered(from, &id, outcome),
            // The one notification of clients is `initialized`, and nothing depends on it.
            Ok(Message::Notification { .. }) => {}
            Err(malformed) => self.malformed(&connection, message.len(), &malformed),
        }
    }

    fn answered(&mut self, from: ConnectionId, id: &RequestId, outcome: Result<&RawValue, &RawValue>) {
        let was_asked = |asked: &Target| match *asked {
            Target::Everybody => true,
            Target::One(id) => id == from,
            Target::Thread(id) => {
                self.host.threads.get(&id.to_string()).is_some_and(|thread| thread.shared.has_listener(from))
            }
        };
        if !self.callbacks.complete(id, was_asked, Answer::from(outcome)) {
            tracing::debug!(connection = from.0, "an answer to a question that is not open is dropped");
        }
    }

    fn malformed(&mut self, connection: &Connection, bytes: usize, malformed: &Malformed) {
        self.malformed += 1;
        tracing::warn!(connection = connection.id.0, bytes, count = self.malformed, reason = %malformed, "a text is no message");
        if connection.session().is_some_and(|session| session.parse_errors) {
            let error = match malformed {
                Malformed::NotAnObject { json: false, .. } => ErrorObject::parse_error("Parse error"),
                other => ErrorObject::invalid_request(other.to_string()),
            };
            connection.answer_nobody(&error);
        }
    }

    fn outgoing(&mut self, request: OutgoingRequest) {
        if request.id.is_closed() {
            return;
        }
        let thread = match request.to {
            Target::Thread(id) => self.host.threads.get(&id.to_string()),
            _ => None,
        };
        let mut asked = match request.to {
            Target::One(id) => self.host.connections.get(id).into_iter().collect(),
            Target::Everybody => self.host.connections.all(),
            Target::Thread(_) => Vec::new(),
        };
        asked.retain(|connection| connection.session().is_some());
        if asked.is_empty() && thread.is_none() {
            return;
        }
        let id = match request.again {
            None => self.callbacks.register(request.to, request.answer),
            Some(id) => {
                self.callbacks.register_again(&id, request.to, request.answer);
                id
            }
        };
        let message = (request.write)(&id);
        if let Some(thread) = thread {
            thread.shared.ask(&id, &message);
        }
        for connection in asked {
            connection.send(message.clone());
        }
        // Fails when the asker has gone already.
        if request.id.send(id.clone()).is_err() {
            self.callbacks.remove(&id);
        }
    }
}

/// However the loop ends, nobody waits for it any more.
impl Drop for MainLoop {
    fn drop(&mut self) {
        self.host.ended.send_replace(true);
    }
}

async fn read(id: ConnectionId, mut inbox: Inbox, events: &mpsc::Sender<Event>) {
    while let Some(message) = inbox.next().await {
        if events.send(Event::Message { from: id, message }).await.is_err() {
            return;
        }
    }
}
