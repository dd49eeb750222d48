//! The item of a call from its beginning to its end: whatever becomes of the call, it is completed, and once.

use std::sync::Arc;

use crate::event::{Event, EventSink};
use crate::item::{Item, ItemKind, Status};
use crate::turn::Turn;

/// An item that has begun. If it is dropped without a word, nothing came of it: the turn was stopped before.
pub(crate) struct OpenItem {
    sink: Arc<dyn EventSink>,
    turn_id: String,
    item: Item,
    ended: bool,
}

impl OpenItem {
    /// Begins an item.
    pub(crate) fn begin(turn: &Turn, id: impl Into<String>, kind: ItemKind) -> Self {
        let item = Item::started(id, kind);
        turn.emit(Event::ItemStarted(&item));
        Self { sink: Arc::clone(&turn.sink), turn_id: turn.id.clone(), item, ended: false }
    }

    pub(super) fn id(&self) -> &str {
        &self.item.id
    }

    /// When it began, in unix milliseconds.
    pub(super) fn started_at_ms(&self) -> i64 {
        self.item.started_at_ms
    }

    /// Tells a piece of what its command printed.
    pub(super) fn print(&self, delta: &str) {
        if !delta.is_empty() {
            self.sink.emit(&self.turn_id, Event::OutputDelta { item_id: &self.item.id, delta });
        }
    }

    /// Completes it as it is, but for how it ended.
    pub(super) fn end(mut self, status: Status) {
        self.item.kind.set_status(status);
        self.complete();
    }

    /// Completes it with all that came of it.
    pub(super) fn end_as(mut self, kind: ItemKind) {
        self.item.kind = kind;
        self.complete();
    }

    fn complete(&mut self) {
        self.ended = true;
        self.sink.emit(&self.turn_id, Event::ItemCompleted(&self.item.clone().completed()));
    }
}

impl Drop for OpenItem {
    fn drop(&mut self) {
        if !self.ended {
            self.item.kind.set_status(Status::Declined);
            self.complete();
        }
    }
}
