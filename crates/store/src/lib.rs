//! Threads that survive. Each has an append-only log of lines, in the format and the place of the reference's
//! rollouts; the log is the truth. An index beside the logs finds threads again, and is rebuilt from them.
//!
//! [`ThreadStore`] is the trait that the host knows. [`FileStore`] is the embedded store; [`MemoryStore`] keeps what
//! is never to be stored. Everything here blocks: call it where a thread may wait for a disk.

pub mod contract;
mod error;
mod file_store;
mod files;
pub mod generator;
mod index;
mod line;
mod lock;
mod log;
mod memory;
mod query;
mod stamp;
mod store;
mod summary;
mod text;
mod until;

pub use error::{Holder, StoreError};
pub use file_store::FileStore;
pub use line::{Envelope, Line, NewLine, Position};
pub use log::{Direction, Lines, ThreadLog};
pub use memory::MemoryStore;
pub use query::{Creator, Cursor, Found, Page, Query, SortKey};
pub use store::ThreadStore;
pub use summary::{Base, Fold, GitInfo, ReadState, Summary};
pub use until::Until;
