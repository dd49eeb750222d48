//! What is said of a value of the wrong kind, or of no use: where it is, which key it has, and what it has to be, in plain words. The
//! value itself may be a secret, and is not shown.

use std::path::Path;

use toml::{Table, Value};

use super::unusable::Unusable;
use super::{ConfigError, ConfigToml};

/// What is wrong in the file, with the line. None: every value in it is one that its key wants.
pub(super) fn in_file(path: &Path, text: &str) -> Option<ConfigError> {
    let (line, reason) = match toml::from_str::<ConfigToml>(text) {
        Ok(keys) => {
            let unusable = Unusable::find(&keys)?;
            (unusable.line(text)?, unusable.in_words())
        }
        Err(mut error) => {
            let (line, _) = place(text, &error);
            // With the text at hand it would show the line, and not the key.
            error.set_input(None);
            (line, in_words(&error, &text.parse().ok()?))
        }
    };
    Some(ConfigError::Value(format!("{}, line {line}: {reason}", path.display())))
}

/// What is wrong, and with which key.
pub(super) fn in_words(error: &toml::de::Error, table: &Table) -> String {
    let text = error.to_string();
    let Some(key) = text.lines().last().and_then(|line| line.strip_prefix("in ")) else {
        return error.message().to_owned();
    };
    let Some(kind) = kind(error.message()) else { return format!("{key}: {}", error.message()) };
    let each = if is_list(table, key.trim_matches('`')) && kind != LIST { "each entry of " } else { "" };
    format!("{each}{key} has to be {kind}")
}

/// Line and column of an error, from 1.
pub(super) fn place(text: &str, error: &toml::de::Error) -> (usize, usize) {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (line(text, start), before[line_start..].chars().count() + 1)
}

/// The line of a byte, from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

const LIST: &str = "a list in brackets";

/// What a value has to be, if that is what the parser has to say.
fn kind(message: &str) -> Option<&str> {
    let is_kind = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
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

/// Whether a key, by dotted path, has a list.
fn is_list(table: &Table, key: &str) -> bool {
    match key.split_once('.') {
        None => table.get(key).is_some_and(Value::is_array),
        Some((first, rest)) => table.get(first).and_then(Value::as_table).is_some_and(|inner| is_list(inner, rest)),
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
            ("approval_policy = { granular = \"sk-1\" }", "line 1: `approval_policy` has to be a table"),
        ];
        for (text, words) in rows {
            assert_eq!(refusal(text, &[]), format!("invalid configuration: /h/config.toml, {words}"));
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
