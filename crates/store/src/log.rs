//! The log of one thread: who holds it writes at its end, and anybody reads it from any place.

use std::path::Path;
use std::sync::Arc;

use crate::error::StoreError;
use crate::line::{Line, NewLine, Position};

/// Which way a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a place on.
    Forward,
    /// Back from a place.
    Backward,
}

/// A log for reading, while others may write it. Two readers need not agree on its end.
pub trait Lines: Send + Sync {
    /// Where the next line will begin. A torn line counts for nothing.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    fn end(&self) -> Result<Position, StoreError>;

    /// Whole lines in the order of reading: those from `from` on, or those that end at `from` or before it. At least
    /// one if there is one, then as many as fit into `budget` bytes.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    fn read(&self, from: Position, direction: Direction, budget: usize) -> Result<Vec<Line>, StoreError>;
}

/// A log for writing: the lease on its thread, for as long as it lives.
pub trait ThreadLog: Send {
    /// Appends lines, all or none. They are there for every reader, and survive the death of this process, when it
    /// returns.
    ///
    /// # Errors
    ///
    /// The lines could not be written, or somebody took the log away. Nothing was changed, and it may be tried again.
    fn append(&mut self, lines: &[NewLine]) -> Result<(), StoreError>;

    /// Takes back everything from a place on. Readers that were given out before may still see it.
    ///
    /// # Errors
    ///
    /// It could not be done. Nothing was changed.
    fn truncate(&mut self, from: Position) -> Result<(), StoreError>;

    /// Asks for what was appended to survive the machine, too. Does not wait for it.
    fn sync(&self);

    /// The same log for reading.
    fn lines(&self) -> Arc<dyn Lines>;

    /// The file, if it is one. It need not be there before the first line.
    fn path(&self) -> Option<&Path>;
}
