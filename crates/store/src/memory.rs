//! A store that keeps everything in memory: for threads that are not to be stored.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::{io, process};

use chrono::Utc;
use uuid::Uuid;

use crate::error::{Holder, StoreError};
use crate::line::{Line, NewLine, Position};
use crate::lock::lock;
use crate::log::{Direction, Lines, ThreadLog};
use crate::query::{Found, Page, Query};
use crate::stamp::Stamp;
use crate::store::ThreadStore;
use crate::summary::{Fold, ReadState, Summary};
use crate::text;

/// Threads that are gone with the store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    threads: Arc<Mutex<HashMap<String, Arc<Thread>>>>,
}

/// A thread. It counts as stored once it has lines.
#[derive(Debug)]
struct Thread {
    id: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Line>,
    fold: Fold,
    writer: Option<Holder>,
    archived: bool,
    name: Option<String>,
    read_state: Option<ReadState>,
}

impl Thread {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes the caller its writer.
    fn take(&self) -> Result<(), StoreError> {
        let writer = &mut self.state().writer;
        if writer.is_some() {
            return Err(StoreError::Leased { id: self.id.clone(), holder: writer.clone() });
        }
        *writer = Some(Holder { pid: process::id(), since: Utc::now().timestamp() });
        Ok(())
    }
}

impl State {
    fn end(&self) -> Position {
        self.lines.last().map_or(Position::START, |line| line.next)
    }

    fn summary(&self) -> Option<Summary> {
        let mut summary = self.fold.summary()?.clone();
        summary.archived = self.archived;
        summary.name.clone_from(&self.name);
        summary.read_state.clone_from(&self.read_state);
        Some(summary)
    }

    fn said(&self) -> impl Iterator<Item = String> {
        let mut fold = Fold::default();
        self.lines.iter().filter_map(move |line| fold.line(&line.text))
    }
}

impl MemoryStore {
    fn threads(&self) -> MutexGuard<'_, HashMap<String, Arc<Thread>>> {
        lock(&self.threads)
    }

    fn get(&self, id: &str) -> Option<Arc<Thread>> {
        self.threads().get(id).filter(|thread| !thread.state().lines.is_empty()).cloned()
    }

    fn there(&self, id: &str) -> Result<Arc<Thread>, StoreError> {
        self.get(id).ok_or_else(|| StoreError::NotFound(id.to_owned()))
    }

    fn all(&self) -> Vec<Arc<Thread>> {
        self.threads().values().cloned().collect()
    }

    /// A thread that nobody writes while `act` runs.
    fn unwritten<T>(&self, id: &str, act: impl FnOnce(&Arc<Thread>) -> T) -> Result<T, StoreError> {
        let thread = self.there(id)?;
        thread.take()?;
        let done = act(&thread);
        thread.state().writer = None;
        Ok(done)
    }
}

impl ThreadStore for MemoryStore {
    fn create(&self, id: Uuid, head: NewLine) -> Result<Box<dyn ThreadLog>, StoreError> {
        let id = id.to_string();
        let mut threads = self.threads();
        let thread =
            threads.entry(id.clone()).or_insert_with(|| Arc::new(Thread { id: id.clone(), state: Mutex::default() }));
        thread.take()?;
        let log = MemoryLog { store: self.clone(), thread: Arc::clone(thread), stamp: Stamp::NEW, head: Some(head) };
        let stored = !thread.state().lines.is_empty();
        drop(threads);
        if stored { Err(StoreError::Exists(id)) } else { Ok(Box::new(log)) }
    }

    fn place(&self, _: Uuid) -> Option<PathBuf> {
        None
    }

    fn lease(&self, id: &str) -> Result<Box<dyn ThreadLog>, StoreError> {
        let thread = self.there(id)?;
        if thread.state().archived {
            return Err(StoreError::Archived(id.to_owned()));
        }
        thread.take()?;
        let ordinal = Some(thread.state().lines.len() as u64);
        let last_ms = thread.state().fold.summary().map_or(0, |summary| summary.updated_at_ms);
        Ok(Box::new(MemoryLog { store: self.clone(), thread, stamp: Stamp { ordinal, last_ms }, head: None }))
    }

    fn lines(&self, id: &str) -> Result<Arc<dyn Lines>, StoreError> {
        Ok(self.there(id)?)
    }

    fn find(&self, id: &str) -> Result<Option<Summary>, StoreError> {
        Ok(self.get(id).and_then(|thread| thread.state().summary()))
    }

    fn list(&self, query: &Query) -> Result<Page<Summary>, StoreError> {
        let all = self
            .all()
            .iter()
            .filter_map(|thread| thread.state().summary())
            .filter(|thread| query.admits(thread))
            .collect();
        Ok(query.page(all, |thread| thread))
    }

    fn search(&self, text: &str, query: &Query) -> Result<Page<Found>, StoreError> {
        let found = |thread: &Arc<Thread>| {
            let summary = thread.state().summary().filter(|summary| query.admits(summary))?;
            let snippet = thread.state().said().find_map(|said| text::snippet(&said, text))?;
            Some(Found { thread: summary, snippet })
        };
        let all = self.all().iter().filter_map(found).collect();
        Ok(query.page(all, |found| &found.thread))
    }

    fn set_archived(&self, id: &str, archived: bool) -> Result<Summary, StoreError> {
        self.unwritten(id, |thread| thread.state().archived = archived)?;
        self.find(id)?.ok_or_else(|| StoreError::NotFound(id.to_owned()))
    }

    fn delete(&self, id: &str) -> Result<(), StoreError> {
        self.unwritten(id, |_| self.threads().remove(id)).map(drop)
    }

    fn set_name(&self, id: &str, name: &str) -> Result<(), StoreError> {
        self.there(id)?.state().name = Some(name.to_owned());
        Ok(())
    }

    fn set_read_state(&self, id: &str, state: &ReadState) -> Result<(), StoreError> {
        self.there(id)?.state().read_state = Some(state.clone());
        Ok(())
    }
}

impl Lines for Thread {
    fn end(&self) -> Result<Position, StoreError> {
        Ok(self.state().end())
    }

    fn read(&self, from: Position, direction: Direction, budget: usize) -> Result<Vec<Line>, StoreError> {
        let state = self.state();
        let (before, after) = match direction {
            Direction::Forward => state.lines.split_at(state.lines.partition_point(|line| line.at < from)),
            Direction::Backward => state.lines.split_at(state.lines.partition_point(|line| line.next <= from)),
        };
        Ok(match direction {
            Direction::Forward => within(budget, after.iter()),
            Direction::Backward => within(budget, before.iter().rev()),
        })
    }
}

fn within<'a>(budget: usize, lines: impl Iterator<Item = &'a Line>) -> Vec<Line> {
    let mut size = 0;
    let fits = |(index, line): &(usize, &Line)| {
        size += line.text.len() + 1;
        *index == 0 || size <= budget
    };
    lines.enumerate().take_while(fits).map(|(_, line)| line.clone()).collect()
}

/// The lease on a thread in memory.
struct MemoryLog {
    store: MemoryStore,
    thread: Arc<Thread>,
    stamp: Stamp,
    head: Option<NewLine>,
}

impl MemoryLog {
    fn failed(&self, doing: &str, source: io::Error) -> StoreError {
        StoreError::Io { doing: format!("cannot {doing} the thread {}", self.thread.id), source }
    }
}

impl ThreadLog for MemoryLog {
    fn append(&mut self, lines: &[NewLine]) -> Result<(), StoreError> {
        if lines.is_empty() {
            return Ok(());
        }
        let bytes = self.stamp.write(self.head.iter().chain(lines)).map_err(io::Error::from);
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
        let text = text.map_err(|error| self.failed("append to", error))?;
        let mut state = self.thread.state();
        for text in text.lines() {
            let at = state.end();
            state.fold.line(text);
            state.lines.push(Line { at, next: Position(at.0 + text.len() as u64 + 1), text: text.to_owned() });
        }
        drop(state);
        self.head = None;
        Ok(())
    }

    fn truncate(&mut self, from: Position) -> Result<(), StoreError> {
        let mut state = self.thread.state();
        let kept = state.lines.partition_point(|line| line.at < from);
        if state.lines.get(kept).is_some_and(|line| line.at != from) {
            drop(state);
            return Err(self.failed("shorten", io::Error::new(io::ErrorKind::InvalidInput, "no line begins there")));
        }
        state.lines.truncate(kept);
        let mut fold = Fold::default();
        for line in &state.lines {
            fold.line(&line.text);
        }
        state.fold = fold;
        if self.head.is_none() {
            self.stamp.ordinal = Some(kept as u64);
        }
        Ok(())
    }

    fn sync(&self) {}

    fn lines(&self) -> Arc<dyn Lines> {
        self.thread.clone()
    }

    fn path(&self) -> Option<&Path> {
        None
    }
}

impl Drop for MemoryLog {
    fn drop(&mut self) {
        let mut threads = self.store.threads();
        let mut state = self.thread.state();
        state.writer = None;
        if state.lines.is_empty() {
            threads.remove(&self.thread.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryStore;

    crate::contract_tests!(|| (MemoryStore::default(), ()));
}
