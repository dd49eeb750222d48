//! Requests of the host to its clients. The callback map belongs to the main loop; this is everybody
//! else's way to it.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use valet_protocol::{RequestId, ServerRequestMethod, jsonrpc};
use valet_transport::Answer;

use crate::connection::ConnectionId;
use crate::event::{Event, OutgoingRequest};

/// Whom a request goes to, and whose answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// One connection.
    One(ConnectionId),
    /// Every initialized connection; the first answer counts. The reference's way.
    Everybody,
    /// Whoever listens to a thread, now or when they answer; the first answer counts. When nobody does, the
    /// question waits.
    Thread(Uuid),
}

/// Sends requests to clients and waits for their answers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct OutgoingMessageSender {
    events: mpsc::Sender<Event>,
}

/// A request that was sent. When it is dropped, it is abandoned: an answer that comes later is dropped too.
pub(crate) struct Pending {
    /// The id that the request was sent with.
    pub(crate) id: RequestId,
    answer: oneshot::Receiver<Answer>,
    events: mpsc::Sender<Event>,
    open: bool,
}

impl OutgoingMessageSender {
    pub(crate) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events }
    }

    /// Whether the host has ended: nobody is asked any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.events.is_closed()
    }

    /// Resolves when it has.
    pub(crate) async fn closed(&self) {
        self.events.closed().await;
    }

    /// Asks, under a new id or again under one that was used for the same question. None: nobody is there.
    pub(crate) async fn send<M: ServerRequestMethod>(
        &self,
        to: Target,
        params: M::Params,
        again: Option<RequestId>,
    ) -> Option<Pending> {
        let (id_sender, id) = oneshot::channel();
        let (answer_sender, answer) = oneshot::channel();
        let write = Box::new(move |id: &RequestId| {
            // Parameters are made of strings and numbers: they always serialise.
            Bytes::from(jsonrpc::write_request(M::METHOD, id, &params).unwrap_or_default())
        });
        let request = OutgoingRequest { to, again, write, id: id_sender, answer: answer_sender };
        self.events.send(Event::Outgoing(request)).await.ok()?;
        Some(Pending { id: id.await.ok()?, answer, events: self.events.clone(), open: true })
    }
}

impl Pending {
    /// Waits for the answer, without a deadline. None: whoever was asked has left.
    pub(crate) async fn answer(mut self) -> Option<Answer> {
        let answer = (&mut self.answer).await.ok();
        self.open = false;
        answer
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.open {
            let (events, id) = (self.events.clone(), self.id.clone());
            tokio::spawn(async move { events.send(Event::Abandoned(id)).await });
        }
    }
}
