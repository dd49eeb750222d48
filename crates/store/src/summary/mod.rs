//! What lists show of a thread. How it follows from its log is in [`fold`].

mod fold;

use serde::{Deserialize, Serialize};

pub use self::fold::{Base, Fold};
use crate::query::Creator;

/// What lists show of a thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Its id, a uuid.
    pub id: String,
    /// Shared by threads that belong together.
    pub session_id: String,
    /// Its file, if it is one.
    pub path: Option<String>,
    /// Whether it is in the archive.
    pub archived: bool,
    /// A name given by a person.
    pub name: Option<String>,
    /// What the person said first.
    pub preview: String,
    /// When it was started, in unix milliseconds.
    pub created_at_ms: i64,
    /// When it last changed, in unix milliseconds. Never goes back, whatever the clock does.
    pub updated_at_ms: i64,
    /// When its last turn began, in unix milliseconds.
    pub recency_at_ms: i64,
    /// The working directory.
    pub cwd: String,
    /// The kind of program that started it, as the log has it in JSON: `"cli"` with its quotes, or an object for what
    /// an agent started.
    pub source: String,
    /// What started it, in the client's words.
    pub thread_source: Option<String>,
    /// The name of the client that started it.
    pub originator: Option<String>,
    /// The version of the host that started it.
    pub cli_version: String,
    /// The provider of its model.
    pub model_provider: String,
    /// The model of its last turn.
    pub model: Option<String>,
    /// How hard the model thinks, when somebody said so.
    pub reasoning_effort: Option<String>,
    /// How its history is served: `legacy` or `paginated`.
    pub history_mode: String,
    /// The thread that it was forked from.
    pub forked_from_id: Option<String>,
    /// The repository that it works in.
    pub git: Option<GitInfo>,
    /// Whose it is.
    pub creator: Option<Creator>,
    /// What of it is unread.
    pub read_state: Option<ReadState>,
}

/// The repository that a thread works in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitInfo {
    /// The commit.
    #[serde(rename = "commit_hash", default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// The branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Where it is pushed to.
    #[serde(rename = "repository_url", default, skip_serializing_if = "Option::is_none")]
    pub origin_url: Option<String>,
}

/// What of a thread is unread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadState {
    /// The first unread place, in the words of whoever noted it. None: all is read.
    pub first_unread: Option<String>,
    /// Changes whenever the state does.
    pub revision: String,
}
