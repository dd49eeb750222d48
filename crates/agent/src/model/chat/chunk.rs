//! A chunk of a completion, or a whole one: read as far as the loop needs, and as widely as servers differ.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::output_item::ContentPart;
use crate::usage::TokenUsage;

/// What servers call the reasoning. Some say the same under both names; the first counts.
pub(super) const REASONING: [&str; 2] = ["reasoning_content", "reasoning"];

/// One chunk, or the one body of a completion that is not streamed.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(default)]
    object: Option<String>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

impl Chunk<'_> {
    /// Whether it tells that the response has failed.
    pub(super) fn is_error(&self) -> bool {
        self.error.is_some() || self.object.as_deref() == Some("error")
    }

    /// What was used, if that is told here in a way that can be read. An answer is not lost over it.
    pub(super) fn usage(&self) -> Option<TokenUsage> {
        serde_json::from_str::<Usage>(self.usage?.get()).ok().map(TokenUsage::from)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice<'a> {
    /// Only one is asked for, and not every server counts.
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(borrow, default)]
    pub(super) delta: Option<Delta<'a>>,
    /// In the place of deltas, in a completion that is not streamed.
    #[serde(borrow, default)]
    pub(super) message: Option<Delta<'a>>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

/// More of a message.
#[derive(Debug, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<Fragment<'a>>>,
}

impl Delta<'_> {
    pub(super) fn content(&self) -> Cow<'_, str> {
        self.content.map(text).unwrap_or_default()
    }

    pub(super) fn refusal(&self) -> Cow<'_, str> {
        self.refusal.map(text).unwrap_or_default()
    }

    /// The reasoning, and the name that the server has for it.
    pub(super) fn reasoning(&self) -> (&'static str, Cow<'_, str>) {
        let [first, second] = REASONING;
        match self.reasoning_content.map(text).filter(|text| !text.is_empty()) {
            Some(text) => (first, text),
            None => (second, self.reasoning.map(text).unwrap_or_default()),
        }
    }
}

/// A part of a call of a tool.
#[derive(Debug, Deserialize)]
pub(super) struct Fragment<'a> {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(borrow, default)]
    pub(super) function: Option<Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Function<'a> {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

impl Function<'_> {
    /// JSON text. Some servers send the value itself.
    pub(super) fn arguments(&self) -> Cow<'_, str> {
        match self.arguments {
            Some(raw) if raw.get().starts_with('{') => Cow::Borrowed(raw.get()),
            Some(raw) => text(raw),
            None => Cow::default(),
        }
    }
}

/// Text, as one or in parts; nothing of what is neither.
fn text(raw: &RawValue) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
    if let Ok(Borrowed(text)) = serde_json::from_str(raw.get()) {
        return text;
    }
    let parts: Vec<ContentPart> = serde_json::from_str(raw.get()).unwrap_or_default();
    parts.into_iter().map(ContentPart::into_text).collect::<String>().into()
}

#[derive(Debug, Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<i64>,
    #[serde(default)]
    completion_tokens: Option<i64>,
    #[serde(default)]
    total_tokens: Option<i64>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Default, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<i64>,
    #[serde(default)]
    cache_write_tokens: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<i64>,
}

impl From<Usage> for TokenUsage {
    fn from(usage: Usage) -> Self {
        let prompt = usage.prompt_tokens_details.unwrap_or_default();
        let completion = usage.completion_tokens_details.unwrap_or_default();
        let (input, output) = (usage.prompt_tokens.unwrap_or_default(), usage.completion_tokens.unwrap_or_default());
        Self {
            total: usage.total_tokens.unwrap_or_else(|| input.saturating_add(output)),
            input,
            cached_input: prompt.cached_tokens.unwrap_or_default(),
            cache_write_input: prompt.cache_write_tokens.unwrap_or_default(),
            output,
            reasoning_output: completion.reasoning_tokens.unwrap_or_default(),
        }
    }
}
