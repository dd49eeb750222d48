//! What pages are asked for by, and what they are: a cursor is a place in the log, next to a turn or an item.

use std::fmt;
use std::str::FromStr;

use valet_store::{Direction, Position, StoreError};

/// How many are on a page when nobody says.
const USUAL: u32 = 25;
/// How many are on a page at most.
const MOST: u32 = 100;
/// A page of a list.
#[derive(Debug, PartialEq)]
pub(crate) struct Page<T> {
    /// In the direction that was asked for.
    pub(crate) data: Vec<T>,
    /// Where the next page begins, if there is more.
    pub(crate) next: Option<String>,
    /// The first one of this page, for reading in the other direction; it comes again.
    pub(crate) backwards: Option<String>,
}

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) cursor: Option<&'a str>,
    pub(crate) limit: Option<u32>,
    pub(crate) direction: Direction,
}

/// What cursors point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Turns,
    Items,
}

/// A place next to a turn or an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) scope: Scope,
    /// Where it begins.
    pub(super) at: Position,
    /// Whether it is itself on the page.
    pub(super) inclusive: bool,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = if self.scope == Scope::Turns { 't' } else { 'i' };
        write!(f, "{scope}{}{}", if self.inclusive { '=' } else { ':' }, self.at)
    }
}

impl FromStr for Cursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || StoreError::InvalidCursor(text.to_owned());
        let mut parts = text.chars();
        let scope = match parts.next() {
            Some('t') => Scope::Turns,
            Some('i') => Scope::Items,
            _ => return Err(invalid()),
        };
        let inclusive = match parts.next() {
            Some('=') => true,
            Some(':') => false,
            _ => return Err(invalid()),
        };
        Ok(Self { scope, at: parts.as_str().parse().map_err(|_| invalid())?, inclusive })
    }
}

impl Asked<'_> {
    pub(super) fn limit(&self) -> usize {
        // Not more than a few.
        self.limit.unwrap_or(USUAL).clamp(1, MOST) as usize
    }

    pub(super) fn cursor(&self, scope: Scope) -> Result<Option<Cursor>, StoreError> {
        let Some(text) = self.cursor else { return Ok(None) };
        match text.parse::<Cursor>()? {
            cursor if cursor.scope == scope => Ok(Some(cursor)),
            _ => Err(StoreError::InvalidCursor(text.to_owned())),
        }
    }
}

impl<T> Page<T> {
    pub(super) fn new(scope: Scope, data: Vec<(Position, T)>, more: bool) -> Self {
        let cursor = |at: Position, inclusive| Cursor { scope, at, inclusive }.to_string();
        let next = data.last().filter(|_| more).map(|(at, _)| cursor(*at, false));
        let backwards = data.first().map(|(at, _)| cursor(*at, true));
        Self { data: data.into_iter().map(|(_, one)| one).collect(), next, backwards }
    }
}
