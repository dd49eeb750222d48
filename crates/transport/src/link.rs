//! The two queues of a connection. The way in is bounded in messages and makes the other side wait; the
//! way out is bounded in bytes and never makes anybody wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, watch};

/// Messages that wait to be read before the transport stops taking more from the other side.
const INBOX_MESSAGES: usize = 128;

/// How much may wait to be written.
#[derive(Clone, Copy, Debug)]
pub struct OutboxLimits {
    /// A connection with more than this waiting is closed as [`Close::Overloaded`].
    pub bytes: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { bytes: 64 * 1024 * 1024 }
    }
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The host is shutting down.
    ShuttingDown,
    /// The reader stalled until too much was waiting.
    Overloaded,
    /// The other side has left.
    Gone,
}

/// One connection as its user sees it.
#[derive(Debug)]
pub struct Link {
    /// What arrives.
    pub inbox: Inbox,
    /// What leaves.
    pub outbox: Outbox,
}

/// What arrives on a connection, in order.
#[derive(Debug)]
pub struct Inbox(mpsc::Receiver<Bytes>);

impl Inbox {
    /// The next message; `None` when the other side has left and everything was read.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}

/// What leaves on a connection. Cheap to clone. When the last clone is dropped, the connection is closed.
#[derive(Clone, Debug)]
pub struct Outbox(Arc<Handle>);

#[derive(Debug)]
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close(Close::Gone);
    }
}

/// The transport's end of an [`Outbox`].
#[derive(Debug)]
pub struct Outlet(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    limits: OutboxLimits,
    filled: Notify,
    done: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Bytes>,
    bytes: usize,
    close: Option<Close>,
}

/// Makes a link and the two ends that a transport serves.
pub fn link(limits: OutboxLimits) -> (Link, mpsc::Sender<Bytes>, Outlet) {
    let (sender, receiver) = mpsc::channel(INBOX_MESSAGES);
    let shared =
        Arc::new(Shared { queue: Mutex::default(), limits, filled: Notify::new(), done: watch::Sender::new(false) });
    let link = Link { inbox: Inbox(receiver), outbox: Outbox(Arc::new(Handle(Arc::clone(&shared)))) };
    (link, sender, Outlet(shared))
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole between any two statements below, so a panic elsewhere cannot break it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, reason: Close) {
        self.queue().close.get_or_insert(reason);
        self.filled.notify_one();
    }

    async fn done(&self) {
        let mut done = self.done.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = done.wait_for(|done| *done).await;
    }
}

impl Outbox {
    fn shared(&self) -> &Shared {
        &self.0.0
    }

    /// Queues one message. A message for a closed connection is dropped: nobody is there to read it.
    pub fn push(&self, message: Bytes) {
        let shared = self.shared();
        let mut queue = shared.queue();
        if queue.close.is_some() {
            return;
        }
        queue.bytes += message.len();
        if queue.bytes > shared.limits.bytes {
            queue.close = Some(Close::Overloaded);
            queue.messages.clear();
            queue.bytes = 0;
            drop(queue);
            shared.done.send_replace(true);
        } else {
            queue.messages.push_back(message);
            drop(queue);
        }
        shared.filled.notify_one();
    }

    /// Ends the connection after everything that is queued has been written.
    pub fn close(&self, reason: Close) {
        self.shared().close(reason);
    }

    /// Waits until nothing more will be written: the transport has ended, or the reader has stalled for too
    /// long.
    pub async fn done(&self) {
        self.shared().done().await;
    }

    /// How many bytes wait to be written.
    pub fn waiting_bytes(&self) -> usize {
        self.shared().queue().bytes
    }
}

impl Outlet {
    /// Everything that is queued; waits when there is nothing. After a close, first what was queued, then
    /// the reason.
    pub async fn next(&mut self) -> Result<VecDeque<Bytes>, Close> {
        loop {
            {
                let mut queue = self.0.queue();
                if !queue.messages.is_empty() {
                    queue.bytes = 0;
                    return Ok(std::mem::take(&mut queue.messages));
                }
                if let Some(reason) = queue.close {
                    return Err(reason);
                }
            }
            self.0.filled.notified().await;
        }
    }
}

impl Outlet {
    /// Resolves when the reader has stalled for too long: whatever is being written then is to be given up.
    pub async fn overloaded(&self) {
        self.0.done().await;
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.0.close(Close::Gone);
        self.0.done.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::{Close, OutboxLimits, link};
    use bytes::Bytes;

    #[tokio::test]
    async fn what_was_queued_before_a_close_is_still_written() {
        let (link, _sender, mut outlet) = link(OutboxLimits::default());
        link.outbox.push(Bytes::from_static(b"last words"));
        link.outbox.close(Close::ShuttingDown);
        link.outbox.push(Bytes::from_static(b"too late"));
        assert_eq!(outlet.next().await.unwrap(), [Bytes::from_static(b"last words")]);
        assert_eq!(outlet.next().await, Err(Close::ShuttingDown));
    }

    #[tokio::test]
    async fn a_reader_that_stalls_past_the_byte_limit_is_closed_as_overloaded() {
        let (link, _sender, mut outlet) = link(OutboxLimits { bytes: 10 });
        link.outbox.push(Bytes::from_static(b"123456"));
        link.outbox.push(Bytes::from_static(b"123456"));
        assert_eq!(outlet.next().await, Err(Close::Overloaded));
        assert_eq!(link.outbox.waiting_bytes(), 0);
        outlet.overloaded().await;
    }

    #[tokio::test]
    async fn a_link_that_is_dropped_is_closed() {
        let (link, _sender, mut outlet) = link(OutboxLimits::default());
        drop(link);
        assert_eq!(outlet.next().await, Err(Close::Gone));
    }

    #[tokio::test]
    async fn done_is_told_when_the_transport_has_ended() {
        let (link, _sender, outlet) = link(OutboxLimits::default());
        drop(outlet);
        link.outbox.done().await;
    }
}
