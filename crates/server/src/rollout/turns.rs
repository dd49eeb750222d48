//! Turns as a log tells them: lines go in one by one, in the order of the log, and full turns come out. Lines that are
//! damaged, or not known, are passed over.

use std::collections::HashMap;

use valet_protocol::v2;
use valet_store::{Direction, Line, Lines, Position, StoreError};

use super::event::{End, Said};
use super::item::StoredItem;
use super::legacy;
use super::scan::Scan;

/// The turns of the lines so far.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turns: Vec<Told>,
    /// Where the turns are, by their ids.
    places: HashMap<String, usize>,
    lines: usize,
    /// Whether the log tells of items in the old way.
    legacy: bool,
    /// In a legacy log: the turn that runs, and how many things were said.
    current: Option<usize>,
    items: usize,
    /// Whether the lines are a part of a log. Then a turn of which the beginning was not seen belongs to another part.
    is_part: bool,
}

/// A turn, as far as it was told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) turn: v2::Turn,
    /// The line that it was heard of first.
    pub(super) at: Position,
    /// Where its items are, by their ids.
    items: HashMap<String, usize>,
}

impl Turns {
    /// All turns of a log. `running` is the turn that somebody works on; every other turn without an end was
    /// interrupted.
    pub(crate) fn all(lines: &dyn Lines, running: Option<&str>) -> Result<Vec<v2::Turn>, StoreError> {
        let turns = Self::told(lines)?.finish(running);
        Ok(turns.into_iter().map(|told| told.turn).collect())
    }

    /// Everything that a log tells.
    pub(super) fn told(lines: &dyn Lines) -> Result<Self, StoreError> {
        let mut turns = Self::default();
        let mut scan = Scan::new(lines, Position::START, Direction::Forward);
        while let Some(line) = scan.next()? {
            turns.line(&line);
        }
        Ok(turns)
    }

    /// For lines from the middle of a log that is not a legacy one.
    pub(super) fn of_part() -> Self {
        Self { is_part: true, ..Self::default() }
    }

    pub(super) fn is_legacy(&self) -> bool {
        self.legacy
    }

    /// Takes in the next line.
    pub(crate) fn line(&mut self, line: &Line) {
        let number = self.lines;
        self.lines += 1;
        match Said::of(line, self.legacy) {
            None => {}
            // A log that goes on from another has a head in the middle; it goes on in the same way.
            Some(Said::Head { legacy }) => self.legacy = legacy,
            Some(Said::Started { turn_id, root_turn_id, started_at }) => {
                let place = self.open(turn_id.into_owned(), line.at);
                self.current = Some(place);
                let turn = &mut self.turns[place].turn;
                turn.root_turn_id = root_turn_id.or(turn.root_turn_id.take());
                turn.started_at = started_at;
            }
            Some(Said::Item { turn_id, item, started_at_ms, completed_at_ms }) => {
                if let Some(place) = self.place(&turn_id, line.at)
                    && let Some(details) = StoredItem::read(item)
                {
                    self.turns[place].item(v2::ThreadItem { details, started_at_ms, completed_at_ms });
                }
            }
            Some(Said::Ended { turn_id, root_turn_id, end, times }) => {
                let Some(place) = self.place(&turn_id, line.at) else { return };
                self.current = self.current.filter(|current| *current != place);
                let turn = &mut self.turns[place].turn;
                (turn.status, turn.error) = match end {
                    End::Completed => (v2::TurnStatus::Completed, None),
                    End::Interrupted => (v2::TurnStatus::Interrupted, None),
                    End::Failed(error) => (v2::TurnStatus::Failed, Some(error)),
                };
                turn.root_turn_id = root_turn_id.or(turn.root_turn_id.take());
                turn.started_at = times.started_at.or(turn.started_at);
                turn.completed_at = times.completed_at;
                turn.duration_ms = times.duration_ms;
            }
            Some(Said::Legacy(details)) => self.legacy_item(details, number, line.at),
            Some(Said::RolledBack { turns }) => {
                self.turns.truncate(self.turns.len().saturating_sub(turns));
                self.places.retain(|_, place| *place < self.turns.len());
                self.current = None;
            }
        }
    }

    /// The turn of an item or an end. A beginning may be missing from a damaged log.
    fn place(&mut self, turn_id: &str, at: Position) -> Option<usize> {
        match self.places.get(turn_id) {
            Some(place) => Some(*place),
            None => (!self.is_part).then(|| self.open(turn_id.to_owned(), at)),
        }
    }

    fn open(&mut self, turn_id: String, at: Position) -> usize {
        if let Some(place) = self.places.get(&turn_id) {
            return *place;
        }
        let place = self.turns.len();
        self.turns.push(Told { turn: begun(turn_id.clone()), at, items: HashMap::new() });
        self.places.insert(turn_id, place);
        place
    }

    /// Logs without the beginnings of turns have a turn for each message of a person.
    fn legacy_item(&mut self, details: v2::ThreadItemDetails, number: usize, at: Position) {
        let is_implied = |told: &Told| told.turn.status == v2::TurnStatus::Completed;
        let by_person = matches!(details, v2::ThreadItemDetails::UserMessage { .. });
        let place = match self.current {
            Some(place) if !(by_person && is_implied(&self.turns[place])) => place,
            _ => {
                let place = self.open(format!("rollout-{number}"), at);
                self.turns[place].turn.status = v2::TurnStatus::Completed;
                place
            }
        };
        self.current = Some(place);
        let turn = &mut self.turns[place].turn;
        if let v2::ThreadItemDetails::Reasoning { summary: more, .. } = &details
            && let Some(v2::ThreadItem { details: v2::ThreadItemDetails::Reasoning { summary, .. }, .. }) =
                turn.items.last_mut()
        {
            summary.extend_from_slice(more);
            return;
        }
        let details = legacy::numbered(details, &mut self.items);
        turn.items.push(v2::ThreadItem { details, started_at_ms: None, completed_at_ms: None });
    }

    /// The turns, oldest first. `running` is the turn that somebody works on.
    pub(super) fn finish(self, running: Option<&str>) -> Vec<Told> {
        let mut turns = self.turns;
        for Told { turn, .. } in &mut turns {
            if turn.status == v2::TurnStatus::InProgress && Some(turn.id.as_str()) != running {
                turn.status = v2::TurnStatus::Interrupted;
            }
        }
        turns
    }
}

impl Told {
    /// Takes in an item. One with an id that the turn has is the same, told again.
    fn item(&mut self, item: v2::ThreadItem) {
        let Some(id) = item.id() else { return self.turn.items.push(item) };
        if let Some(place) = self.items.get(id) {
            self.turn.items[*place] = item;
            return;
        }
        self.items.insert(id.to_owned(), self.turn.items.len());
        self.turn.items.push(item);
    }
}

/// A turn of which only the beginning is known.
fn begun(id: String) -> v2::Turn {
    v2::Turn {
        id,
        root_turn_id: None,
        items: Vec::new(),
        items_view: v2::TurnItemsView::Full,
        status: v2::TurnStatus::InProgress,
        error: None,
        started_at: None,
        completed_at: None,
        duration_ms: None,
    }
}
