//! Requests of the host to its clients. The callback map belongs to the main loop; this is everybody
//! else's way to it.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use valet_protocol::{RequestId, ServerRequestMethod, jsonrpc};
use valet_transport::Answer;

use crate::connection::ConnectionId;
use crate::event::{Event, OutgoingRequest};

/// Sends requests to clients and waits for their answers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct OutgoingMessageSender {
    events: mpsc::Sender<Event>,
}

impl OutgoingMessageSender {
    pub(crate) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events }
    }

    /// Asks one connection. None: it has left, or was never there.
    ///
    /// There is no deadline here. When the future is dropped, the request is abandoned, and an answer that
    /// comes later is dropped too.
    pub(crate) async fn request<M: ServerRequestMethod>(&self, to: ConnectionId, params: M::Params) -> Option<Answer> {
        let (id_sender, id) = oneshot::channel();
        let (answer_sender, answer) = oneshot::channel();
        let write = Box::new(move |id: &RequestId| {
            // Parameters are made of strings and numbers: they always serialise.
            Bytes::from(jsonrpc::write_request(M::METHOD, id, &params).unwrap_or_default())
        });
        let request = OutgoingRequest { to, write, id: id_sender, answer: answer_sender };
        self.events.send(Event::Outgoing(request)).await.ok()?;
        let mut abandon = Abandon { id: id.await.ok(), events: self.events.clone() };
        let answer = answer.await.ok();
        abandon.id = None;
        answer
    }
}

/// Tells the main loop when nobody waits any more.
struct Abandon {
    id: Option<RequestId>,
    events: mpsc::Sender<Event>,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let events = self.events.clone();
            tokio::spawn(async move { events.send(Event::Abandoned(id)).await });
        }
    }
}
