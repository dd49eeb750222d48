//! Rules of the user about commands: `prefix_rule(pattern=["git", "pull"], decision="allow")`, one statement
//! each, in a file that other programs share. Statements of other forms are kept and reported, not understood.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::rules_syntax::{Statement, statements};

/// What a rule says about a command. The later one is the stricter one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// Run it without asking.
    Allow,
    /// Ask first.
    Prompt,
    /// Do not run it.
    Forbidden,
}

/// A command that begins with these words, and what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// For each word at the beginning, what it may be. Neither list is empty.
    pub pattern: Vec<Vec<String>>,
    /// The decision.
    pub decision: Decision,
}

/// The rules of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Rule>,
    /// The lines, from 1, where something begins that is no rule. They have no effect.
    pub ignored: Vec<usize>,
}

/// Why a file of rules cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the rules in {}: {source}", .path.display())]
pub struct RulesError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Rules {
    /// Reads the text of a file.
    pub fn parse(text: &str) -> Rules {
        let mut rules = Rules::default();
        for statement in statements(text) {
            match statement {
                Statement::Rule(rule) => rules.rules.push(rule),
                Statement::Other { line } => rules.ignored.push(line),
            }
        }
        rules
    }

    /// Reads a file. No file is no rules.
    pub fn load(path: &Path) -> Result<Rules, RulesError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Rules::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Rules::default()),
            Err(source) => Err(RulesError { path: path.to_owned(), source }),
        }
    }

    /// What the rules say about a command: the strictest of those that match.
    pub fn decision(&self, argv: &[String]) -> Option<Decision> {
        self.rules.iter().filter(|rule| rule.matches(argv)).map(|rule| rule.decision).max()
    }

    /// Whether there is a rule that does more than allow.
    pub fn restrict(&self) -> bool {
        self.rules.iter().any(|rule| rule.decision > Decision::Allow)
    }

    /// Writes down that commands which begin with `prefix` are allowed, unless the file says so already. The file
    /// and its folder are made when missing. Writers in other processes wait for each other.
    pub fn allow(path: &Path, prefix: &[String]) -> Result<(), RulesError> {
        append(path, prefix).map_err(|source| RulesError { path: path.to_owned(), source })
    }
}

impl Rule {
    fn matches(&self, argv: &[String]) -> bool {
        let mut words = argv.iter();
        self.pattern.iter().all(|allowed| words.next().is_some_and(|word| allowed.contains(word)))
    }
}

fn append(path: &Path, prefix: &[String]) -> io::Result<()> {
    if prefix.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an empty prefix would allow every command"));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    // Given back when the file is closed.
    File::lock(&file)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let rule = Rule { pattern: prefix.iter().map(|word| vec![word.clone()]).collect(), decision: Decision::Allow };
    if Rules::parse(&text).rules.contains(&rule) {
        return Ok(());
    }
    let line_end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    // One write, so that a reader sees the whole line or none of it. JSON's escapes are those of the rules.
    let pattern = prefix.iter().map(|word| serde_json::Value::from(word.as_str()).to_string());
    let pattern = pattern.collect::<Vec<_>>().join(", ");
    file.write_all(format!("{line_end}prefix_rule(pattern=[{pattern}], decision=\"allow\")\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{Decision, Rules};

    fn decision(text: &str, argv: &[&str]) -> Option<Decision> {
        Rules::parse(text).decision(&argv.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_rule_matches_commands_that_begin_with_its_words() {
        let text = "prefix_rule(pattern=[\"git\", \"pull\"], decision=\"allow\")\n";
        assert_eq!(decision(text, &["git", "pull", "--rebase"]), Some(Decision::Allow));
        assert_eq!(decision(text, &["git", "pull"]), Some(Decision::Allow));
        assert_eq!(decision(text, &["git"]), None);
        assert_eq!(decision(text, &["git", "push"]), None);
    }

    #[test]
    fn the_strictest_rule_wins_whatever_the_order() {
        let text = "prefix_rule(pattern=['rm', '-rf'], decision='forbidden')\n\
                    prefix_rule(pattern=['rm'], decision='allow')\n\
                    prefix_rule(pattern=['rm', '-i'], decision='prompt')\n";
        assert_eq!(decision(text, &["rm", "-rf", "x"]), Some(Decision::Forbidden));
        assert_eq!(decision(text, &["rm", "-i", "x"]), Some(Decision::Prompt));
        assert_eq!(decision(text, &["rm", "x"]), Some(Decision::Allow));
    }

    #[test]
    fn comments_blanks_line_ends_alternatives_and_escapes_are_understood() {
        let text = "# mine\nprefix_rule(  # why\n    decision = \"allow\",\n    pattern = [\n        \"a\\\"\\\\b\\n\",  # x\n        \
                    ['c', \"d\"],\n    ],\n    justification = 'it is (fine], \"really\"',\n    match = [['a', 'c'], \"a d\"],\n)\n";
        assert_eq!(Rules::parse(text).ignored, Vec::<usize>::new());
        assert_eq!(decision(text, &["a\"\\b\n", "d"]), Some(Decision::Allow));
        assert_eq!(decision(text, &["a\"\\b\n", "e"]), None);
    }

    #[test]
    fn what_is_not_understood_has_no_effect_and_is_reported_with_its_line() {
        let text = "x = 1\nprefix_rule(pattern=[\"a\"], decision=\"allow\")\nprefix_rule(pattern=[], decision=\"allow\")\n\
                    prefix_rule(pattern=[\"b\"], decision=\"maybe\")\nprefix_rule(pattern=[\"c\"])\n\
                    host_rule(\n    \"x\",\n)\nprefix_rule(pattern=[\"d\"], decision=\"allow\"\n";
        let rules = Rules::parse(text);
        assert_eq!(rules.ignored, [1, 3, 4, 5, 6, 9]);
        assert_eq!(rules.rules.len(), 1);
    }

    #[test]
    fn an_allowed_prefix_is_written_once_and_read_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("rules/default.rules");
        let prefix = ["echo".to_owned(), "a \"b\"\\\n\u{7f}é".to_owned()];
        assert_eq!(Rules::load(&path).unwrap(), Rules::default());
        Rules::allow(&path, &prefix).unwrap();
        Rules::allow(&path, &prefix).unwrap();
        Rules::allow(&path, &["echo".to_owned(), "ho".to_owned()]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("\nprefix_rule(pattern=[\"echo\", \"ho\"], decision=\"allow\")\n"));
        assert_eq!(Rules::load(&path).unwrap().decision(&prefix), Some(Decision::Allow));
        Rules::allow(&path, &[]).unwrap_err();
    }

    #[test]
    fn what_others_wrote_stays_and_a_missing_line_end_is_added() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("default.rules");
        std::fs::write(&path, "# mine\nother(1)").unwrap();
        Rules::allow(&path, &["ls".to_owned()]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "# mine\nother(1)\nprefix_rule(pattern=[\"ls\"], decision=\"allow\")\n");
    }
}
