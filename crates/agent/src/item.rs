//! The things that happen in a turn, as far as people are shown them.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::input::Input;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Unique within the conversation.
    pub id: String,
    /// Unix milliseconds.
    pub started_at_ms: i64,
    /// Unix milliseconds; none until the item is whole.
    pub completed_at_ms: Option<i64>,
    /// What it is.
    pub kind: ItemKind,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// What the person said.
    UserMessage(UserMessage),
    /// What the model said.
    AgentMessage(AgentMessage),
    /// What the model told of its reasoning.
    Reasoning(Reasoning),
}

/// What the person said.
#[derive(Clone, Debug, PartialEq)]
pub struct UserMessage {
    /// The client's own id for it.
    pub client_id: Option<String>,
    /// As sent.
    pub content: Vec<Input>,
}

/// What the model said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentMessage {
    /// Empty until the item is whole.
    pub text: String,
    /// Whether it is meant as the final answer, in the backend's words.
    pub phase: Option<String>,
}

/// What the model told of its reasoning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// One text per part.
    pub summary: Vec<String>,
    /// The reasoning itself, where the backend shows it.
    pub content: Vec<String>,
}

impl Item {
    pub(crate) fn started(id: impl Into<String>, kind: ItemKind) -> Self {
        Self { id: id.into(), started_at_ms: now_ms(), completed_at_ms: None, kind }
    }

    pub(crate) fn completed(mut self) -> Self {
        self.completed_at_ms = Some(now_ms());
        self
    }
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
