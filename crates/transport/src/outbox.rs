//! The way out of a connection: bounded in bytes, and never a reason for anybody to wait. While a reader is
//! slow, pieces of the same text are joined; nothing else is ever changed or left out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use crate::delta::{Delta, Joined};
use crate::link::Close;

/// From here on a reader counts as slow: about what a pipe holds.
const SLOW_BYTES: usize = 64 * 1024;

/// What a writer gets at a time, so that all else stays where it can still be joined.
const BATCH_BYTES: usize = 64 * 1024;

/// No joined message grows larger: clients have limits for what they read at once.
const MOST_JOINED_BYTES: usize = 256 * 1024;

/// What a queued message costs beside its text.
const ENTRY_BYTES: usize = 64;

/// A queue that was longer gives its memory back when it is empty.
const KEPT_ENTRIES: usize = 1024;

/// How much may wait to be written.
#[derive(Clone, Copy, Debug)]
pub struct OutboxLimits {
    /// Above this the connection is crowded: its user should ask for less.
    pub crowded_bytes: usize,
    /// A connection with more than this waiting is closed as [`Close::Overloaded`] at the next message.
    pub bytes: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { crowded_bytes: 8 * 1024 * 1024, bytes: 64 * 1024 * 1024 }
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
    /// Told when the reader is not slow any more, or the connection is closed.
    emptied: Notify,
    done: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    /// How many entries were taken out before the first one.
    taken: u64,
    /// The entries, counted from the first ever, that a further delta of the same text may be joined to, by
    /// the text before it. Only deltas have come after them: joining lets nothing else overtake anything.
    joints: HashMap<Bytes, u64>,
    bytes: usize,
    close: Option<Close>,
}

#[derive(Debug)]
enum Entry {
    Whole(Bytes),
    /// A delta that others may still be joined to.
    Delta(Delta),
    Joined(Joined),
}

pub(crate) fn outbox(limits: OutboxLimits) -> (Outbox, Outlet) {
    let shared = Arc::new(Shared {
        queue: Mutex::default(),
        limits,
        filled: Notify::new(),
        emptied: Notify::new(),
        done: watch::Sender::new(false),
    });
    (Outbox(Arc::new(Handle(Arc::clone(&shared)))), Outlet(shared))
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole between any two statements below, so a panic elsewhere cannot break it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, reason: Close) {
        self.queue().close.get_or_insert(reason);
        self.filled.notify_one();
        self.emptied.notify_waiters();
    }

    async fn done(&self) {
        let mut done = self.done.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = done.wait_for(|done| *done).await;
    }

    /// Lets `enter` put something into the queue, if the connection is open and its reader not too far behind.
    fn push(&self, enter: impl FnOnce(&mut Queue)) {
        let mut queue = self.queue();
        if queue.close.is_some() {
            return;
        }
        if queue.bytes > self.limits.bytes {
            let bytes = queue.bytes;
            *queue = Queue { close: Some(Close::Overloaded), ..Queue::default() };
            drop(queue);
            tracing::warn!(bytes, "a connection is closed: its reader has left too much waiting");
            self.done.send_replace(true);
            self.emptied.notify_waiters();
        } else {
            enter(&mut queue);
            drop(queue);
        }
        self.filled.notify_one();
    }
}

impl Queue {
    fn push(&mut self, message: Bytes) {
        self.joints.clear();
        self.bytes += message.len() + ENTRY_BYTES;
        self.entries.push_back(Entry::Whole(message));
    }

    fn push_delta(&mut self, delta: Delta) {
        if self.bytes < SLOW_BYTES {
            return self.push(delta.into_message());
        }
        let known = self.joints.get(&delta.head()).and_then(|at| at.checked_sub(self.taken));
        let room = |entry: &&mut Entry| entry.len() < MOST_JOINED_BYTES;
        if let Some(entry) = known.and_then(|at| self.entries.get_mut(usize::try_from(at).ok()?)).filter(room) {
            let before = entry.len();
            entry.join(&delta);
            self.bytes = self.bytes - before + entry.len();
            return;
        }
        self.joints.insert(delta.head(), self.taken + self.entries.len() as u64);
        self.bytes += delta.len() + ENTRY_BYTES;
        self.entries.push_back(Entry::Delta(delta));
    }

    fn is_slow(&self) -> bool {
        self.close.is_none() && self.bytes >= SLOW_BYTES
    }

    fn take(&mut self) -> VecDeque<Bytes> {
        let mut batch = VecDeque::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES
            && let Some(entry) = self.entries.pop_front()
        {
            self.taken += 1;
            let message = entry.into_message();
            bytes += message.len() + ENTRY_BYTES;
            batch.push_back(message);
        }
        self.bytes -= bytes;
        if self.entries.is_empty() && self.entries.capacity() > KEPT_ENTRIES {
            self.entries = VecDeque::new();
        }
        batch
    }
}

impl Entry {
    fn len(&self) -> usize {
        match self {
            Self::Whole(message) => message.len(),
            Self::Delta(delta) => delta.len(),
            Self::Joined(joined) => joined.len(),
        }
    }

    fn join(&mut self, delta: &Delta) {
        match self {
            // A whole message has no joint.
            Self::Whole(_) => {}
            Self::Delta(first) => {
                let mut joined = Joined::from(&*first);
                joined.push(delta);
                *self = Self::Joined(joined);
            }
            Self::Joined(joined) => joined.push(delta),
        }
    }

    fn into_message(self) -> Bytes {
        match self {
            Self::Whole(message) => message,
            Self::Delta(delta) => delta.into_message(),
            Self::Joined(joined) => joined.into_message(),
        }
    }
}

impl Outbox {
    fn shared(&self) -> &Shared {
        &self.0.0
    }

    /// Queues one message. A message for a closed connection is dropped: nobody is there to read it.
    pub fn push(&self, message: Bytes) {
        self.shared().push(|queue| queue.push(message));
    }

    /// Queues a piece of text. While the reader is slow, it is joined to the piece of the same text before it,
    /// unless a message stands between them that is no piece of any text.
    pub fn push_delta(&self, delta: Delta) {
        self.shared().push(|queue| queue.push_delta(delta));
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

    /// How many bytes wait to be written, with what they cost to keep.
    pub fn waiting_bytes(&self) -> usize {
        self.shared().queue().bytes
    }

    /// Waits while the reader is slow: for whoever has much to say and can hold it back. That is long before the
    /// connection is crowded, so that there is room for answers. Returns when the connection is closed, too.
    pub async fn room(&self) {
        loop {
            // From here on, not from its first poll.
            let emptied = self.shared().emptied.notified();
            if !self.shared().queue().is_slow() {
                return;
            }
            emptied.await;
        }
    }

    /// Whether so much waits to be written that less should be asked for.
    pub fn is_crowded(&self) -> bool {
        self.waiting_bytes() > self.shared().limits.crowded_bytes
    }
}

impl Outlet {
    /// The next messages to be written, some at a time; waits when there are none. After a close, first what
    /// was queued, then the reason.
    pub async fn next(&mut self) -> Result<VecDeque<Bytes>, Close> {
        loop {
            {
                let mut queue = self.0.queue();
                if !queue.entries.is_empty() {
                    let batch = queue.take();
                    if !queue.is_slow() {
                        self.0.emptied.notify_waiters();
                    }
                    return Ok(batch);
                }
                if let Some(reason) = queue.close {
                    return Err(reason);
                }
            }
            self.0.filled.notified().await;
        }
    }

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
    use super::{BATCH_BYTES, ENTRY_BYTES, MOST_JOINED_BYTES, OutboxLimits, Outlet, SLOW_BYTES, outbox};
    use crate::delta::Delta;
    use crate::link::Close;
    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use pretty_assertions::assert_eq;

    fn delta(head: &str, text: &str) -> Delta {
        let message = format!("{head}{text}\"}}");
        Delta::new(message.into(), head.len()..head.len() + text.len())
    }

    async fn drained(outlet: &mut Outlet) -> Vec<String> {
        let mut all = Vec::new();
        while let Ok(batch) = outlet.next().await {
            all.extend(batch.into_iter().map(|message| String::from_utf8(message.to_vec()).unwrap()));
        }
        all
    }

    #[tokio::test]
    async fn what_was_queued_before_a_close_is_still_written() {
        let (outbox, mut outlet) = outbox(OutboxLimits::default());
        outbox.push(Bytes::from_static(b"last words"));
        outbox.close(Close::ShuttingDown);
        outbox.push(Bytes::from_static(b"too late"));
        assert_eq!(outlet.next().await.unwrap(), [Bytes::from_static(b"last words")]);
        assert_eq!(outlet.next().await, Err(Close::ShuttingDown));
    }

    #[tokio::test]
    async fn a_reader_that_stalls_past_the_byte_limit_is_closed_as_overloaded() {
        let (outbox, mut outlet) = outbox(OutboxLimits { crowded_bytes: 10, bytes: ENTRY_BYTES + 10 });
        outbox.push(Bytes::from_static(b"123456"));
        assert!(outbox.is_crowded());
        outbox.push(Bytes::from_static(b"123456"));
        outbox.push(Bytes::from_static(b"one too many"));
        assert_eq!(outlet.next().await, Err(Close::Overloaded));
        assert_eq!(outbox.waiting_bytes(), 0);
        outlet.overloaded().await;
    }

    #[tokio::test]
    async fn one_message_above_the_limit_is_written_to_whoever_reads() {
        let (outbox, mut outlet) = outbox(OutboxLimits { crowded_bytes: 10, bytes: 10 });
        for _ in 0..2 {
            outbox.push(vec![b'x'; 1000].into());
            assert_eq!(outlet.next().await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn pieces_of_one_text_are_joined_for_a_slow_reader_only() {
        let (outbox, mut outlet) = outbox(OutboxLimits::default());
        outbox.push_delta(delta("a\"", "1"));
        outbox.push_delta(delta("a\"", "2"));
        let filler = "f".repeat(SLOW_BYTES);
        outbox.push(filler.clone().into());
        for text in ["3", "4", "5"] {
            outbox.push_delta(delta("a\"", text));
            outbox.push_delta(delta("b\"", text));
        }
        outbox.close(Close::Gone);
        assert_eq!(drained(&mut outlet).await, ["a\"1\"}", "a\"2\"}", &filler, "a\"345\"}", "b\"345\"}"]);
    }

    #[tokio::test]
    async fn no_piece_of_text_overtakes_another_message() {
        let (outbox, mut outlet) = outbox(OutboxLimits::default());
        let filler = "f".repeat(SLOW_BYTES);
        outbox.push(filler.clone().into());
        outbox.push_delta(delta("a\"", "1"));
        outbox.push(Bytes::from_static(b"an answer"));
        outbox.push_delta(delta("a\"", "2"));
        outbox.push_delta(delta("a\"", "3"));
        outbox.close(Close::Gone);
        assert_eq!(drained(&mut outlet).await, [&filler, "a\"1\"}", "an answer", "a\"23\"}"]);
    }

    #[tokio::test]
    async fn a_text_of_which_a_part_was_taken_goes_on_behind_it() {
        let (outbox, mut outlet) = outbox(OutboxLimits::default());
        outbox.push("f".repeat(BATCH_BYTES).into());
        outbox.push_delta(delta("a\"", "1"));
        outbox.push_delta(delta("a\"", &"2".repeat(BATCH_BYTES)));
        outbox.push_delta(delta("b\"", "0"));
        assert_eq!(outlet.next().await.unwrap().len(), 1);
        assert_eq!(outlet.next().await.unwrap().len(), 1);
        outbox.push_delta(delta("a\"", "3"));
        outbox.close(Close::Gone);
        assert_eq!(drained(&mut outlet).await, ["b\"0\"}", "a\"3\"}"]);
        assert_eq!(outbox.waiting_bytes(), 0);
    }

    #[tokio::test]
    async fn a_hundred_thousand_deltas_for_a_reader_that_sleeps_cost_little_more_than_their_text() {
        let (outbox, mut outlet) = outbox(OutboxLimits::default());
        for _ in 0..100_000 {
            outbox.push_delta(delta(&"h".repeat(200), "0123456789"));
        }
        assert!(outbox.waiting_bytes() < 1_200_000, "{}", outbox.waiting_bytes());
        outbox.close(Close::Gone);
        let text: usize = drained(&mut outlet).await.iter().map(|message| message.len() - 202).sum();
        assert_eq!(text, 1_000_000);
    }

    #[tokio::test]
    async fn there_is_room_when_the_reader_has_caught_up_or_is_gone() {
        let (outbox, mut outlet) = outbox(OutboxLimits::default());
        outbox.room().await;
        (0..2).for_each(|_| outbox.push("f".repeat(SLOW_BYTES).into()));
        let mut room = Box::pin(outbox.room());
        assert!(room.as_mut().now_or_never().is_none());
        outlet.next().await.unwrap();
        assert!(room.as_mut().now_or_never().is_none(), "the second is still there");
        outlet.next().await.unwrap();
        room.await;
        outbox.push("f".repeat(SLOW_BYTES).into());
        let room = outbox.room();
        drop(outlet);
        room.await;
    }

    #[tokio::test]
    async fn a_joined_message_stays_readable_for_clients_with_limits() {
        let (outbox, mut outlet) = outbox(OutboxLimits::default());
        for _ in 0..100 {
            outbox.push_delta(delta("a\"", &"x".repeat(10_000)));
        }
        outbox.close(Close::Gone);
        let messages = drained(&mut outlet).await;
        assert!(messages.iter().all(|message| message.len() < MOST_JOINED_BYTES + 20_000));
        assert_eq!(messages.iter().map(|message| message.len() - 4).sum::<usize>(), 1_000_000);
    }

    #[tokio::test]
    async fn done_is_told_when_the_transport_has_ended() {
        let (outbox, outlet) = outbox(OutboxLimits::default());
        drop(outlet);
        outbox.done().await;
    }

    #[tokio::test]
    async fn an_outbox_that_is_dropped_closes_its_connection() {
        let (outbox, mut outlet) = outbox(OutboxLimits::default());
        drop(outbox);
        assert_eq!(outlet.next().await, Err(Close::Gone));
    }
}
