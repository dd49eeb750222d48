//! Commands that run: each has a task that passes on what it prints, keeps what the model has not seen, and
//! completes its item. Nothing of them outlives the turn that started them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use valet_exec::{GRACE, Launcher, Output, OutputBudget, Running, SpawnError, Spec, Truncated, Utf8Pieces};

use super::OpenItem;
use super::output::Standing;
use crate::item::{Command, CommandSource, ItemKind, Status};
use crate::time::millis;

/// How much of the output is kept for people, and for the model until it asks.
const KEPT_BYTES: usize = 1024 * 1024;

/// How long to wait for the last output of a command that has exited. It ends sooner, unless something that the
/// command left in the background holds on to it.
const LAST_OUTPUT: Duration = Duration::from_millis(100);

/// More than can be on its way when a command exits: what comes after that is of something that goes on.
const LAST_BYTES: usize = 1024 * 1024;

/// How long a command may go on after it was asked to end, when the whole host ends. Else it has
/// [`valet_exec::GRACE`].
const LAST_GRACE: Duration = Duration::from_millis(200);

/// How many commands may run in one conversation.
const MOST: usize = 64;

/// The commands that a conversation has running, by the number that the model calls them by.
pub(super) struct Sessions {
    state: Mutex<State>,
    /// One for each command that may still be started.
    places: Arc<Semaphore>,
    /// Commands that are being started.
    starting: TaskTracker,
    /// When there is no time left for grace.
    ending: CancellationToken,
}

/// A place among the commands that may run, and the number that goes with it.
pub(super) struct Place {
    pub(super) id: i32,
    permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    last: i32,
    running: HashMap<i32, Arc<Session>>,
}

/// One command.
pub(super) struct Session {
    pub(super) id: i32,
    pub(super) item_id: String,
    running: Running,
    /// What the model has not seen.
    unseen: Mutex<OutputBudget>,
    /// The exit code, once the item is complete.
    exit_code: watch::Sender<Option<i32>>,
    /// Whether the model knows of its end.
    reported: AtomicBool,
    /// Whether a person is to be asked before something is typed.
    pub(super) guarded: AtomicBool,
    /// As a person reads it.
    pub(super) command: Command,
    _permit: OwnedSemaphorePermit,
}

/// What a command's task works with.
pub(super) struct Shown {
    /// The item that shows the command.
    pub(super) item: OpenItem,
    pub(super) command: Command,
    /// Whether a person is to be asked before something is typed.
    pub(super) guarded: bool,
}

impl Sessions {
    pub(super) fn new(ending: CancellationToken) -> Self {
        let starting = TaskTracker::new();
        // It is only asked whether it is empty.
        starting.close();
        Self { state: Mutex::default(), places: Arc::new(Semaphore::new(MOST)), starting, ending }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for the next command; none when too many run.
    pub(super) fn reserve(&self) -> Option<Place> {
        self.sweep();
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut state = self.state();
        state.last += 1;
        Some(Place { id: state.last, permit })
    }

    /// Starts a command. If the caller is gone meanwhile, the command is ended as soon as it runs.
    pub(super) async fn launch(&self, launcher: &Launcher, spec: Spec) -> Result<(Running, Output), SpawnError> {
        let (launcher, (give, started)) = (launcher.clone(), oneshot::channel());
        self.starting.spawn(async move {
            if let Err(Ok((running, _output))) = give.send(launcher.spawn(spec).await) {
                running.end().await;
            }
        });
        started.await.unwrap_or_else(|_| Err(SpawnError::Io(std::io::Error::other("the host ends"))))
    }

    /// Takes over a command that was started.
    pub(super) fn start(&self, place: Place, running: Running, output: Output, shown: Shown) -> Arc<Session> {
        let Place { id, permit } = place;
        let session = Arc::new(Session {
            id,
            item_id: shown.item.id().to_owned(),
            running,
            unseen: Mutex::new(OutputBudget::bytes(KEPT_BYTES)),
            exit_code: watch::Sender::new(None),
            reported: AtomicBool::new(false),
            guarded: AtomicBool::new(shown.guarded),
            command: shown.command.clone(),
            _permit: permit,
        });
        self.state().running.insert(id, Arc::clone(&session));
        tokio::spawn(Arc::clone(&session).follow(output, shown));
        session
    }

    pub(super) fn get(&self, id: i32) -> Option<Arc<Session>> {
        self.state().running.get(&id).cloned()
    }

    /// Forgets commands that have ended, with everything that they left behind, once the model knows of it.
    fn sweep(&self) {
        let is_over = |session: &Session| session.reported.load(Ordering::Relaxed) && session.running.is_gone();
        self.state().running.retain(|_, session| !is_over(session));
    }

    /// Ends all commands, and waits until their items are complete.
    pub(super) async fn end(&self) {
        // One that hangs in its start, as on a disk that is gone, is ended when that is over.
        let _ = timeout(GRACE, self.starting.wait()).await;
        // Not taken out before they have ended: who calls this meanwhile waits for them, too.
        let sessions: Vec<_> = self.state().running.values().cloned().collect();
        join_all(sessions.iter().map(|session| session.end(&self.ending))).await;
        self.state().running.retain(|_, session| !sessions.iter().any(|ended| Arc::ptr_eq(ended, session)));
    }
}

impl Session {
    fn unseen(&self) -> MutexGuard<'_, OutputBudget> {
        // A budget is whole between any two statements that change it.
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn exit_code(&self) -> Option<i32> {
        *self.exit_code.borrow()
    }

    /// How far the command is, for the model.
    pub(super) fn standing(&self) -> Standing {
        match self.exit_code() {
            Some(code) => {
                self.reported.store(true, Ordering::Relaxed);
                Standing::Exited(code)
            }
            None => Standing::Running(self.id),
        }
    }

    /// Waits until the command has exited, but no longer than `time`.
    pub(super) async fn wait(&self, time: Duration) {
        let mut exit_code = self.exit_code.subscribe();
        // A time beyond the clock is no limit.
        let _ = timeout(time, exit_code.wait_for(Option::is_some)).await;
    }

    /// Waits for the item of a command that has exited.
    pub(super) async fn hear_of_end(&self) {
        if self.running.has_ended().await {
            self.wait(Duration::MAX).await;
        }
    }

    /// Types into the command.
    pub(super) async fn write(&self, text: &str) -> std::io::Result<()> {
        self.running.write(text.as_bytes()).await
    }

    /// What has come since the model looked last, cut to its budget.
    pub(super) fn take(&self, tokens: usize) -> Truncated {
        let unseen = std::mem::replace(&mut *self.unseen(), OutputBudget::bytes(KEPT_BYTES)).finish();
        let mut budget = OutputBudget::tokens(tokens);
        budget.push(unseen.text.as_bytes());
        Truncated { original_tokens: unseen.original_tokens, ..budget.finish() }
    }

    /// Asks the command to end, and sees to it that it does.
    async fn end(&self, ending: &CancellationToken) {
        self.running.terminate();
        let out_of_time = async {
            ending.cancelled().await;
            sleep(LAST_GRACE).await;
        };
        tokio::select! {
            () = self.running.gone() => {}
            () = out_of_time => {
                self.running.end().await;
            }
        }
        let _ = self.exit_code.subscribe().wait_for(Option::is_some).await;
    }

    /// Passes on the output, and completes the item when the command has exited.
    async fn follow(self: Arc<Self>, mut output: Output, shown: Shown) {
        let Shown { item, mut command, .. } = shown;
        let began = Instant::now();
        let mut whole = OutputBudget::bytes(KEPT_BYTES);
        let mut pieces = Utf8Pieces::default();
        let mut told = 0;
        let mut pass_on = |bytes: &[u8]| {
            whole.push(bytes);
            self.unseen().push(bytes);
            // Past what the item keeps nobody is told more: a flood would drown whoever listens.
            if told < KEPT_BYTES {
                told += bytes.len();
                let mut text = String::with_capacity(bytes.len());
                pieces.push(bytes, |part| text.push_str(part));
                item.print(&text);
            }
        };
        let exit = loop {
            // Not biased: what prints without end would never be seen to have exited.
            tokio::select! {
                chunk = output.recv() => match chunk {
                    Some(chunk) => pass_on(&chunk.bytes),
                    None => break self.running.wait().await,
                },
                exit = self.running.wait() => break exit,
            }
        };
        // Only the waiting counts: who is told may be slow, and what was printed before the exit is not lost for that.
        let (mut patience, mut rest) = (LAST_OUTPUT, LAST_BYTES);
        while rest > 0 {
            let asked = Instant::now();
            let Ok(Some(chunk)) = timeout(patience, output.recv()).await else { break };
            patience = patience.saturating_sub(asked.elapsed());
            rest = rest.saturating_sub(chunk.bytes.len());
            pass_on(&chunk.bytes);
        }
        item.print(pieces.finish());
        let code = exit.shell_code();
        command.status = if code == 0 { Status::Completed } else { Status::Failed };
        if command.source == CommandSource::Agent {
            command.source = CommandSource::Started;
            // Only the model can come back to a command. The person's has no id.
            command.process_id = Some(self.id.to_string());
        }
        command.exit_code = Some(code);
        command.duration_ms = Some(millis(began.elapsed()));
        command.output = Some(whole.finish().text).filter(|text| !text.is_empty());
        item.end_as(ItemKind::Command(command));
        self.exit_code.send_replace(Some(code));
        // Something in the background may go on to print until the turn ends; nobody is shown that. Nor is anybody waited
        // for who has got away with the output.
        tokio::select! {
            () = async { while output.recv().await.is_some() {} } => {}
            () = self.running.gone() => {}
        }
    }
}
