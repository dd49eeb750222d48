//! `${name.member}` in a scenario, and messages that are told by a part of them.

use serde_json::{Map, Value};

/// What the steps so far have given names to.
#[derive(Default)]
pub(crate) struct Names(Map<String, Value>);

impl Names {
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// What a path like `start.thread.id` leads to.
    fn get(&self, path: &str) -> Result<&Value, String> {
        let mut members = path.split('.');
        let first = members.next().and_then(|name| self.0.get(name));
        let found = members.try_fold(first, |value, member| {
            let value = value?;
            Some(match member.parse::<usize>() {
                Ok(index) if value.is_array() => value.get(index),
                _ => value.get(member),
            })
        });
        found.flatten().ok_or_else(|| format!("nothing is named ${{{path}}}"))
    }

    /// A value with what it names. A text that is only one name becomes what is named, of whatever type.
    pub(crate) fn fill(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
                Some(path) if !path.contains('}') => self.get(path)?.clone(),
                _ => self.fill_text(text)?.into(),
            },
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect::<Result<_, _>>()?,
            Value::Object(members) => {
                let filled = members.iter().map(|(name, value)| Ok((name.clone(), self.fill(value)?)));
                Value::Object(filled.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    pub(crate) fn fill_text(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (path, after) = after.split_once('}').ok_or_else(|| format!("`${{` without its end in {text}"))?;
            filled.push_str(before);
            match self.get(path)? {
                Value::String(text) => filled.push_str(text),
                other => filled.push_str(&other.to_string()),
            }
            rest = after;
        }
        Ok(filled + rest)
    }
}

/// Whether a message holds everything that `part` does.
pub(crate) fn holds(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|whole| holds(value, whole)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| holds(part, whole))
        }
        (part, whole) => part == whole,
    }
}
