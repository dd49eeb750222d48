//! What happened in a thread, read from its log as it was at one moment. Reading waits for a disk.

use std::sync::Arc;

use valet_protocol::v2::{
    SortDirection, ThreadItem, ThreadItemEntry, ThreadItemsListAnchor, ThreadItemsListCursor, ThreadItemsListParams,
    ThreadItemsListResponse, ThreadTurnsListParams, Turn, TurnItemsView, TurnsPage,
};
use valet_protocol::{ErrorKind, ErrorObject};
use valet_store::{Direction, Lines, Position, Until};

use crate::convert::store_error;
use crate::rollout::{Asked, Page, Turns, pages};

/// What happened in a thread up to one moment.
pub(crate) struct History {
    pub(super) lines: Until,
    /// The turn that ran then, and its items that were not whole.
    pub(super) running: Option<String>,
    pub(super) open: Vec<ThreadItem>,
}

impl History {
    /// Of a thread that is not loaded.
    pub(crate) fn of(lines: Arc<dyn Lines>) -> Result<Self, valet_store::StoreError> {
        let end = lines.end()?;
        Ok(Self { lines: Until::new(lines, end), running: None, open: Vec::new() })
    }

    /// All turns with all items.
    pub(crate) fn turns(&self) -> Result<Vec<Turn>, ErrorObject> {
        let turns = Turns::all(&self.lines, self.running.as_deref()).map_err(store_error)?;
        Ok(turns.into_iter().map(|turn| self.with_open(turn)).collect())
    }

    /// A page of turns.
    pub(crate) fn turns_page(&self, params: &ThreadTurnsListParams) -> Result<TurnsPage, ErrorObject> {
        let asked = Asked {
            cursor: params.cursor.as_deref(),
            limit: params.limit,
            direction: direction(params.sort_direction.unwrap_or(SortDirection::Desc)),
        };
        let view = params.items_view.as_ref().unwrap_or(&TurnItemsView::Summary);
        let page = pages::turns(&self.lines, asked, view, self.running.as_deref()).map_err(store_error)?;
        let with_open = |turn: Turn| if turn.items_view == TurnItemsView::Full { self.with_open(turn) } else { turn };
        Ok(TurnsPage {
            data: page.data.into_iter().map(with_open).collect(),
            next_cursor: page.next,
            backwards_cursor: page.backwards,
        })
    }

    /// A page of items.
    pub(crate) fn items_page(&self, params: &ThreadItemsListParams) -> Result<ThreadItemsListResponse, ErrorObject> {
        if pages::is_legacy(&self.lines).map_err(store_error)? {
            return Err(no_items());
        }
        let mut asked = Asked {
            cursor: None,
            limit: params.limit,
            direction: direction(params.sort_direction.unwrap_or(SortDirection::Asc)),
        };
        let turn_id = params.turn_id.as_deref();
        let page = match &params.cursor {
            Some(ThreadItemsListCursor::Anchor(ThreadItemsListAnchor::Item { item_id })) => {
                let turn_id = turn_id.ok_or_else(|| bad_anchor("turnId is required when cursor is an item anchor"))?;
                let page = pages::items_next_to(&self.lines, asked, turn_id, item_id).map_err(store_error)?;
                page.ok_or_else(|| {
                    bad_anchor("cursor.itemId does not identify an item in the requested history scope")
                })?
            }
            Some(ThreadItemsListCursor::Opaque(cursor)) => {
                asked.cursor = Some(cursor);
                pages::items(&self.lines, asked, turn_id).map_err(store_error)?
            }
            None => pages::items(&self.lines, asked, turn_id).map_err(store_error)?,
        };
        let Page { data, next, backwards } = page;
        let entry = |entry: pages::Entry| ThreadItemEntry {
            turn_id: entry.turn_id,
            started_at_ms: entry.item.started_at_ms,
            completed_at_ms: entry.item.completed_at_ms,
            item: entry.item,
        };
        let data = data.into_iter().map(entry).collect();
        Ok(ThreadItemsListResponse { data, next_cursor: next, backwards_cursor: backwards })
    }

    /// Cursors that begin, backward, with the last turn and with the last item.
    pub(crate) fn end_cursors(&self) -> Result<(Option<String>, Option<String>), ErrorObject> {
        pages::at_the_end(&self.lines).map_err(store_error)
    }

    /// Where a turn begins, and where the next one does or the log ends.
    pub(crate) fn place_of(&self, turn_id: &str) -> Result<(Position, Position), ErrorObject> {
        let place = pages::turn_place(&self.lines, turn_id).map_err(store_error)?;
        place.ok_or_else(|| ErrorObject::invalid_request_params(format!("turn not found: {turn_id}")))
    }

    /// The log up to that moment.
    pub(crate) fn into_lines(self) -> Until {
        self.lines
    }

    /// The turn that ran then.
    pub(crate) fn running(&self) -> Option<&str> {
        self.running.as_deref()
    }

    fn with_open(&self, mut turn: Turn) -> Turn {
        if self.running.as_deref() == Some(turn.id.as_str()) {
            // What could not be stored when it was whole may be in the log by now.
            let is_stored = |open: &ThreadItem| turn.items.iter().any(|item| item.id() == open.id());
            let open: Vec<_> = self.open.iter().filter(|open| !is_stored(open)).cloned().collect();
            turn.items.extend(open);
        }
        turn
    }
}

fn direction(direction: SortDirection) -> Direction {
    match direction {
        SortDirection::Asc => Direction::Forward,
        SortDirection::Desc => Direction::Backward,
    }
}

/// What is said of a thread whose log does not tell of items one by one, or that has no log.
pub(crate) fn no_items() -> ErrorObject {
    ErrorObject::method_not_found("thread/items/list is not supported yet").kind(ErrorKind::NotSupported)
}

fn bad_anchor(message: &str) -> ErrorObject {
    ErrorObject::contradiction(message)
}
