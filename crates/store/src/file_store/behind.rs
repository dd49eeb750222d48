//! What the index does not know yet, and the thread that tells it. The thread lives while there is something to do:
//! writers wait for no database, and an idle store costs nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::StoreError;
use crate::index::{Index, is_index_busy};
use crate::lock::lock;

/// The index is told of a thread's appends at most so often, unless somebody asks it.
const PAUSE: Duration = Duration::from_millis(300);
/// How long the thread waits for more before it ends.
const LINGER: Duration = Duration::from_secs(5);
/// How often lists make everything be compared with the files.
const SWEEP: Duration = Duration::from_secs(60);

/// The index, and how far it is behind.
pub(super) struct Behind {
    index: Index,
    /// Held while what is noted is on its way into the index.
    telling: Mutex<()>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The logs of threads that changed, and whether one may have become shorter.
    logs: HashMap<String, (PathBuf, bool)>,
    /// A sweep is wanted.
    sweep: bool,
    /// When the last one was wanted.
    swept: Option<Instant>,
    ending: bool,
    thread: Option<JoinHandle<()>>,
}

impl Behind {
    pub(super) fn new(index: Index) -> Self {
        Self { index, telling: Mutex::default(), state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Where the index last saw a log. It may be wrong, and nothing depends on it.
    pub(super) fn hint(&self, id: &str) -> Option<PathBuf> {
        self.index.with(|db| db.hint(id)).ok().flatten()
    }

    /// Notes that a thread's log changed.
    pub(super) fn note(self: &Arc<Self>, id: &str, path: &Path, shortened: bool) {
        let mut state = lock(&self.state);
        match state.logs.get_mut(id) {
            Some((_, anew)) => *anew |= shortened,
            None => {
                state.logs.insert(id.to_owned(), (path.to_owned(), shortened));
            }
        }
        self.wake(state);
    }

    /// Tells the index all that is noted. What it has no use for is found by a later sweep.
    pub(super) fn catch_up(&self) {
        let _telling = lock(&self.telling);
        let mut logs = std::mem::take(&mut lock(&self.state).logs).into_iter();
        while let Some((id, (path, anew))) = logs.next() {
            let Err(error) = self.index.with(|db| db.changed(&id, &path, anew)) else { continue };
            tracing::debug!(id, %error, "the index does not know the latest of a thread");
            if is_index_busy(&error) {
                // Another process will not write forever.
                let mut state = lock(&self.state);
                for (id, (path, anew)) in logs.chain([(id, (path, anew))]) {
                    state.logs.entry(id).or_insert((path, false)).1 |= anew;
                }
                return;
            }
        }
    }

    /// Has everything compared with the files, if that was long ago.
    pub(super) fn sweep_soon(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if state.swept.is_none_or(|swept| swept.elapsed() > SWEEP) {
            state.sweep = true;
            state.swept = Some(Instant::now());
            self.wake(state);
        }
    }

    /// Ends the thread, and leaves nothing untold.
    pub(super) fn end(&self) {
        self.index.stop();
        let thread = {
            let mut state = lock(&self.state);
            state.ending = true;
            state.thread.take()
        };
        self.changed.notify_all();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!("the thread of the index panicked");
        }
        if !lock(&self.state).logs.is_empty() {
            self.catch_up();
        }
    }

    fn wake(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.thread.is_some() {
            self.changed.notify_all();
        } else if !state.ending {
            let this = self.clone();
            let thread = std::thread::Builder::new().name("valet-index".to_owned()).spawn(move || this.run());
            match thread {
                Ok(thread) => state.thread = Some(thread),
                Err(error) => tracing::warn!(%error, "the index has no thread, and is told by lists only"),
            }
        }
    }

    fn run(&self) {
        loop {
            self.catch_up();
            if std::mem::take(&mut lock(&self.state).sweep) {
                report(self.index.with(|db| db.sweep()));
            }
            let words = report(self.index.with(|db| db.index_words())) == Some(true);
            if words && !lock(&self.state).ending {
                continue;
            }
            if !self.is_more() {
                return;
            }
        }
    }

    /// Waits for something to do. False: the thread is to end.
    fn is_more(&self) -> bool {
        let ending = |state: &mut State| !state.ending;
        let wait = |state, time, on: &dyn Fn(&mut State) -> bool| {
            self.changed.wait_timeout_while(state, time, on).unwrap_or_else(PoisonError::into_inner).0
        };
        let state = wait(lock(&self.state), PAUSE, &ending);
        let mut state = wait(state, LINGER, &|state| !state.ending && !state.sweep && state.logs.is_empty());
        let more = !state.ending && (state.sweep || !state.logs.is_empty());
        if !more && !state.ending {
            state.thread = None;
        }
        more
    }
}

/// What goes wrong here is told to nobody who could wait for it.
fn report<T>(result: Result<T, StoreError>) -> Option<T> {
    result.inspect_err(|error| tracing::warn!(%error, "the index of threads is behind")).ok()
}
