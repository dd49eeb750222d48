//! What a store of threads is. A store may be shared by several hosts: a lease on a thread makes one of them its
//! writer, and ends with that host however it ends.

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::StoreError;
use crate::line::NewLine;
use crate::log::{Lines, ThreadLog};
use crate::query::{Found, Page, Query};
use crate::summary::{ReadState, Summary};

/// A store of threads. [`crate::contract`] says what every store must do.
pub trait ThreadStore: Send + Sync + 'static {
    /// Makes a thread, and leases it. `head` is its first line, a `session_meta`; neither it nor the thread is
    /// stored before something is appended.
    ///
    /// # Errors
    ///
    /// The thread is there already.
    fn create(&self, id: Uuid, head: NewLine) -> Result<Box<dyn ThreadLog>, StoreError>;

    /// The file that a new thread would be stored in, if it were one.
    fn place(&self, id: Uuid) -> Option<PathBuf>;

    /// Leases a thread that is stored. What its last writer left half written is taken away.
    ///
    /// # Errors
    ///
    /// The thread is not there, is archived, has a writer, or is damaged.
    fn lease(&self, id: &str) -> Result<Box<dyn ThreadLog>, StoreError>;

    /// A thread's log for reading, whoever writes it.
    ///
    /// # Errors
    ///
    /// The thread is not there.
    fn lines(&self, id: &str) -> Result<Arc<dyn Lines>, StoreError>;

    /// What is known of a thread, if it is stored.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn find(&self, id: &str) -> Result<Option<Summary>, StoreError>;

    /// A page of threads. Only threads in which somebody said something are listed.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn list(&self, query: &Query) -> Result<Page<Summary>, StoreError>;

    /// A page of threads in which `text` was said, in any case.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn search(&self, text: &str, query: &Query) -> Result<Page<Found>, StoreError>;

    /// Puts a thread into the archive, or takes it out. Being where it is to be is no error.
    ///
    /// # Errors
    ///
    /// The thread is not there, or is leased.
    fn set_archived(&self, id: &str, archived: bool) -> Result<Summary, StoreError>;

    /// Removes a thread for good.
    ///
    /// # Errors
    ///
    /// The thread is not there, is leased, or holds the history of another.
    fn delete(&self, id: &str) -> Result<(), StoreError>;

    /// Names a thread. It may be leased.
    ///
    /// # Errors
    ///
    /// The thread is not there, or the name cannot be stored.
    fn set_name(&self, id: &str, name: &str) -> Result<(), StoreError>;

    /// Notes what of a thread is unread. It may be leased. This is kept by the index alone: a rebuilt index knows
    /// nothing of it.
    ///
    /// # Errors
    ///
    /// The thread is not there, or the index refuses.
    fn set_read_state(&self, id: &str, state: &ReadState) -> Result<(), StoreError>;
}
