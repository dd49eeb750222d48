//! `thread/search`: threads by what was said in them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::v2::{SortDirection, Thread, ThreadSourceKind};

/// `thread/search`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadSearchParams {
    /// What the person or the model said, in any case.
    pub search_term: String,
    /// From an earlier answer.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// What to sort by. Default: `created_at`.
    pub sort_key: Option<ThreadSearchSortKey>,
    /// Default: newest first.
    pub sort_direction: Option<SortDirection>,
    /// Only of programs of these kinds. Empty: of those that a person sits at.
    pub source_kinds: Option<Vec<ThreadSourceKind>>,
    /// Archived threads instead of the others.
    pub archived: Option<bool>,
    /// Also threads that are attached to another one.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub include_attached_threads: bool,
    /// Only threads of the account that is logged in.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub current_account_only: bool,
}

/// What found threads are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export_to = "v2/")]
pub enum ThreadSearchSortKey {
    /// When the thread was started.
    #[default]
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// When it was last used.
    RecencyAt,
}

/// The answer to `thread/search`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadSearchResponse {
    /// One page, each thread once.
    pub data: Vec<ThreadSearchResult>,
    /// Null after the last page.
    pub next_cursor: Option<String>,
    /// For asking later what is newer than this page. Null when the page is empty.
    pub backwards_cursor: Option<String>,
}

/// A thread that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadSearchResult {
    /// The thread, without turns.
    pub thread: Thread,
    /// The words around the place that was found.
    pub snippet: String,
}
