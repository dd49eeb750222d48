//! Commands that run: each has a task that passes on what it prints, keeps what the model has not seen, and
//! completes its item. Nothing of them outlives the turn that started them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::timeout;
use valet_exec::{Output, OutputBudget, Running, Truncated};

use super::output::Progress;
use crate::event::{Event, EventSink};
use crate::item::{Command, CommandSource, Item, ItemKind, Status, millis};

/// How much of the output is kept for people, and for the model until it asks.
const KEPT_BYTES: usize = 1024 * 1024;

/// How long to wait for the last output of a command that has exited. It ends sooner, unless something that the
/// command left in the background holds on to it.
const LAST_OUTPUT: Duration = Duration::from_millis(100);

/// How long the commands of a turn may take to end before they are killed: they get a second to do it in order.
const END_LIMIT: Duration = Duration::from_secs(2);

/// How many commands may run in one conversation.
const MOST: usize = 64;

/// The commands that a conversation has running, by the number that the model calls them by.
#[derive(Default)]
pub(super) struct Sessions {
    state: Mutex<State>,
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
    /// Counts the pieces of output.
    printed: watch::Sender<u64>,
    /// The exit code, once the item is complete.
    exit_code: watch::Sender<Option<i32>>,
}

/// What a command's task works with.
pub(super) struct Shown {
    pub(super) sink: Arc<dyn EventSink>,
    pub(super) turn_id: String,
    /// The item that shows the command, and that has begun.
    pub(super) item: Item,
    pub(super) command: Command,
}

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next command; none when too many run.
    pub(super) fn reserve(&self) -> Option<i32> {
        let mut state = self.state();
        if state.running.len() >= MOST {
            return None;
        }
        state.last += 1;
        Some(state.last)
    }

    /// Takes over a command that was started.
    pub(super) fn start(&self, id: i32, running: Running, output: Output, shown: Shown) -> Arc<Session> {
        let session = Arc::new(Session {
            id,
            item_id: shown.item.id.clone(),
            running,
            unseen: Mutex::new(OutputBudget::bytes(KEPT_BYTES)),
            printed: watch::Sender::new(0),
            exit_code: watch::Sender::new(None),
        });
        self.state().running.insert(id, Arc::clone(&session));
        tokio::spawn(Arc::clone(&session).follow(output, shown));
        session
    }

    pub(super) fn get(&self, id: i32) -> Option<Arc<Session>> {
        self.state().running.get(&id).cloned()
    }

    /// Forgets commands that have ended, with everything that they left behind.
    pub(super) fn sweep(&self) {
        self.state().running.retain(|_, session| session.exit_code().is_none() || !session.running.is_gone());
    }

    /// Ends all commands, and waits until their items are complete.
    pub(super) async fn end(&self) {
        let sessions: Vec<_> = self.state().running.drain().map(|(_, session)| session).collect();
        join_all(sessions.iter().map(|session| session.end())).await;
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

    pub(super) fn progress(&self) -> Progress {
        self.exit_code().map_or(Progress::Running(self.id), Progress::Exited)
    }

    /// Waits until the command has exited, but no longer than `time`.
    pub(super) async fn wait(&self, time: Duration) {
        let mut exit_code = self.exit_code.subscribe();
        // A time beyond the clock is no limit.
        let _ = timeout(time, exit_code.wait_for(Option::is_some)).await;
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

    async fn end(&self) {
        self.running.terminate();
        if timeout(END_LIMIT, self.running.gone()).await.is_err() {
            self.running.end().await;
        }
        let _ = self.exit_code.subscribe().wait_for(Option::is_some).await;
    }

    /// Passes on the output, and completes the item when the command has exited.
    async fn follow(self: Arc<Self>, mut output: Output, shown: Shown) {
        let Shown { sink, turn_id, mut item, mut command } = shown;
        let began = Instant::now();
        let mut whole = OutputBudget::bytes(KEPT_BYTES);
        let mut decoder = Decoder::default();
        let mut pass_on = |bytes: &[u8]| {
            whole.push(bytes);
            self.unseen().push(bytes);
            let delta = decoder.decode(bytes);
            if !delta.is_empty() {
                sink.emit(&turn_id, Event::OutputDelta { item_id: &item.id, delta: &delta });
            }
            self.printed.send_modify(|printed| *printed += 1);
        };
        let exit = loop {
            tokio::select! {
                biased;
                chunk = output.recv() => match chunk {
                    Some(chunk) => pass_on(&chunk.bytes),
                    None => break self.running.wait().await,
                },
                exit = self.running.wait() => break exit,
            }
        };
        let last = async {
            while let Some(chunk) = output.recv().await {
                pass_on(&chunk.bytes);
            }
        };
        let _ = timeout(LAST_OUTPUT, last).await;
        let code = exit.shell_code();
        command.status = if code == 0 { Status::Completed } else { Status::Failed };
        if command.source == CommandSource::Agent {
            command.source = CommandSource::Started;
            // Only the model can come back to a command. The person's has no id.
            command.process_id = Some(self.id.to_string());
        }
        command.exit_code = Some(code);
        command.duration_ms = Some(millis(began.elapsed()));
        command.output = Some(whole.finish().text);
        item.kind = ItemKind::Command(command);
        sink.emit(&turn_id, Event::ItemCompleted(&item.completed()));
        self.exit_code.send_replace(Some(code));
        // Something in the background may go on to print until the turn ends; nobody is shown that.
        while output.recv().await.is_some() {}
    }
}

/// Makes text of bytes that come in pieces. What is not UTF-8 becomes U+FFFD.
#[derive(Default)]
struct Decoder {
    /// The beginning of a character whose rest has not come yet.
    unfinished: Vec<u8>,
}

impl Decoder {
    fn decode(&mut self, bytes: &[u8]) -> String {
        let bytes = [std::mem::take(&mut self.unfinished).as_slice(), bytes].concat();
        let mut text = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let cut_short = std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
            if chunks.peek().is_none() && cut_short {
                self.unfinished = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Decoder;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_character_that_comes_in_two_pieces_is_one_character() {
        let mut decoder = Decoder::default();
        let crab = "🦀".as_bytes();
        let pieces = [&crab[..1], &crab[1..3], &crab[3..], b"\xff!"];
        let texts: Vec<String> = pieces.iter().map(|piece| decoder.decode(piece)).collect();
        assert_eq!(texts, ["", "", "🦀", "\u{FFFD}!"]);
    }
}
