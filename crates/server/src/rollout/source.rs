//! What kind of program started a thread: the log and the wire have different words for some.

use serde_json::{Value, json};
use valet_protocol::v2::SessionSource;

/// The words of the log on the wire.
pub(crate) fn to_wire(stored: &str) -> SessionSource {
    match serde_json::from_str(stored) {
        Ok(Value::String(word)) => match word.as_str() {
            "cli" => SessionSource::Cli,
            "vscode" => SessionSource::VsCode,
            "exec" => SessionSource::Exec,
            "mcp" => SessionSource::AppServer,
            _ => SessionSource::Unknown,
        },
        Ok(Value::Object(mut kind)) => match (kind.remove("custom"), kind.remove("subagent")) {
            (Some(Value::String(name)), _) => SessionSource::Custom(name),
            (_, Some(role)) => SessionSource::SubAgent(role),
            _ => SessionSource::Unknown,
        },
        _ => SessionSource::Unknown,
    }
}

/// The words of the wire in the log.
pub(super) fn stored(source: &SessionSource) -> Value {
    match source {
        SessionSource::Cli => json!("cli"),
        SessionSource::VsCode => json!("vscode"),
        SessionSource::Exec => json!("exec"),
        SessionSource::AppServer => json!("mcp"),
        SessionSource::Custom(name) => json!({ "custom": name }),
        SessionSource::SubAgent(role) => json!({ "subagent": role }),
        SessionSource::Unknown => json!("unknown"),
        SessionSource::Other(source) => source.clone(),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    #[test]
    fn every_source_of_the_reference_has_its_words_on_both_sides() {
        let sources = [
            ("\"cli\"", "\"cli\""),
            ("\"vscode\"", "\"vscode\""),
            ("\"exec\"", "\"exec\""),
            ("\"mcp\"", "\"appServer\""),
            ("\"unknown\"", "\"unknown\""),
            (r#"{"custom":"x"}"#, r#"{"custom":"x"}"#),
            (r#"{"subagent":"review"}"#, r#"{"subAgent":"review"}"#),
        ];
        for (stored, wire) in sources {
            let source = super::to_wire(stored);
            assert_eq!(serde_json::to_string(&source).unwrap(), wire);
            assert_eq!(super::stored(&source).to_string(), stored);
        }
        for other in ["", "\"valet\"", r#"{"internal":"memory"}"#, "7"] {
            assert_eq!(super::to_wire(other), valet_protocol::v2::SessionSource::Unknown);
        }
    }
}
