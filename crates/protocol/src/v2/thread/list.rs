//! `thread/list` and `thread/loaded/list`: threads, a page at a time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::nullable;
use crate::v2::{Thread, ThreadReadState};

/// `thread/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadListParams {
    /// From an earlier answer.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// What to sort by. Default: `created_at`.
    pub sort_key: Option<ThreadSortKey>,
    /// Default: newest first.
    pub sort_direction: Option<SortDirection>,
    /// Only of these providers. Empty: of all.
    pub model_providers: Option<Vec<String>>,
    /// Only of programs of these kinds. Empty: of those that a person sits at.
    pub source_kinds: Option<Vec<ThreadSourceKind>>,
    /// Only of clients with these names. Not served here: a list that is not empty is refused.
    pub originators: Option<Vec<String>>,
    /// Archived threads instead of the others.
    pub archived: Option<bool>,
    /// Only of this section. Null: only of none.
    #[serde(default, deserialize_with = "nullable::present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[ts(as = "Option<String>")]
    pub section_id: Option<Option<String>>,
    /// Only of this project. Null: only of none. Experimental.
    #[serde(default, deserialize_with = "nullable::present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[ts(as = "Option<String>")]
    pub project_id: Option<Option<String>>,
    /// Only of this working directory, or of these.
    pub cwd: Option<OneOrMany>,
    /// Only threads whose preview or name holds this text, in any case.
    pub search_term: Option<String>,
    /// Without these, at most 100.
    pub excluded_thread_ids: Option<Vec<String>>,
    /// Only threads whose parent this is. Experimental.
    pub parent_thread_id: Option<String>,
    /// Only threads below this one, however deep. Not with `parentThreadId`. Experimental.
    pub ancestor_thread_id: Option<String>,
    /// Only threads that are attached to this one. Not with the two above. Experimental.
    pub attached_to_thread_id: Option<String>,
    /// Also threads that are attached to another one. Experimental.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub include_attached_threads: bool,
    /// Accepted and without effect.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub use_state_db_only: bool,
    /// Only threads of the account that is logged in.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub current_account_only: bool,
}

/// One text or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(untagged)]
#[schemars(inline)]
#[ts(export_to = "v2/")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// What kind of program started a thread, as a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum ThreadSourceKind {
    /// A terminal.
    Cli,
    /// An app server, whatever stands in front of it.
    #[serde(rename = "vscode")]
    VsCode,
    /// A single run.
    Exec,
    /// An app server.
    AppServer,
    /// Another agent, for whatever reason.
    SubAgent,
    /// Another agent, for a review.
    SubAgentReview,
    /// Another agent, for a summary.
    SubAgentCompact,
    /// Another agent, for work of its own.
    SubAgentThreadSpawn,
    /// Another agent, for none of these reasons.
    SubAgentOther,
    /// Not known.
    Unknown,
}

/// What a list of threads is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export_to = "v2/")]
pub enum ThreadSortKey {
    /// When the thread was started.
    #[default]
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// When it was last used.
    RecencyAt,
    /// Its place in its section.
    SectionPosition,
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export_to = "v2/")]
pub enum SortDirection {
    /// The smallest.
    Asc,
    /// The largest.
    #[default]
    Desc,
}

/// The answer to `thread/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadListResponse {
    /// One page, without turns.
    pub data: Vec<Thread>,
    /// What is unread in each.
    pub read_states: Option<BTreeMap<String, ThreadReadState>>,
    /// Null after the last page.
    pub next_cursor: Option<String>,
    /// For asking later what is newer than this page. Null when the page is empty.
    pub backwards_cursor: Option<String>,
}

/// `thread/loaded/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadLoadedListParams {
    /// From an earlier answer.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// The answer to `thread/loaded/list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadLoadedListResponse {
    /// The ids of threads in memory.
    pub data: Vec<String>,
    /// Null after the last page.
    pub next_cursor: Option<String>,
}
