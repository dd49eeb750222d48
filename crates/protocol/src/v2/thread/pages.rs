//! `thread/turns/list` and `thread/items/list`: a thread's history, a page at a time. The thread need not be loaded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::open_enum::{known, known_schema};
use crate::v2::{SortDirection, ThreadItem, Turn, TurnItemsView};

/// `thread/turns/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadTurnsListParams {
    /// The thread.
    pub thread_id: String,
    /// From an earlier answer.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// Default: newest first.
    pub sort_direction: Option<SortDirection>,
    /// Which items of each turn. Default: `summary`.
    #[serde(default, deserialize_with = "known")]
    #[schemars(schema_with = "known_schema::<TurnItemsView>")]
    pub items_view: Option<TurnItemsView>,
}

/// Some turns of a thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct TurnsPage {
    /// The turns.
    pub data: Vec<Turn>,
    /// Null after the last page.
    pub next_cursor: Option<String>,
    /// For asking in the other direction, beginning with the first turn of this page. Null when the page is empty.
    pub backwards_cursor: Option<String>,
}

/// The answer to `thread/turns/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadTurnsListResponse(pub TurnsPage);

/// `thread/items/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadItemsListParams {
    /// The thread.
    pub thread_id: String,
    /// Only items of this turn.
    pub turn_id: Option<String>,
    /// Where to begin.
    pub cursor: Option<ThreadItemsListCursor>,
    /// At most so many.
    pub limit: Option<u32>,
    /// Default: oldest first.
    pub sort_direction: Option<SortDirection>,
}

/// Where a page of items begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(untagged)]
#[ts(export_to = "v2/")]
pub enum ThreadItemsListCursor {
    /// Where an earlier answer says.
    Opaque(String),
    /// At an item.
    Anchor(ThreadItemsListAnchor),
}

/// An item to begin a page at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum ThreadItemsListAnchor {
    /// Behind this item of the turn, seen in the direction of the list. Only with `turnId`.
    Item {
        /// The item.
        item_id: String,
    },
}

/// The answer to `thread/items/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadItemsListResponse {
    /// The items.
    pub data: Vec<ThreadItemEntry>,
    /// Null after the last page.
    pub next_cursor: Option<String>,
    /// For asking in the other direction, beginning with the first item of this page. Null when the page is empty.
    pub backwards_cursor: Option<String>,
}

/// An item and its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadItemEntry {
    /// The turn that it belongs to.
    pub turn_id: String,
    /// The item.
    pub item: ThreadItem,
    /// When it began, in unix milliseconds, if that is known.
    pub started_at_ms: Option<i64>,
    /// When it was whole, in unix milliseconds, if that is known.
    pub completed_at_ms: Option<i64>,
}
