//! A log in memory for the tests of this room, and what they share.

mod items;
mod pages;
mod reference;
mod settings;
mod turns;

use serde_json::{Value, json};
use valet_protocol::v2;
use valet_store::{Direction, Line, Lines, NewLine, Position, StoreError};

use super::line::Happened;

pub(super) const THREAD: &str = "01a1ff31-0000-7000-8000-000000000000";

/// A log in memory.
#[derive(Default)]
pub(super) struct Log(pub(super) String);

impl Log {
    /// A log with the head of a thread that is served by pages.
    pub(super) fn new() -> Self {
        let mut log = Self::default();
        log.value("session_meta", &json!({ "id": THREAD, "history_mode": "paginated" }));
        log
    }

    pub(super) fn value(&mut self, kind: &str, payload: &Value) {
        let line = json!({ "timestamp": "2026-11-21T17:00:00.000Z", "ordinal": 0, "type": kind, "payload": payload });
        self.text(&line.to_string());
    }

    pub(super) fn text(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    pub(super) fn push(&mut self, line: &NewLine) {
        let payload = serde_json::from_str(line.payload.get()).unwrap();
        self.value(&line.kind, &payload);
    }

    pub(super) fn begin(&mut self, turn_id: &str) {
        let begun = Happened::TaskStarted {
            turn_id,
            root_turn_id: turn_id,
            started_at: 1_795_282_000,
            model_context_window: Some(258_400),
            collaboration_mode_kind: v2::ModeKind::Default,
        };
        self.push(&begun.line().unwrap());
    }

    pub(super) fn item(&mut self, turn_id: &str, item: &v2::ThreadItem) {
        self.push(&Happened::item(THREAD, turn_id, item).line().unwrap());
    }

    pub(super) fn ended(&mut self, turn: &v2::Turn) {
        self.push(&Happened::turn_ended(turn).line().unwrap());
    }
}

impl Lines for Log {
    fn end(&self) -> Result<Position, StoreError> {
        Ok(Position(self.0.rfind('\n').map_or(0, |end| end + 1) as u64))
    }

    fn read(&self, from: Position, direction: Direction, budget: usize) -> Result<Vec<Line>, StoreError> {
        let (mut lines, mut at) = (Vec::new(), 0);
        for text in self.0.split_inclusive('\n').filter(|text| text.ends_with('\n')) {
            let next = at + text.len() as u64;
            lines.push((Position(at), Position(next), text.trim_end()));
            at = next;
        }
        match direction {
            Direction::Forward => lines.retain(|(at, ..)| *at >= from),
            Direction::Backward => {
                lines.retain(|(_, next, _)| *next <= from);
                lines.reverse();
            }
        }
        let mut left = budget;
        let fitting = lines.iter().take_while(|(.., text)| {
            let fits = text.len() <= left;
            left = left.saturating_sub(text.len());
            fits
        });
        let count = fitting.count().max(1);
        let line = |(at, next, text): (_, _, &str)| Line { at, next, text: text.to_owned() };
        Ok(lines.into_iter().take(count).map(line).collect())
    }
}

pub(super) fn whole(details: v2::ThreadItemDetails) -> v2::ThreadItem {
    v2::ThreadItem { details, started_at_ms: Some(1_795_282_000_001), completed_at_ms: Some(1_795_282_000_002) }
}

pub(super) fn said(id: &str, text: &str) -> v2::ThreadItem {
    let content = vec![v2::UserInput::Text { text: text.to_owned(), text_elements: Vec::new() }];
    whole(v2::ThreadItemDetails::UserMessage { id: id.to_owned(), client_id: None, content })
}

pub(super) fn answered(id: &str, text: &str) -> v2::ThreadItem {
    whole(super::part::agent_message(id.to_owned(), text.to_owned(), None))
}

/// A turn that ended by itself.
pub(super) fn turn(id: &str, items: Vec<v2::ThreadItem>) -> v2::Turn {
    v2::Turn {
        id: id.to_owned(),
        root_turn_id: Some(id.to_owned()),
        items,
        items_view: v2::TurnItemsView::Full,
        status: v2::TurnStatus::Completed,
        error: None,
        started_at: Some(1_795_282_000),
        completed_at: Some(1_795_282_003),
        duration_ms: Some(3100),
    }
}
