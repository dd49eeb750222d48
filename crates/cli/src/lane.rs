//! A bounded lane to a writer that may block, such as a stderr that nobody reads. Putting a line in never
//! waits; lines that find no room are dropped, counted, and told of when there is room again. What is written
//! is for `logging` to say.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How much may wait to be written.
const LANE_BYTES: usize = 256 * 1024;
/// How much memory the lane keeps for the next lines.
const KEPT_BYTES: usize = 8 * 1024;

/// Lines on their way to a writer. Its thread sleeps while there are none.
pub(crate) struct Lane(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that found no room behind what is waiting. From the first of them on none is let in until the
    /// writer has taken what waits, so the gap has one place and the count stands there.
    dropped: u64,
    /// Whether the writer has lines in its hands.
    writing: bool,
}

impl Lane {
    /// A lane to this writer, on a thread of its own.
    pub(crate) fn to(writer: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let lane = Self(Arc::clone(&shared));
        // Without a thread nothing is written, and the rest works on: the lane is bounded.
        let _ = thread::Builder::new().name("log".to_owned()).spawn(move || shared.serve(writer));
        lane
    }

    /// Puts in one line, or several that belong together, with the line break.
    pub(crate) fn put(&self, line: &[u8]) {
        let mut state = self.0.state();
        if state.dropped > 0 || state.waiting.len() + line.len() > LANE_BYTES {
            state.dropped += 1;
        } else {
            state.waiting.extend_from_slice(line);
        }
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, or for `limit` when the writer is stuck.
    pub(crate) fn flush(&self, limit: Duration) {
        let busy = |state: &mut State| state.writing || state.has_work();
        let waited = self.0.changed.wait_timeout_while(self.0.state(), limit, busy);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn has_work(&self) -> bool {
        !self.waiting.is_empty() || self.dropped > 0
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere cannot break it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut writer: impl Write) {
        let mut batch = Vec::new();
        loop {
            let dropped = self.take(&mut batch);
            if dropped > 0 {
                let _ = writeln!(batch, "valet: {dropped} log lines were dropped: stderr was not read");
            }
            // A writer that is gone is told nothing, and nobody else is there to be told.
            let _ = writer.write_all(&batch).and_then(|()| writer.flush());
        }
    }

    /// Waits for lines, takes them, and says how many are missing behind them.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        batch.clear();
        batch.shrink_to(KEPT_BYTES);
        let mut state = self.state();
        state.writing = false;
        self.changed.notify_all();
        let mut state =
            self.changed.wait_while(state, |state| !state.has_work()).unwrap_or_else(PoisonError::into_inner);
        state.writing = true;
        std::mem::swap(&mut state.waiting, batch);
        std::mem::take(&mut state.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::{LANE_BYTES, Lane};
    use pretty_assertions::assert_eq;
    use std::io::Write;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_secs(20);

    /// Writes when somebody takes it.
    struct Slow(SyncSender<String>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into_owned()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn slow_lane() -> (Lane, Receiver<String>) {
        let (sender, written) = sync_channel(0);
        (Lane::to(Slow(sender)), written)
    }

    /// Gives the writer a line that it gets stuck with.
    fn get_stuck(lane: &Lane) {
        lane.put(b"stuck\n");
        while !lane.0.state().writing {
            std::thread::yield_now();
        }
    }

    #[test]
    fn lines_arrive_whole_and_in_order() {
        let (lane, written) = slow_lane();
        get_stuck(&lane);
        lane.put(b"one\n");
        lane.put(b"two\n");
        assert_eq!(written.recv_timeout(LONG).unwrap(), "stuck\n");
        assert_eq!(written.recv_timeout(LONG).unwrap(), "one\ntwo\n");
        lane.flush(LONG);
        assert!(!lane.0.state().writing);
    }

    #[test]
    fn a_lane_that_is_full_drops_counts_and_says_so_where_the_gap_is() {
        let (lane, written) = slow_lane();
        get_stuck(&lane);
        let line = vec![b'x'; LANE_BYTES - 10];
        lane.put(&line);
        (0..3).for_each(|_| lane.put(&line));
        lane.put(b"short\n");
        assert_eq!(written.recv_timeout(LONG).unwrap(), "stuck\n");
        let text = written.recv_timeout(LONG).unwrap();
        assert_eq!(&text[line.len()..], "valet: 4 log lines were dropped: stderr was not read\n");
        lane.put(b"after\n");
        assert_eq!(written.recv_timeout(LONG).unwrap(), "after\n");
    }

    #[test]
    fn a_writer_that_is_stuck_holds_up_a_flush_no_longer_than_its_limit() {
        let (lane, _written) = slow_lane();
        get_stuck(&lane);
        let began = Instant::now();
        lane.flush(Duration::from_millis(50));
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(50) && took < LONG, "{took:?}");
    }
}
