//! The one form of statement that a file of rules may hold, read letter by letter: a call with named
//! arguments that are texts and lists. After anything else reading goes on at the next line that could begin one.

use super::{Decision, Rule};

/// One statement of a file.
pub(super) enum Statement {
    /// A rule.
    Rule(Rule),
    /// Something else.
    Other {
        /// Where it begins, from 1.
        line: usize,
    },
}

/// The statements of a text.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let mut cursor = Cursor { text, at: 0 };
    let mut statements = Vec::new();
    loop {
        cursor.skip_blank();
        if cursor.rest().is_empty() {
            return statements;
        }
        let start = cursor.at;
        statements.push(match cursor.rule() {
            Some(rule) => Statement::Rule(rule),
            None => {
                cursor.at = start;
                cursor.skip_statement();
                Statement::Other { line: text[..start].matches('\n').count() + 1 }
            }
        });
    }
}

enum Value {
    Text(String),
    List(Vec<Value>),
}

struct Cursor<'a> {
    text: &'a str,
    /// Always between two letters.
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blank(&mut self) {
        loop {
            self.at = self.text.len() - self.rest().trim_start().len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.skip_line();
        }
    }

    fn skip_line(&mut self) {
        self.at += self.rest().find('\n').map_or(self.rest().len(), |length| length + 1);
    }

    /// To the next line that is neither indented nor the end of what came before.
    fn skip_statement(&mut self) {
        self.skip_line();
        while self.rest().starts_with([' ', '\t', ')', ']', '}']) {
            self.skip_line();
        }
    }

    /// Takes this text, after blanks.
    fn take(&mut self, token: &str) -> Option<()> {
        self.skip_blank();
        self.rest().starts_with(token).then(|| self.at += token.len())
    }

    fn name(&mut self) -> Option<&'a str> {
        self.skip_blank();
        let rest = self.rest();
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        self.at += end;
        Some(&rest[..end]).filter(|name| !name.is_empty())
    }

    fn rule(&mut self) -> Option<Rule> {
        (self.name()? == "prefix_rule").then_some(())?;
        self.take("(")?;
        let (mut pattern, mut decision) = (None, None);
        while self.take(")").is_none() {
            let name = self.name()?;
            self.take("=")?;
            match (name, self.value(0)?) {
                ("pattern", Value::List(words)) => pattern = words.into_iter().map(alternatives).collect(),
                ("decision", Value::Text(text)) => decision = decision_of(&text),
                // They explain and test a rule, and change nothing.
                ("justification" | "match" | "not_match", _) => {}
                _ => return None,
            }
            if self.take(",").is_none() {
                self.take(")")?;
                break;
            }
        }
        let pattern: Vec<Vec<String>> = pattern?;
        (!pattern.is_empty()).then_some(Rule { pattern, decision: decision? })
    }

    /// A text, or a list of values; not deeper than a rule can be.
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.skip_blank();
        if self.rest().starts_with(['"', '\'']) {
            return self.string().map(Value::Text);
        }
        self.take("[").filter(|()| depth < 3)?;
        let mut list = Vec::new();
        while self.take("]").is_none() {
            list.push(self.value(depth + 1)?);
            if self.take(",").is_none() {
                self.take("]")?;
                break;
            }
        }
        Some(Value::List(list))
    }

    fn string(&mut self) -> Option<String> {
        let mut letters = self.rest().char_indices();
        let (_, quote) = letters.next()?;
        let mut text = String::new();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\n' => return None,
                '\\' => text.push(escaped(&mut letters)?),
                _ if letter == quote => {
                    self.at += at + 1;
                    return Some(text);
                }
                _ => text.push(letter),
            }
        }
        None
    }
}

fn escaped(letters: &mut std::str::CharIndices<'_>) -> Option<char> {
    match letters.next()?.1 {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'u' => {
            let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
            char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
        }
        letter @ ('"' | '\'' | '\\' | '/') => Some(letter),
        _ => None,
    }
}

/// One word of a pattern: a text, or a list of texts that may stand there.
fn alternatives(value: Value) -> Option<Vec<String>> {
    match value {
        Value::Text(text) => Some(vec![text]),
        Value::List(list) => {
            let texts = list.into_iter().map(|value| match value {
                Value::Text(text) => Some(text),
                Value::List(_) => None,
            });
            texts.collect::<Option<Vec<_>>>().filter(|texts| !texts.is_empty())
        }
    }
}

fn decision_of(text: &str) -> Option<Decision> {
    match text {
        "allow" => Some(Decision::Allow),
        "prompt" => Some(Decision::Prompt),
        "forbidden" => Some(Decision::Forbidden),
        _ => None,
    }
}
