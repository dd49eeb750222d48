//! What a conversation tells while it works.

use std::sync::Arc;
use std::time::Duration;

use valet_auth::Account;
use valet_tools::definitions::PlanStep;

use crate::failure::Failure;
use crate::item::{AgentMessage, Item};
use crate::limits::RateLimits;
use crate::usage::Usage;

/// Something that happened in a turn. Borrowed, because most events are a few characters of text.
#[derive(Debug)]
pub enum Event<'a> {
    /// Work on the turn began, at this time in unix seconds.
    TurnStarted {
        /// Unix seconds.
        started_at: i64,
    },
    /// An item began.
    ItemStarted(&'a Item),
    /// An item is whole.
    ItemCompleted(&'a Item),
    /// More of the model's message.
    TextDelta {
        /// The item.
        item_id: &'a str,
        /// To be appended.
        delta: &'a str,
    },
    /// The next part of the reasoning summary begins.
    SummaryPartAdded {
        /// The item.
        item_id: &'a str,
        /// The part.
        index: i64,
    },
    /// More of the reasoning summary.
    SummaryDelta {
        /// The item.
        item_id: &'a str,
        /// The part.
        index: i64,
        /// To be appended.
        delta: &'a str,
    },
    /// More of the reasoning itself.
    ReasoningDelta {
        /// The item.
        item_id: &'a str,
        /// The part.
        index: i64,
        /// To be appended.
        delta: &'a str,
    },
    /// More of what a command printed.
    OutputDelta {
        /// The item.
        item_id: &'a str,
        /// To be appended.
        delta: &'a str,
    },
    /// The model typed into a command.
    TerminalInput {
        /// The item.
        item_id: &'a str,
        /// The number of the process.
        process_id: &'a str,
        /// What was typed.
        text: &'a str,
    },
    /// The model's plan, whole.
    Plan {
        /// Why it changed.
        explanation: Option<&'a str>,
        /// All steps.
        steps: &'a [PlanStep],
    },
    /// What the patches of the turn have done so far, as one diff in the form of git.
    Diff(&'a str),
    /// The turn waits for a person, or does so no longer.
    Waiting {
        /// What for.
        on: Waiting,
        /// False: it is over.
        begins: bool,
    },
    /// What the conversation has used so far.
    Usage(&'a Usage),
    /// What the backend said about the limits of an account.
    RateLimits {
        /// Each that was told; the last is the one that matters most.
        limits: &'a [RateLimits],
        /// Whose they are.
        account: Option<&'a Arc<Account>>,
    },
    /// A request failed and is tried again.
    Retrying {
        /// Why.
        failure: &'a Failure,
        /// Which attempt comes next, from 1.
        attempt: u32,
        /// How many there may be.
        of: u32,
    },
    /// The backend began to answer a request. A refresh of the token, if there was one, is part of the time.
    BackendAnswered {
        /// Since the request was sent.
        latency: Duration,
    },
    /// Another model answers than the one that was asked.
    Rerouted {
        /// Who was asked.
        from: &'a str,
        /// Who answers.
        to: &'a str,
    },
    /// The turn is over. Nothing more is told of it.
    TurnEnded(TurnSummary<'a>),
}

/// What a turn waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Whether something may be done.
    Approval,
    /// Answers to questions.
    UserInput,
}

/// How a turn ended.
#[derive(Debug)]
pub struct TurnSummary<'a> {
    /// By itself, by somebody, or by a failure.
    pub outcome: TurnOutcome<'a>,
    /// The model's last whole message.
    pub last_message: Option<&'a Item>,
    /// Unix seconds.
    pub started_at: i64,
    /// Unix seconds.
    pub completed_at: i64,
    /// Milliseconds.
    pub duration_ms: i64,
}

/// How a turn ended.
#[derive(Debug)]
pub enum TurnOutcome<'a> {
    /// By itself.
    Completed,
    /// Somebody interrupted it.
    Interrupted,
    /// It failed.
    Failed(&'a Failure),
}

/// Whoever listens. Called in order from the conversation's task, and from those of its commands; must not block.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one event of a turn.
    fn emit(&self, turn_id: &str, event: Event<'_>);
}

impl Item {
    /// The item's message, if it is one of the model.
    pub fn agent_message(&self) -> Option<&AgentMessage> {
        match &self.kind {
            crate::item::ItemKind::AgentMessage(message) => Some(message),
            _ => None,
        }
    }
}
