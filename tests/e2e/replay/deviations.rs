//! The list of deviations: what may differ from a recording, and why. Each entry must still be true.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use valet_tests::transcript::{Bindings, Difference};

use super::recording::{Line, folder};

/// One entry of `deviations.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deviation {
    pub(super) id: String,
    /// Why it is so: the decision, or `bug:` or `later:` and what is to come.
    pub(super) reason: String,
    /// In which recordings.
    pub(super) files: Vec<String>,
    what: Kind,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Kind {
    /// A member has another value. `<any>` stands for any value or piece of a text, `<absent>` for none.
    Member { of: String, at: String, expected: Value, got: Value },
    /// A recorded message does not come, or a request to the backend is not made: the one of this line, or none.
    Missing { of: String, line: Option<usize> },
    /// A message comes, or a request to the backend is made, that was not recorded.
    Added { of: String },
    /// These lines come in this order.
    Order(Vec<usize>),
    /// The replay works up to this line, which is the first to differ.
    EndsAt(usize),
}

/// The entries for one recording, and which of them were seen to be true.
pub(super) struct Deviations {
    entries: Vec<Deviation>,
    seen: BTreeSet<String>,
    /// Entries that were seen to be untrue.
    untrue: BTreeSet<String>,
}

/// All entries.
pub(super) fn all() -> Vec<Deviation> {
    let text = std::fs::read_to_string(folder().join("deviations.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl Deviations {
    pub(super) fn of(recording: &str) -> Self {
        let entries = all().into_iter().filter(|entry| entry.files.iter().any(|file| file == recording)).collect();
        Self { entries, seen: BTreeSet::new(), untrue: BTreeSet::new() }
    }

    /// The line that is known to be the first to differ.
    pub(super) fn ends_at(&self) -> Option<usize> {
        self.entries.iter().find_map(|entry| if let Kind::EndsAt(line) = entry.what { Some(line) } else { None })
    }

    /// Puts the lines into the order in which they come.
    pub(super) fn reorder(&mut self, lines: &mut [Line]) {
        for entry in &self.entries {
            let Kind::Order(order) = &entry.what else { continue };
            let find = |number: &usize| lines.iter().position(|line| line.number == *number);
            let mut places: Vec<usize> = order
                .iter()
                .map(|number| find(number).unwrap_or_else(|| panic!("{}: no line {number}", entry.id)))
                .collect();
            let moved: Vec<Line> = places.iter().map(|place| lines[*place].clone()).collect();
            places.sort_unstable();
            for (place, line) in places.into_iter().zip(moved) {
                lines[place] = line;
            }
            self.seen.insert(entry.id.clone());
        }
    }

    /// The differences that are not listed. With none left, those that were there are noted as seen.
    pub(super) fn unlisted(&mut self, of: &str, differences: Vec<Difference>, bindings: &Bindings) -> Vec<Difference> {
        let mut seen = Vec::new();
        let listed = |difference: &Difference, seen: &mut Vec<String>| {
            let entry = self.entries.iter().find(|entry| entry.is_member(of, difference, bindings));
            seen.extend(entry.map(|entry| entry.id.clone()));
            entry.is_some()
        };
        let left: Vec<_> = differences.into_iter().filter(|difference| !listed(difference, &mut seen)).collect();
        if left.is_empty() {
            self.seen.extend(seen);
        }
        left
    }

    /// Whether it is listed that this does not come.
    pub(super) fn is_missing(&mut self, expected: &Line) -> bool {
        self.note(|kind| kind.is_missing(expected))
    }

    /// Notes that this came.
    pub(super) fn came(&mut self, expected: &Line) {
        let entries = self.entries.iter().filter(|entry| entry.what.is_missing(expected));
        self.untrue.extend(entries.map(|entry| entry.id.clone()));
    }

    /// Whether it is listed that this comes unrecorded.
    pub(super) fn is_added(&mut self, subject: &str) -> bool {
        self.note(|kind| matches!(kind, Kind::Added { of } if of == subject))
    }

    fn note(&mut self, is: impl Fn(&Kind) -> bool) -> bool {
        let entry = self.entries.iter().find(|entry| is(&entry.what));
        self.seen.extend(entry.map(|entry| entry.id.clone()));
        entry.is_some()
    }

    /// The entries that are not true, but for the line that is the first to differ.
    pub(super) fn outlived(&self) -> impl Iterator<Item = &Deviation> {
        let is_true = |id: &String| self.seen.contains(id) && !self.untrue.contains(id);
        self.entries.iter().filter(move |entry| !matches!(entry.what, Kind::EndsAt(_)) && !is_true(&entry.id))
    }
}

impl Kind {
    fn is_missing(&self, expected: &Line) -> bool {
        let Self::Missing { of, line } = self else { return false };
        *of == expected.subject && line.is_none_or(|line| line == expected.number)
    }
}

impl Deviation {
    fn is_member(&self, subject: &str, difference: &Difference, bindings: &Bindings) -> bool {
        let Kind::Member { of, at, expected, got } = &self.what else { return false };
        let is = |listed, value: &Option<Value>| bindings.is_listed(listed, value.as_ref());
        of == subject && *at == difference.at && is(expected, &difference.expected) && is(got, &difference.got)
    }
}
