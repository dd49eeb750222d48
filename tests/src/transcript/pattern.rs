//! Placeholders: what they stand for, and whether a message is one that the recording shows.

use std::collections::BTreeMap;

use serde_json::Value;

/// What the placeholders stand for in one replay.
#[derive(Clone, Debug, Default)]
pub struct Bindings(BTreeMap<String, String>);

/// One place in which a message is not the recorded one. None: the member is not there.
#[derive(Clone, Debug)]
pub struct Difference {
    /// A JSON pointer.
    pub at: String,
    /// What was recorded.
    pub expected: Option<Value>,
    /// What is there.
    pub got: Option<Value>,
}

/// A recorded text, cut at its placeholders.
enum Part {
    Text(String),
    Hole(String),
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(start) = rest.find('<') {
        let inside = &rest[start + 1..];
        let length = inside.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == ' ' || letter == '-'));
        match length.filter(|length| inside[*length..].starts_with('>') && *length > 0) {
            Some(length) => {
                parts.push(Part::Text(rest[..start].to_owned()));
                parts.push(Part::Hole(inside[..length].to_owned()));
                rest = &inside[length + 1..];
            }
            None => {
                parts.push(Part::Text(rest[..=start].to_owned()));
                rest = inside;
            }
        }
    }
    parts.push(Part::Text(rest.to_owned()));
    parts
}

/// Whether a placeholder stands for the same thing wherever it is: its name ends with a number.
fn is_identity(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, number)| number.parse::<u32>().is_ok())
}

fn kind(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(kind, _)| kind)
}

impl Bindings {
    /// Says what a placeholder stands for.
    pub fn bind(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// A recorded text with what its placeholders stand for. Unknown ones stay.
    pub fn fill_text(&self, pattern: &str) -> String {
        let known = |part| match part {
            Part::Text(text) => text,
            Part::Hole(name) => self.0.get(&name).cloned().unwrap_or(format!("<{name}>")),
        };
        parts(pattern).into_iter().map(known).collect()
    }

    /// The same for all texts of a message.
    pub fn fill(&self, pattern: &Value) -> Value {
        match pattern {
            Value::String(text) => self.fill_text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (self.fill_text(name), self.fill(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// A text as a recording would hold it, for people to read.
    pub fn unfill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(value, &format!("<{name}>")))
    }

    /// Whether a text is what the recorded one stands for. Placeholders that are new are bound.
    pub fn fits(&mut self, pattern: &str, text: &str) -> bool {
        let mut holes = Vec::new();
        let mut literals = vec![String::new()];
        for part in parts(pattern) {
            let known = match part {
                Part::Text(text) => Some(text),
                Part::Hole(name) => {
                    let known = self.0.get(&name).cloned();
                    if known.is_none() {
                        holes.push(name);
                        literals.push(String::new());
                    }
                    known
                }
            };
            let literal = literals.last_mut().expect("there is always one");
            literal.push_str(&known.unwrap_or_default());
        }
        let Some(mut rest) = text.strip_prefix(&literals[0]) else { return false };
        for (index, name) in holes.iter().enumerate() {
            let next = &literals[index + 1];
            let is_last = index + 1 == holes.len();
            let end = if is_last { rest.strip_suffix(next).map(str::len) } else { rest.find(next) };
            let Some(end) = end.filter(|end| *end > 0) else { return false };
            if !self.stands_for(name, &rest[..end]) {
                return false;
            }
            rest = &rest[end + next.len()..];
        }
        rest.is_empty()
    }

    /// Binds a new placeholder. Two of one kind never stand for the same.
    fn stands_for(&mut self, name: &str, value: &str) -> bool {
        if !is_identity(name) {
            return true;
        }
        let mut others = self.0.iter().filter(|(other, _)| kind(other) == kind(name) && *other != name);
        if others.any(|(_, bound)| bound == value) {
            return false;
        }
        self.0.get(name).is_none_or(|bound| bound == value) && {
            self.bind(name, value);
            true
        }
    }

    /// Whether a value is what a list of deviations says: `<any>` stands for any value or piece of a text, `<absent>`
    /// for none.
    pub fn is_listed(&self, listed: &Value, value: Option<&Value>) -> bool {
        match (listed, value) {
            (Value::String(any), _) if any == "<any>" => true,
            (Value::String(absent), value) if absent == "<absent>" => value.is_none(),
            (Value::String(pattern), Some(Value::String(text))) => pattern == text || self.clone().fits(pattern, text),
            (listed, value) => Some(listed) == value,
        }
    }

    /// In what a message is not the recorded one.
    pub fn differences(&mut self, expected: &Value, got: &Value) -> Vec<Difference> {
        let mut found = Vec::new();
        self.compare(expected, got, "", &mut found);
        found
    }

    fn compare(&mut self, expected: &Value, got: &Value, at: &str, found: &mut Vec<Difference>) {
        let same = match (expected, got) {
            (Value::Object(members), Value::Object(got)) => {
                let filled: BTreeMap<_, _> =
                    members.iter().map(|(name, value)| (self.fill_text(name), (name, value))).collect();
                for (name, (recorded, value)) in &filled {
                    let at = format!("{at}/{recorded}");
                    match got.get(name) {
                        Some(got) => self.compare(value, got, &at, found),
                        None => found.push(Difference { at, expected: Some((*value).clone()), got: None }),
                    }
                }
                for (name, value) in got.iter().filter(|(name, _)| !filled.contains_key(*name)) {
                    found.push(Difference { at: format!("{at}/{name}"), expected: None, got: Some(value.clone()) });
                }
                true
            }
            (Value::Array(items), Value::Array(got)) if items.len() == got.len() => {
                for (index, (item, got)) in items.iter().zip(got).enumerate() {
                    self.compare(item, got, &format!("{at}/{index}"), found);
                }
                true
            }
            (Value::String(pattern), Value::Number(_)) => ["<ms>", "<s>", "<duration-ms>"].contains(&pattern.as_str()),
            (Value::String(pattern), Value::String(text)) => self.fits(pattern, text),
            (expected, got) => expected == got,
        };
        if !same {
            let (expected, got) = (Some(expected.clone()), Some(got.clone()));
            found.push(Difference { at: at.to_owned(), expected, got });
        }
    }
}

#[test]
fn a_placeholder_stands_for_one_thing_and_no_two_for_the_same() {
    let mut bindings = Bindings::default();
    assert!(bindings.fits("<turn-1>", "a") && bindings.fits("found `<turn-1>`", "found `a`"));
    assert!(!bindings.fits("<turn-1>", "b"), "it stands for something else");
    assert!(!bindings.fits("<turn-2>", "a"), "another one stands for it");
    assert!(bindings.fits("(<os>; <arch>) <term> (x)", "(Linux 6; x86_64) xterm-256 (x)"));
    assert!(!bindings.fits("(<os>; <arch>) <term> (x)", "(Linux 6; x86_64) xterm-256 (y)"));
}
