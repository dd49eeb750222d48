//! A log line by line, from any place, in either direction; and turn by turn.

use valet_store::{Direction, Line, Lines, Position, StoreError};

use super::event::{Said, is_silent};

/// How much is read in one go.
const CHUNK: usize = 256 * 1024;

/// Reads a log from a place on.
pub(crate) struct Scan<'a> {
    lines: &'a dyn Lines,
    at: Position,
    direction: Direction,
    chunk: std::vec::IntoIter<Line>,
    /// How many bytes were taken.
    pub(crate) taken: usize,
}

/// The lines of one turn that say something about it, in the order of the log.
pub(super) struct Stretch {
    /// Where the turn begins.
    pub(super) at: Position,
    pub(super) lines: Vec<Line>,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(lines: &'a dyn Lines, from: Position, direction: Direction) -> Self {
        Self { lines, at: from, direction, chunk: Vec::new().into_iter(), taken: 0 }
    }

    /// The next line, which stays the next one.
    fn peek(&mut self) -> Result<Option<&Line>, StoreError> {
        if self.chunk.as_slice().is_empty() {
            let chunk = self.lines.read(self.at, self.direction, CHUNK)?;
            if let Some(last) = chunk.last() {
                self.at = if self.direction == Direction::Forward { last.next } else { last.at };
            }
            self.chunk = chunk.into_iter();
        }
        Ok(self.chunk.as_slice().first())
    }

    /// The next line. None: the log ends here.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, StoreError> {
        self.peek()?;
        let line = self.chunk.next();
        self.taken += line.as_ref().map_or(0, |line| line.text.len());
        Ok(line)
    }

    /// The next turn in the direction of reading. What lies before it on the way is passed over.
    pub(super) fn turn(&mut self) -> Result<Option<Stretch>, StoreError> {
        match self.direction {
            Direction::Forward => self.turn_after(),
            Direction::Backward => self.turn_before(),
        }
    }

    fn turn_after(&mut self) -> Result<Option<Stretch>, StoreError> {
        let start = loop {
            match self.next()? {
                Some(line) if starts_turn(&line) => break line,
                Some(_) => {}
                None => return Ok(None),
            }
        };
        let (at, mut lines) = (start.at, vec![start]);
        while self.peek()?.is_some_and(|line| !starts_turn(line)) {
            lines.extend(self.next()?.filter(|line| !is_silent(line)));
        }
        Ok(Some(Stretch { at, lines }))
    }

    fn turn_before(&mut self) -> Result<Option<Stretch>, StoreError> {
        let mut lines = Vec::new();
        while let Some(line) = self.next()? {
            if starts_turn(&line) {
                let at = line.at;
                lines.push(line);
                lines.reverse();
                return Ok(Some(Stretch { at, lines }));
            }
            lines.extend(Some(line).filter(|line| !is_silent(line)));
        }
        Ok(None)
    }

    /// Whether there is more: what `tells` says of the first line that it knows it from. If `budget` bytes do not
    /// tell, there is taken to be more.
    pub(super) fn goes_on(&mut self, budget: usize, tells: impl Fn(&Line) -> Option<bool>) -> Result<bool, StoreError> {
        let most = self.taken.saturating_add(budget);
        while let Some(line) = self.next()? {
            match tells(&line) {
                Some(more) => return Ok(more),
                None if self.taken > most => return Ok(true),
                None => {}
            }
        }
        Ok(false)
    }
}

/// Whether a turn begins with this line. Most lines are told apart without being parsed.
pub(super) fn starts_turn(line: &Line) -> bool {
    line.text.contains("\"task_started\"") && matches!(Said::of(line, false), Some(Said::Started { .. }))
}
