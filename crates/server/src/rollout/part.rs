//! What stored items are made of, and the words that the log and the wire have different forms for.

use std::borrow::Cow;
use std::path::Path;

use reqwest::Url;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use valet_protocol::v2;

/// A part of what a person said.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Input {
    Text {
        text: String,
        #[serde(default)]
        text_elements: Vec<Element>,
    },
    Image {
        image_url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<v2::ImageDetail>,
    },
    LocalImage {
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<v2::ImageDetail>,
    },
    Skill {
        name: String,
        path: String,
    },
    Mention {
        name: String,
        path: String,
    },
}

/// A stretch of text that the client shows differently.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Element {
    byte_range: v2::ByteRange,
    placeholder: Option<String>,
}

/// A part of what the model said.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Text {
    Text { text: String },
}

/// What one part of a command seems to do.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Action {
    #[serde(rename = "type")]
    kind: String,
    cmd: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

/// What happens to a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Change {
    Add { content: String },
    Delete { content: String },
    Update { unified_diff: String, move_path: Option<String> },
}

/// What the model did on the web.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum WebAction {
    Search {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queries: Option<Vec<String>>,
    },
    OpenPage {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    FindInPage {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
    },
    #[serde(other)]
    Other,
}

impl From<v2::UserInput> for Input {
    fn from(input: v2::UserInput) -> Self {
        match input {
            v2::UserInput::Text { text, text_elements } => {
                let element = |v2::TextElement { byte_range, placeholder }| Element { byte_range, placeholder };
                Self::Text { text, text_elements: text_elements.into_iter().map(element).collect() }
            }
            v2::UserInput::Image { url, detail } => Self::Image { image_url: url, detail },
            v2::UserInput::LocalImage { path, detail } => Self::LocalImage { path, detail },
            v2::UserInput::Skill { name, path } => Self::Skill { name, path },
            v2::UserInput::Mention { name, path } => Self::Mention { name, path },
        }
    }
}

impl From<Input> for v2::UserInput {
    fn from(input: Input) -> Self {
        match input {
            Input::Text { text, text_elements } => {
                let element = |Element { byte_range, placeholder }| v2::TextElement { byte_range, placeholder };
                Self::Text { text, text_elements: text_elements.into_iter().map(element).collect() }
            }
            Input::Image { image_url, detail } => Self::Image { url: image_url, detail },
            Input::LocalImage { path, detail } => Self::LocalImage { path, detail },
            Input::Skill { name, path } => Self::Skill { name, path },
            Input::Mention { name, path } => Self::Mention { name, path },
        }
    }
}

impl Action {
    /// None: of a kind that is not known.
    pub(super) fn of(action: v2::CommandAction) -> Option<Self> {
        let new = |kind: &str, cmd| Self { kind: kind.to_owned(), cmd, ..Self::default() };
        Some(match action {
            v2::CommandAction::Read { command, name, path } => {
                Self { name: Some(name), path: Some(path), ..new("read", command) }
            }
            v2::CommandAction::ListFiles { command, path } => Self { path, ..new("list_files", command) },
            v2::CommandAction::Search { command, query, path } => Self { query, path, ..new("search", command) },
            v2::CommandAction::Unknown { command } => new("unknown", command),
            v2::CommandAction::Other(_) => return None,
        })
    }
}

impl From<Action> for v2::CommandAction {
    fn from(Action { kind, cmd: command, name, query, path }: Action) -> Self {
        match (kind.as_str(), name, path) {
            ("read", Some(name), Some(path)) => Self::Read { command, name, path },
            ("list_files", _, path) => Self::ListFiles { command, path },
            ("search", _, path) => Self::Search { command, query, path },
            _ => Self::Unknown { command },
        }
    }
}

impl Change {
    /// None: the log has no words for it.
    pub(super) fn of(change: v2::FileUpdateChange) -> Option<(String, Self)> {
        let v2::FileUpdateChange { path, kind, diff } = change;
        let change = match kind {
            v2::PatchChangeKind::Add {} => Self::Add { content: diff },
            v2::PatchChangeKind::Delete {} => Self::Delete { content: diff },
            v2::PatchChangeKind::Update { move_path: None } => Self::Update { unified_diff: diff, move_path: None },
            v2::PatchChangeKind::Update { move_path: Some(to) } => {
                let unified_diff = diff.strip_suffix(&moved(&to))?.to_owned();
                Self::Update { unified_diff, move_path: Some(to) }
            }
            v2::PatchChangeKind::Unknown(_) => return None,
        };
        Some((path, change))
    }

    pub(super) fn to_wire((path, change): (String, Self)) -> v2::FileUpdateChange {
        let (kind, diff) = match change {
            Self::Add { content } => (v2::PatchChangeKind::Add {}, content),
            Self::Delete { content } => (v2::PatchChangeKind::Delete {}, content),
            Self::Update { mut unified_diff, move_path } => {
                unified_diff.push_str(&move_path.as_deref().map(moved).unwrap_or_default());
                (v2::PatchChangeKind::Update { move_path }, unified_diff)
            }
        };
        v2::FileUpdateChange { path, kind, diff }
    }
}

/// How the diff of a file ends that moves, on the wire.
fn moved(to: &str) -> String {
    format!("\n\nMoved to: {to}")
}

impl WebAction {
    /// An action that is not known is given back.
    pub(super) fn of(action: v2::WebSearchAction) -> Result<Self, Value> {
        Ok(match action {
            v2::WebSearchAction::Search { query, queries } => Self::Search { query, queries },
            v2::WebSearchAction::OpenPage { url } => Self::OpenPage { url },
            v2::WebSearchAction::FindInPage { url, pattern } => Self::FindInPage { url, pattern },
            v2::WebSearchAction::Other {} => Self::Other,
            v2::WebSearchAction::Unknown(action) => return Err(action),
        })
    }
}

impl From<WebAction> for v2::WebSearchAction {
    fn from(action: WebAction) -> Self {
        match action {
            WebAction::Search { query, queries } => Self::Search { query, queries },
            WebAction::OpenPage { url } => Self::OpenPage { url },
            WebAction::FindInPage { url, pattern } => Self::FindInPage { url, pattern },
            WebAction::Other => Self::Other {},
        }
    }
}

/// A message of the model, without what is null here.
pub(super) fn agent_message(id: String, text: String, phase: Option<v2::MessagePhase>) -> v2::ThreadItemDetails {
    v2::ThreadItemDetails::AgentMessage {
        id,
        text,
        phase,
        moderation: None,
        memory_citation: None,
        delivery: None,
        questions: None,
    }
}

/// An absolute path as a URL. Anything else stays what it is.
pub(super) fn file_url(path: String) -> String {
    Url::from_file_path(&path).map_or(path, String::from)
}

/// The path of such a URL. Anything else stays what it is.
pub(super) fn path_of(url: String) -> String {
    let path = Url::parse(&url).ok().filter(|url| url.scheme() == "file").and_then(|url| url.to_file_path().ok());
    path.as_deref().and_then(Path::to_str).map_or(url, str::to_owned)
}

/// The member `type` of an object.
pub(super) fn kind(object: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    // It comes first wherever it was written by a program, and then the object need not be gone through.
    let first = object.get().strip_prefix("{\"type\":\"").and_then(|rest| rest.split_once('"'));
    match first {
        Some((kind, _)) if !kind.contains('\\') => Some(Cow::Borrowed(kind)),
        _ => serde_json::from_str::<Typed<'_>>(object.get()).ok().map(|typed| typed.kind),
    }
}

/// Those of the elements that are understood.
pub(super) fn known<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let elements = Vec::<&RawValue>::deserialize(deserializer)?;
    Ok(elements.into_iter().filter_map(|element| serde_json::from_str(element.get()).ok()).collect())
}

/// A member that is passed over if it is of a form that is not known.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// A word of the log as the wire writes it: `in_progress` is `inProgress`.
pub(super) fn camel(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// A word of the wire as the log writes it.
pub(super) fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 2);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// A map whose order counts, and which may name a key twice.
pub(super) mod in_order {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S, T>(entries: &[(String, T)], serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        T: Serialize,
    {
        serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
    }

    pub(in super::super) fn deserialize<'de, D, T>(deserializer: D) -> Result<Vec<(String, T)>, D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de>,
    {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Vec<(String, T)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}
