//! The way in of a connection: bounded in bytes; when it is full, the other side waits.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// What may have been read and not yet been taken care of. One message may be larger.
const INBOX_BYTES: usize = 1024 * 1024;

/// What a message costs beside its text.
const ENTRY_BYTES: usize = 128;

/// What arrives on a connection, in order.
#[derive(Debug)]
pub struct Inbox(mpsc::UnboundedReceiver<Arrival>);

/// A message that arrived. It makes room for others when it is dropped.
#[derive(Debug)]
pub struct Arrival {
    message: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Deref for Arrival {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.message
    }
}

impl Inbox {
    /// The next message; `None` when the other side has left and everything was read.
    pub async fn next(&mut self) -> Option<Arrival> {
        self.0.recv().await
    }
}

/// The transport's end of an [`Inbox`].
#[derive(Clone, Debug)]
pub struct Inlet {
    messages: mpsc::UnboundedSender<Arrival>,
    room: Arc<Semaphore>,
}

/// Nobody reads the inbox any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody reads the inbox any more")]
pub struct InboxClosed;

pub(crate) fn inbox() -> (Inlet, Inbox) {
    let (messages, receiver) = mpsc::unbounded_channel();
    (Inlet { messages, room: Arc::new(Semaphore::new(INBOX_BYTES)) }, Inbox(receiver))
}

impl Inlet {
    /// Hands over one message, when there is room for it.
    pub async fn send(&self, message: Bytes) -> Result<(), InboxClosed> {
        let wanted = (message.len() + ENTRY_BYTES).min(INBOX_BYTES);
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let room = tokio::select! {
            biased;
            room = Arc::clone(&self.room).acquire_many_owned(wanted) => room,
            () = self.messages.closed() => return Err(InboxClosed),
        };
        let arrival = Arrival { message, _room: room.map_err(|_closed| InboxClosed)? };
        self.messages.send(arrival).map_err(|_unsent| InboxClosed)
    }

    /// The same from a thread of its own.
    pub(crate) fn blocking_send(&self, runtime: &Handle, message: Bytes) -> Result<(), InboxClosed> {
        runtime.block_on(self.send(message))
    }

    /// Resolves when nobody reads the inbox any more.
    pub async fn closed(&self) {
        self.messages.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::{INBOX_BYTES, InboxClosed, inbox};
    use bytes::Bytes;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn the_other_side_waits_until_what_it_sent_was_taken_care_of() {
        let (inlet, mut inbox) = inbox();
        inlet.send(vec![b'x'; 10 * INBOX_BYTES].into()).await.unwrap();
        assert!(inlet.send(Bytes::from_static(b"{}")).now_or_never().is_none());
        let arrival = inbox.next().await.unwrap();
        assert!(inlet.send(Bytes::from_static(b"{}")).now_or_never().is_none());
        drop(arrival);
        inlet.send(Bytes::from_static(b"{}")).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_waits_for_room_learns_that_nobody_reads() {
        let (inlet, inbox) = inbox();
        inlet.send(vec![b'x'; INBOX_BYTES].into()).await.unwrap();
        let (sent, ()) = tokio::join!(inlet.send(Bytes::from_static(b"{}")), async { drop(inbox) });
        assert_eq!(sent, Err(InboxClosed));
    }
}
