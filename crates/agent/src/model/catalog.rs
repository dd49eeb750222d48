//! The models that the host knows when the backend has not told of any.
//!
//! Efforts stop at `xhigh`: stronger ones exist, but several client libraries refuse a list that holds
//! them. A model or an effort that is not listed may still be asked for by name.

use super::entry::Model;

/// As many models are named in a sentence.
const MOST_NAMES: usize = 8;

/// What the host knows of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// As the backend is told.
    pub slug: &'static str,
    /// For people.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// The effort that is asked for when nobody says one.
    pub default_effort: &'static str,
    /// Tokens, input and output together.
    pub context_window: i64,
}

/// The efforts of every listed model, weakest first, with words for people.
pub const EFFORTS: [(&str, &str); 4] = [
    ("low", "Answers fast and reasons little"),
    ("medium", "Weighs speed against depth"),
    ("high", "Reasons at length about hard problems"),
    ("xhigh", "Reasons at great length about the hardest problems"),
];

/// The listed models; the first is used when the configuration names none.
pub const MODELS: [ModelInfo; 6] = [
    model("gpt-6.1-sol", "GPT-6.1-Sol", "For coding and everyday work.", "low"),
    model("gpt-6-astra", "GPT-6-Astra", "For the most demanding work.", "low"),
    model("gpt-6-sol", "GPT-6-Sol", "For coding; the generation before.", "medium"),
    model("gpt-6-luna", "GPT-6-Luna", "Fast and cheap, for easier tasks.", "medium"),
    model("gpt-5.6-sol", "GPT-5.6-Sol", "For coding; an older generation.", "low"),
    model("gpt-5.5", "GPT-5.5", "For coding; an older generation.", "medium"),
];

const fn model(
    slug: &'static str,
    name: &'static str,
    description: &'static str,
    default_effort: &'static str,
) -> ModelInfo {
    ModelInfo { slug, name, description, default_effort, context_window: 272_000 }
}

/// What is known of a model.
pub fn find(slug: &str) -> Option<&'static ModelInfo> {
    MODELS.iter().find(|model| model.slug == slug)
}

/// Says which models there are beside one that was refused. `told`: by the backend.
pub(crate) fn others(told: Option<&[Model]>, refused: &str) -> String {
    let (mut names, before): (Vec<&str>, _) = match told {
        Some(told) => (
            told.iter().filter(|model| !model.hidden).map(|model| model.slug.as_str()).collect(),
            "Models that work with this login",
        ),
        None => (MODELS.iter().map(|model| model.slug).collect(), "Models that often work"),
    };
    names.retain(|name| *name != refused);
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    match (names.is_empty(), more) {
        (true, _) => "No other model is known.".to_owned(),
        (false, 0) => format!("{before}: {}.", names.join(", ")),
        (false, more) => format!("{before}: {}, and {more} more.", names.join(", ")),
    }
}

impl ModelInfo {
    /// How much of the window a conversation may fill: the rest is kept for the answer.
    pub fn usable_context(&self) -> i64 {
        self.context_window * 95 / 100
    }
}
