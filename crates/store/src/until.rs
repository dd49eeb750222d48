//! A log up to a place: what is appended behind it does not show.

use std::sync::Arc;

use crate::error::StoreError;
use crate::line::{Line, Position};
use crate::log::{Direction, Lines};

/// A log up to a place.
pub struct Until {
    lines: Arc<dyn Lines>,
    end: Position,
}

impl Until {
    /// What there is before `end`.
    pub fn new(lines: Arc<dyn Lines>, end: Position) -> Self {
        Self { lines, end }
    }
}

impl Lines for Until {
    fn end(&self) -> Result<Position, StoreError> {
        Ok(self.end)
    }

    fn read(&self, from: Position, direction: Direction, budget: usize) -> Result<Vec<Line>, StoreError> {
        let mut lines = self.lines.read(from.min(self.end), direction, budget)?;
        lines.retain(|line| line.next <= self.end);
        Ok(lines)
    }
}
