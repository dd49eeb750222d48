//! Everything that can wake the main loop. Nothing else may.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use valet_protocol::RequestId;
use valet_transport::{Answer, Arrival, Close, Link};

use crate::connection::{ConnectionId, ConnectionKind};
use crate::outgoing::Target;

/// What woke the main loop.
pub(crate) enum Event {
    /// A transport accepted a connection.
    Connected {
        link: Link,
        kind: ConnectionKind,
        /// Told when the other side has left.
        closed: oneshot::Sender<()>,
    },
    /// A message arrived.
    Message { from: ConnectionId, message: Arrival },
    /// The other side has left, and everything that it sent was read.
    Disconnected(ConnectionId),
    /// A request is to be sent to whoever it is for.
    Outgoing(OutgoingRequest),
    /// Nobody waits for the answer to this request any more.
    Abandoned(RequestId),
    /// Somebody asks whether the loop turns.
    Ping(oneshot::Sender<()>),
    /// Take no new work, and end when the turns that run have ended, or at the limit.
    Drain { limit: Option<Duration>, close: Close },
    /// End everything that runs, and tell everybody why.
    End(Close),
    /// Everything has ended, and everybody was told.
    Ended,
}

/// A request of ours, ready but for its id.
pub(crate) struct OutgoingRequest {
    pub(crate) to: Target,
    /// The id that the same question was asked with before.
    pub(crate) again: Option<RequestId>,
    /// Writes the message once the id is known.
    pub(crate) write: Box<dyn FnOnce(&RequestId) -> Bytes + Send>,
    /// Gets the id, so that the request can be abandoned.
    pub(crate) id: oneshot::Sender<RequestId>,
    pub(crate) answer: oneshot::Sender<Answer>,
}
