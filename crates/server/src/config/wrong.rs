//! A key whose value is not one that it can have: which key, what it has to be, in plain words, and where it is in the
//! file. The value itself may be a secret, and is not shown.

use std::path::Path;

use toml::de::DeTable;
use toml::{Table, Value};

use super::ConfigError;

/// A key whose value is not one that it can have.
pub(super) struct Wrong {
    /// By dotted path.
    key: String,
    reason: String,
}

impl Wrong {
    pub(super) fn new(key: &str, has_to_be: &str) -> Self {
        Self::because(key, format!("`{key}` has to be {has_to_be}"))
    }

    pub(super) fn because(key: &str, reason: String) -> Self {
        Self { key: key.to_owned(), reason }
    }

    /// What the parser has to say of a table.
    pub(super) fn kind(error: &toml::de::Error, table: &Table) -> Self {
        let text = error.to_string();
        let key = text.lines().last().and_then(|line| line.strip_prefix("in `")?.strip_suffix('`'));
        let Some(key) = key else { return Self::because("", error.message().to_owned()) };
        if key.split('.').next() == Some("approval_policy") {
            return Self::new("approval_policy", APPROVAL_POLICY);
        }
        let Some(kind) = kind(error.message()) else {
            return Self::because(key, format!("`{key}`: {}", error.message()));
        };
        let is_entry = kind != LIST && value(table, key).is_some_and(Value::is_array);
        let each = if is_entry { "each entry of " } else { "" };
        Self::because(key, format!("{each}`{key}` has to be {kind}"))
    }

    /// The same of a file, with the line, unless `over` is where the value comes from.
    pub(super) fn in_file(self, path: &Path, text: &str, over: &Table) -> ConfigError {
        let in_text = |text| Some(line(text, start(DeTable::parse(text).ok()?.get_ref(), &self.key)?));
        match in_text(text).filter(|_| value(over, &self.key).is_none()) {
            Some(line) => ConfigError::Value(format!("{}, line {line}: {}", path.display(), self.reason)),
            None => self.into(),
        }
    }
}

impl From<Wrong> for ConfigError {
    fn from(wrong: Wrong) -> Self {
        Self::Value(wrong.reason)
    }
}

/// Line and column of an error, from 1.
pub(super) fn place(text: &str, error: &toml::de::Error) -> (usize, usize) {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (line(text, start), before[line_start..].chars().count() + 1)
}

/// The line of a byte, from 1.
fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// The value of a key by dotted path. A part of the path may have dots itself.
fn value<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    table.iter().find_map(|(key, inner)| match path.strip_prefix(key.as_str())? {
        "" => Some(inner),
        rest => value(inner.as_table()?, rest.strip_prefix('.')?),
    })
}

/// The same in a text: the byte at which the value begins.
fn start(table: &DeTable<'_>, path: &str) -> Option<usize> {
    table.iter().find_map(|(key, inner)| match path.strip_prefix(key.get_ref().as_ref())? {
        "" => Some(inner.span().start),
        rest => start(inner.get_ref().as_table()?, rest.strip_prefix('.')?),
    })
}

const LIST: &str = "a list in brackets";

/// The parser knows of the words and of the table, but says only one of them at a time.
const APPROVAL_POLICY: &str = "`untrusted`, `on-request`, `never`, or the table `[approval_policy.granular]` with \
                               `sandbox_approval`, `rules` and `mcp_elicitations`";

/// What a value has to be, if that is what the parser has to say.
fn kind(message: &str) -> Option<&str> {
    let is_kind = ["invalid type: ", "invalid value: ", "unknown variant "].iter().any(|it| message.starts_with(it));
    let expected = match message.rsplit_once(", expected ") {
        Some((_, expected)) if is_kind => expected,
        _ => message,
    };
    match expected {
        "a string" | "path string" | "string only" | "wanted string or table" => Some("a text in quotes"),
        "a boolean" => Some("`true` or `false`"),
        "i64" => Some("a whole number"),
        "u64" => Some("a whole number that is not negative"),
        "u32" => Some("a whole number from 0 to 4294967295"),
        "a sequence" => Some(LIST),
        "a text or a list of texts" => Some("a text in quotes, or a list of such texts"),
        "a map" => Some("a table"),
        _ if expected.starts_with("struct ") => Some("a table"),
        // Not the whole message: it begins with the value.
        _ => is_kind.then_some(expected),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use crate::config::Config;

    fn refusal(text: &str, overrides: &[&str]) -> String {
        let overrides: Vec<_> = overrides.iter().map(|&text| text.to_owned()).collect();
        Config::parse(Path::new("/h"), text, &overrides).unwrap_err().to_string()
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_told_by_line_key_and_kind_in_plain_words() {
        let rows = [
            ("model = 5", "line 1: `model` has to be a text in quotes"),
            ("\n\nsandbox_mode = 7", "line 3: `sandbox_mode` has to be a text in quotes"),
            ("[valet]\nopencode_auth_file = 1", "line 2: `valet.opencode_auth_file` has to be a text in quotes"),
            ("[valet]\nmetrics = \"yes\"", "line 2: `valet.metrics` has to be `true` or `false`"),
            (
                "model_auto_compact_token_limit = 1.5",
                "line 1: `model_auto_compact_token_limit` has to be a whole number",
            ),
            (
                "model = \"m\"\nthread_unload_delay_secs = -1",
                "line 2: `thread_unload_delay_secs` has to be a whole number that is not negative",
            ),
            (
                "[model_providers.x]\nstream_max_retries = 4294967296",
                "line 2: `model_providers.x.stream_max_retries` has to be a whole number from 0 to 4294967295",
            ),
            ("valet = 5", "line 1: `valet` has to be a table"),
            ("shell_environment_policy.set = \"A=b\"", "line 1: `shell_environment_policy.set` has to be a table"),
            ("valet.allow_origins = \"x\"", "line 1: `valet.allow_origins` has to be a list in brackets"),
            ("[valet]\nallow_origins = [5]", "line 2: each entry of `valet.allow_origins` has to be a text in quotes"),
            (
                "forced_chatgpt_workspace_id = 5",
                "line 1: `forced_chatgpt_workspace_id` has to be a text in quotes, or a list of such texts",
            ),
            // Without plain words for it, the value is not shown, either.
            ("sandbox_mode = { read-only = \"sk-1\" }", "line 1: `sandbox_mode`: expected table, found string"),
            (
                "sandbox_mode = \"sk-1\"",
                "line 1: `sandbox_mode` has to be one of `read-only`, `workspace-write`, `danger-full-access`",
            ),
        ];
        for (text, words) in rows {
            assert_eq!(refusal(text, &[]), format!("invalid configuration: /h/config.toml, {words}"));
        }
    }

    #[test]
    fn whatever_is_wrong_with_the_approval_policy_it_is_told_how_to_write_each() {
        let members = "{ sandbox_approval = true, rules = true, mcp_elicitations = true }";
        for value in ["\"always\"", "\"granular\"", "5", members, "{ granular = \"sk-1\" }", "{ granular = {} }"] {
            let words = "invalid configuration: /h/config.toml, line 1: `approval_policy` has to be `untrusted`, \
                         `on-request`, `never`, or the table `[approval_policy.granular]` with `sandbox_approval`, \
                         `rules` and `mcp_elicitations`";
            assert_eq!(refusal(&format!("approval_policy = {value}"), &[]), words);
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_that_is_not_in_the_file_has_no_line() {
        let words = "invalid configuration: `sandbox_mode` has to be a text in quotes";
        assert_eq!(refusal("model = \"m\"", &["sandbox_mode=7"]), words);
        let words = "invalid configuration: each entry of `valet.allow_origins` has to be a text in quotes";
        assert_eq!(refusal("", &["valet.allow_origins=[7]"]), words);
    }
}
