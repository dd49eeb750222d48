//! `thread/resume`: take a stored thread up again, or join one that is loaded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::open_enum::{known, known_schema};
use crate::v2::{CollaborationMode, SortDirection, ThreadOverrides, ThreadStartResponse, TurnItemsView, TurnsPage};

/// `thread/resume`.
///
/// A thread that is loaded is joined as it stands, whatever else is asked for. Of one that is not, `history` goes
/// before `path`, and `path` before `threadId`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadResumeParams {
    /// The thread.
    pub thread_id: String,
    /// Items of the backend's Responses API to begin a new thread with. Experimental.
    #[ts(type = "Array<unknown> | null", optional)]
    pub history: Option<Vec<Value>>,
    /// The thread's file. An empty text is none. Of a loaded thread it must be the file. Experimental.
    pub path: Option<String>,
    /// What is to change.
    #[serde(flatten)]
    pub overrides: ThreadOverrides,
    /// Return the thread without its turns. They can be had a page at a time.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub exclude_turns: bool,
    /// Return a page of turns, too, as `thread/turns/list` does. Experimental.
    pub initial_turns_page: Option<ThreadResumeInitialTurnsPageParams>,
}

/// Which page of turns comes with the answer to `thread/resume`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadResumeInitialTurnsPageParams {
    /// At most so many.
    pub limit: Option<u32>,
    /// Default: newest first.
    pub sort_direction: Option<SortDirection>,
    /// Which items of each turn. Default: `summary`.
    #[serde(default, deserialize_with = "known")]
    #[schemars(schema_with = "known_schema::<TurnItemsView>")]
    pub items_view: Option<TurnItemsView>,
}

/// The answer to `thread/resume`. The caller is subscribed: every event after the answer comes, and none before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadResumeResponse {
    /// The thread and what is in force.
    #[serde(flatten)]
    pub opened: ThreadStartResponse,
    /// The mode of collaboration in force.
    pub collaboration_mode: Option<CollaborationMode>,
    /// Null unless it was asked for.
    pub initial_turns_page: Option<TurnsPage>,
    /// For `thread/turns/list`, newest first: the page begins with the newest turn of this answer. Null when there is
    /// none.
    pub turns_backwards_cursor: Option<String>,
    /// For `thread/items/list`, newest first: the page begins with the newest item of this answer. Null when there is
    /// none.
    pub items_backwards_cursor: Option<String>,
}
