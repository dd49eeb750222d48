//! The items of a response, read as far as the loop needs. One that is not known here is no error: it is kept as it
//! came and sent back as it came.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// An item of the model.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum OutputItem {
    Message {
        #[serde(default)]
        id: Option<String>,
        #[serde(default)]
        phase: Option<String>,
        #[serde(default, deserialize_with = "parts")]
        content: Vec<ContentPart>,
    },
    Reasoning {
        #[serde(default)]
        id: Option<String>,
        #[serde(default, deserialize_with = "parts")]
        summary: Vec<ContentPart>,
        #[serde(default, deserialize_with = "parts")]
        content: Vec<ContentPart>,
    },
    FunctionCall {
        call_id: String,
        name: String,
        arguments: String,
    },
    CustomToolCall {
        call_id: String,
        name: String,
        input: String,
    },
    #[serde(other)]
    Other,
}

/// A part of a message, of a summary or of reasoning: each has a text, a refusal in its place, or neither.
#[derive(Debug, Deserialize)]
pub(crate) struct ContentPart {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

/// Parts, in whatever form a backend sends them: an item that was shown as begun has to end.
fn parts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ContentPart>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Parts(Vec<ContentPart>),
        Text(String),
        Other(IgnoredAny),
    }
    Ok(match Form::deserialize(deserializer)? {
        Form::Parts(parts) => parts,
        Form::Text(text) => vec![ContentPart { text: Some(text), refusal: None }],
        Form::Other(_) => Vec::new(),
    })
}

impl ContentPart {
    pub(crate) fn into_text(self) -> String {
        self.text.or(self.refusal).unwrap_or_default()
    }
}

/// The least that is needed to answer a call.
#[derive(Debug, Deserialize)]
pub(crate) struct CallHead {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) call_id: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::OutputItem;

    #[test]
    fn an_item_of_an_unknown_type_is_no_error() {
        let item: OutputItem = serde_json::from_str(r#"{"type":"hologram","id":"h_1"}"#).unwrap();
        assert!(matches!(item, OutputItem::Other));
    }
}
