//! Pages of turns and of items, straight from a log: a page costs what is on it, wherever it is. Cursors are places in
//! the log. Only a legacy log is read whole.

use valet_protocol::v2;
use valet_store::{Direction, Line, Lines, Position, StoreError};

use super::cursor::{Asked, Cursor, Page, Scope};
use super::event::Said;
use super::item::StoredItem;
use super::scan::{Scan, starts_turn};
use super::turns::{Told, Turns};

/// A page ends when so much of the log was read for it, in bytes.
const BUDGET: usize = 4 * 1024 * 1024;
/// How far to look for what would be on the next page, in bytes.
const LOOK: usize = 1024 * 1024;

/// An item, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) turn_id: String,
    pub(crate) item: v2::ThreadItem,
}

/// A page of turns. `running` is the turn that somebody works on. Items that came only after the next turn had begun
/// are not shown on pages.
pub(crate) fn turns(
    lines: &dyn Lines,
    asked: Asked<'_>,
    view: &v2::TurnItemsView,
    running: Option<&str>,
) -> Result<Page<v2::Turn>, StoreError> {
    let (cursor, direction) = (asked.cursor(Scope::Turns)?, asked.direction);
    if is_legacy(lines)? {
        return legacy_turns(lines, asked, cursor, view, running);
    }
    let from = match cursor {
        None if direction == Direction::Forward => Position::START,
        None => lines.end()?,
        Some(cursor) if cursor.inclusive && direction == Direction::Backward => turn_end(lines, cursor.at)?,
        Some(cursor) => cursor.at.min(lines.end()?),
    };
    let mut scan = Scan::new(lines, from, direction);
    let (mut data, mut full) = (Vec::new(), false);
    while !full && let Some(stretch) = scan.turn()? {
        if cursor.is_some_and(|cursor| !cursor.inclusive && cursor.at == stretch.at) {
            continue;
        }
        let mut part = Turns::of_part();
        stretch.lines.iter().for_each(|line| part.line(line));
        data.extend(part.finish(running).into_iter().map(|Told { turn, at, .. }| (at, seen(turn, view))));
        full = data.len() >= asked.limit() || scan.taken > BUDGET;
    }
    let more = full && scan.goes_on(LOOK, |line| starts_turn(line).then_some(true))?;
    Ok(Page::new(Scope::Turns, data, more))
}

fn legacy_turns(
    lines: &dyn Lines,
    asked: Asked<'_>,
    cursor: Option<Cursor>,
    view: &v2::TurnItemsView,
    running: Option<&str>,
) -> Result<Page<v2::Turn>, StoreError> {
    let mut turns = Turns::told(lines)?.finish(running);
    if asked.direction == Direction::Backward {
        turns.reverse();
    }
    let is_behind = |told: &Told| {
        cursor.is_none_or(|cursor| match asked.direction {
            _ if told.at == cursor.at => cursor.inclusive,
            Direction::Forward => told.at > cursor.at,
            Direction::Backward => told.at < cursor.at,
        })
    };
    let mut behind = turns.into_iter().filter(is_behind);
    let data = behind.by_ref().take(asked.limit()).map(|told| (told.at, seen(told.turn, view))).collect();
    let more = behind.next().is_some();
    Ok(Page::new(Scope::Turns, data, more))
}

/// A page of items, of the whole thread or of one turn. An unknown turn has none.
pub(crate) fn items(lines: &dyn Lines, asked: Asked<'_>, turn_id: Option<&str>) -> Result<Page<Entry>, StoreError> {
    let cursor = asked.cursor(Scope::Items)?;
    items_from(lines, asked, cursor, turn_id)
}

/// A page of the items of a turn, after one of them or, backward, before it. None: the turn does not have it.
pub(crate) fn items_next_to(
    lines: &dyn Lines,
    asked: Asked<'_>,
    turn_id: &str,
    item_id: &str,
) -> Result<Option<Page<Entry>>, StoreError> {
    let Some((start, end)) = turn_place(lines, turn_id)? else { return Ok(None) };
    let mut scan = Scan::new(lines, start, Direction::Forward);
    while let Some(line) = scan.next()?.filter(|line| line.at < end) {
        if entry(&line, Some(turn_id)).is_some_and(|entry| entry.item.id() == Some(item_id)) {
            let anchor = Cursor { scope: Scope::Items, at: line.at, inclusive: false };
            return items_from(lines, asked, Some(anchor), Some(turn_id)).map(Some);
        }
    }
    Ok(None)
}

fn items_from(
    lines: &dyn Lines,
    asked: Asked<'_>,
    cursor: Option<Cursor>,
    turn_id: Option<&str>,
) -> Result<Page<Entry>, StoreError> {
    let (start, end) = match turn_id {
        None => (Position::START, lines.end()?),
        Some(turn_id) => match turn_place(lines, turn_id)? {
            Some(place) => place,
            None => return Ok(Page::new(Scope::Items, Vec::new(), false)),
        },
    };
    let from = match (asked.direction, cursor) {
        (Direction::Forward, cursor) => cursor.map_or(start, |cursor| cursor.at.max(start)),
        (Direction::Backward, Some(cursor)) if cursor.inclusive => line_end(lines, cursor.at)?.min(end),
        (Direction::Backward, cursor) => cursor.map_or(end, |cursor| cursor.at.min(end)),
    };
    let excluded = cursor.filter(|cursor| !cursor.inclusive).map(|cursor| cursor.at);
    let is_within = |line: &Line| (start..end).contains(&line.at);
    let mut scan = Scan::new(lines, from, asked.direction);
    let (mut data, mut full) = (Vec::new(), false);
    while !full && let Some(line) = scan.next()?.filter(is_within) {
        if let Some(entry) = entry(&line, turn_id).filter(|_| Some(line.at) != excluded) {
            data.push((line.at, entry));
        }
        full = data.len() >= asked.limit() || (scan.taken > BUDGET && !data.is_empty());
    }
    let tells = |line: &Line| match is_within(line) {
        true => entry(line, turn_id).map(|_| true),
        false => Some(false),
    };
    let more = full && scan.goes_on(LOOK, tells)?;
    Ok(Page::new(Scope::Items, data, more))
}

/// Cursors that begin, backward, with the last turn and with the last item.
pub(crate) fn at_the_end(lines: &dyn Lines) -> Result<(Option<String>, Option<String>), StoreError> {
    let mut scan = Scan::new(lines, lines.end()?, Direction::Backward);
    let mut item = None;
    while let Some(line) = scan.next()? {
        let cursor = |scope| Cursor { scope, at: line.at, inclusive: true }.to_string();
        if item.is_none() && entry(&line, None).is_some() {
            item = Some(cursor(Scope::Items));
        } else if starts_turn(&line) {
            return Ok((Some(cursor(Scope::Turns)), item));
        }
    }
    Ok((None, item))
}

/// The item that a line tells of, if it is of that turn.
fn entry(line: &Line, turn_id: Option<&str>) -> Option<Entry> {
    // Most lines are told apart without being parsed.
    if !line.text.contains("\"item_completed\"") || !turn_id.is_none_or(|turn_id| line.text.contains(turn_id)) {
        return None;
    }
    let Some(Said::Item { turn_id: of, item, started_at_ms, completed_at_ms }) = Said::of(line, false) else {
        return None;
    };
    let is_asked_for = turn_id.is_none_or(|turn_id| turn_id == of);
    let details = is_asked_for.then(|| StoredItem::read(item)).flatten()?;
    let item = v2::ThreadItem { details, started_at_ms, completed_at_ms };
    Some(Entry { turn_id: of.into_owned(), item })
}

/// Where a turn is in the log. Looks from the end, where the turns are that people look at.
pub(crate) fn turn_place(lines: &dyn Lines, turn_id: &str) -> Result<Option<(Position, Position)>, StoreError> {
    let mut end = lines.end()?;
    let mut scan = Scan::new(lines, end, Direction::Backward);
    while let Some(line) = scan.next()? {
        if !starts_turn(&line) {
            continue;
        }
        match Said::of(&line, false) {
            Some(Said::Started { turn_id: id, .. }) if id == turn_id => return Ok(Some((line.at, end))),
            _ => end = line.at,
        }
    }
    Ok(None)
}

/// Where the turn ends that begins at a place.
fn turn_end(lines: &dyn Lines, at: Position) -> Result<Position, StoreError> {
    let mut scan = Scan::new(lines, at, Direction::Forward);
    while let Some(line) = scan.next()? {
        if line.at > at && starts_turn(&line) {
            return Ok(line.at);
        }
    }
    lines.end()
}

/// Where the line ends that begins at a place.
fn line_end(lines: &dyn Lines, at: Position) -> Result<Position, StoreError> {
    let next = lines.read(at, Direction::Forward, 0)?.first().map(|line| line.next);
    next.map_or_else(|| lines.end(), Ok)
}

/// Whether the log tells of items in the old way.
pub(crate) fn is_legacy(lines: &dyn Lines) -> Result<bool, StoreError> {
    let mut head = Turns::default();
    lines.read(Position::START, Direction::Forward, 0)?.iter().take(1).for_each(|line| head.line(line));
    Ok(head.is_legacy())
}

/// The turn with as many of its items as are asked for.
fn seen(mut turn: v2::Turn, view: &v2::TurnItemsView) -> v2::Turn {
    match view {
        v2::TurnItemsView::NotLoaded => turn.items.clear(),
        v2::TurnItemsView::Summary => turn.items = summary(std::mem::take(&mut turn.items)),
        v2::TurnItemsView::Full | v2::TurnItemsView::Unknown(_) => {}
    }
    turn.items_view = view.clone();
    turn
}

/// What was asked first and what was answered last.
fn summary(items: Vec<v2::ThreadItem>) -> Vec<v2::ThreadItem> {
    let asked = items.iter().position(|item| matches!(item.details, v2::ThreadItemDetails::UserMessage { .. }));
    let answered = items.iter().rposition(|item| matches!(item.details, v2::ThreadItemDetails::AgentMessage { .. }));
    let is_kept = |(place, item)| (Some(place) == asked || Some(place) == answered).then_some(item);
    items.into_iter().enumerate().filter_map(is_kept).collect()
}
