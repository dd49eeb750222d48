//! What can go wrong with a store.

use std::io;
use std::path::Path;

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thread.
    #[error("no rollout found for thread id {0}")]
    NotFound(String),
    /// It cannot be made again.
    #[error("there is a thread {0} already")]
    Exists(String),
    /// It must be taken out of the archive first.
    #[error("session {0} is archived. Run `codex unarchive {0}` to unarchive it first.")]
    Archived(String),
    /// Forks of it have their history in its log.
    #[error("cannot {doing} thread {id}: forked history still references it")]
    Referenced {
        /// The thread.
        id: String,
        /// What was tried.
        doing: &'static str,
    },
    /// Somebody else writes it.
    #[error("thread {id} already has an active writer")]
    Leased {
        /// The thread.
        id: String,
        /// Who it is, where that is known.
        holder: Option<Holder>,
    },
    /// The cursor was not made by this store.
    #[error("invalid cursor: {0}")]
    InvalidCursor(String),
    /// What is stored of the thread cannot be understood.
    #[error("the stored thread {id} is damaged: {reason}")]
    Damaged {
        /// The thread.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// The disk refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The index refused.
    #[error("the index of threads: {0}")]
    Index(#[from] rusqlite::Error),
}

/// What is said of a file when something cannot be done with it: `doing` is "cannot read" or the like.
pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { doing: format!("{doing} {}", path.display()), source }
}

/// Who writes a thread.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// When that process took the thread, in unix seconds.
    pub since: i64,
}
