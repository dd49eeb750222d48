//! The list of what may differ from the reference, why, and where the docs say so. Each entry must still be true.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use serde::Deserialize;
use serde_json::Value;
use valet_tests::transcript::Bindings;

use crate::compare::{Finding, What};
use crate::names::holds;
use crate::scenario::{folder, read};

/// One entry of `deviations.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deviation {
    pub(crate) id: String,
    /// The decision, or `not yet:` and what is to come.
    reason: String,
    /// `docs/<page>.md: ` and words of that page that tell of it.
    announced: String,
    /// Scenarios, `page/name`; `*` stands for anything.
    files: Vec<String>,
    what: OneOrMore,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(Kind),
    More(Vec<Kind>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Kind {
    /// A member has another value. In `at`, `*` stands for one step of the path, `**` for the rest of it; in values,
    /// `<any>` for any value or piece of a text, `<absent>` for none.
    Member {
        of: String,
        at: String,
        #[serde(default = "any")]
        expected: Value,
        #[serde(default = "any")]
        got: Value,
    },
    /// A recorded message does not come.
    Missing(Told),
    /// A message comes that was not recorded.
    Added(Told),
    /// A message comes in another place.
    Moved(Told),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    of: String,
    /// Part of it.
    #[serde(default)]
    message: Option<Value>,
}

fn any() -> Value {
    "<any>".into()
}

/// The list, and what of it was seen to be true: entries, and the number within.
pub(crate) struct Deviations {
    entries: Vec<Deviation>,
    seen: Mutex<BTreeSet<(String, usize)>>,
}

impl Deviations {
    pub(crate) fn load() -> Result<Self, String> {
        Ok(Self { entries: read(&folder().join("deviations.json"))?, seen: Mutex::default() })
    }

    /// What is not listed for this scenario, and what is listed for it by name and not true.
    pub(crate) fn faults(&self, scenario: &str, findings: &[Finding]) -> Vec<String> {
        let mut faults = Vec::new();
        // Each thing that is listed, by the entry and its number there.
        let listed = || self.entries.iter().filter(|entry| entry.is_for(scenario)).flat_map(Deviation::kinds);
        let mut seen = BTreeSet::new();
        for finding in findings {
            match listed().find(|(_, _, kind)| kind.is_listed(finding, findings)) {
                Some((entry, number, _)) => drop(seen.insert((&entry.id, number))),
                None => faults.push(finding.to_string()),
            }
        }
        for (entry, number, _) in listed().filter(|(entry, _, _)| entry.names(scenario)) {
            if !seen.contains(&(&entry.id, number)) {
                let id = &entry.id;
                faults.push(format!(
                    "`{id}`, {number}, in deviations.json is not true of this scenario any more. Remove it."
                ));
            }
        }
        // With a fault left, this is not the end: what is seen now may still change.
        if faults.is_empty() {
            let mut all = self.seen.lock().unwrap();
            all.extend(seen.into_iter().map(|(id, number)| (id.clone(), number)));
        }
        faults
    }

    /// What was true of no scenario.
    pub(crate) fn outlived(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let listed =
            self.entries.iter().flat_map(Deviation::kinds).map(|(entry, number, _)| (entry.id.clone(), number));
        listed.filter(|listed| !seen.contains(listed)).map(|(id, number)| format!("{id}, {number}")).collect()
    }

    /// What is wrong with the list itself.
    pub(crate) fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut ids = BTreeSet::new();
        for entry in &self.entries {
            let mut fault = |text: &str| faults.push(format!("`{}` {text}", entry.id));
            if !ids.insert(&entry.id) {
                fault("is there twice");
            }
            if entry.reason.len() < 20 {
                fault("has no reason");
            }
            let announced = entry.announced.split_once(": ").is_some_and(|(page, words)| {
                let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
                std::fs::read_to_string(page).is_ok_and(|text| words.len() > 10 && text.contains(words))
            });
            if !announced {
                fault("is not announced: `announced` names a page of docs and words that are on it");
            }
        }
        faults
    }
}

impl Deviation {
    fn is_for(&self, scenario: &str) -> bool {
        self.files.iter().any(|file| fits(file, scenario))
    }

    fn names(&self, scenario: &str) -> bool {
        self.files.iter().any(|file| file == scenario)
    }

    /// What it lists, numbered.
    fn kinds(&self) -> impl Iterator<Item = (&Self, usize, &Kind)> {
        let kinds = match &self.what {
            OneOrMore::One(kind) => std::slice::from_ref(kind),
            OneOrMore::More(kinds) => kinds,
        };
        kinds.iter().enumerate().map(move |(index, kind)| (self, index + 1, kind))
    }
}

impl Kind {
    fn is_listed(&self, finding: &Finding, all: &[Finding]) -> bool {
        match (self, &finding.what) {
            (Self::Member { of, at, expected, got }, What::Member(difference)) => {
                let bindings = Bindings::default();
                *of == finding.of
                    && leads_to(at, &difference.at)
                    && bindings.is_listed(expected, difference.expected.as_ref())
                    && bindings.is_listed(got, difference.got.as_ref())
            }
            (Self::Missing(told), What::Missing(message)) | (Self::Added(told), What::Added(message)) => {
                told.is(finding, message)
            }
            (Self::Moved(told), What::Missing(message) | What::Added(message)) => {
                let missing = matches!(finding.what, What::Missing(_));
                let is_other = |other: &Finding| match &other.what {
                    What::Missing(_) => !missing && other.of == finding.of,
                    What::Added(_) => missing && other.of == finding.of,
                    What::Member(_) => false,
                };
                told.is(finding, message) && all.iter().any(is_other)
            }
            _ => false,
        }
    }
}

impl Told {
    fn is(&self, finding: &Finding, message: &Value) -> bool {
        self.of == finding.of && self.message.as_ref().is_none_or(|part| holds(part, message))
    }
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            rest.is_empty() || (0..=name.len()).any(|from| name.is_char_boundary(from) && fits(rest, &name[from..]))
        }),
    }
}

/// Whether a pattern of a JSON pointer leads to it.
pub(crate) fn leads_to(pattern: &str, pointer: &str) -> bool {
    let (mut patterns, mut steps) = (pattern.split('/'), pointer.split('/'));
    loop {
        match (patterns.next(), steps.next()) {
            (Some("**"), Some(_)) | (None, None) => return true,
            (Some(pattern), Some(step)) if pattern == "*" || pattern == step => {}
            _ => return false,
        }
    }
}
