//! What one turn works with, from its acceptance to its end.

use std::sync::Arc;

use valet_auth::Account;

use crate::event::{Event, EventSink, Waiting};
use crate::model::models::Models;
use crate::settings::{Origin, Settings};

/// What a turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnKind {
    /// The model works on what a person said.
    Regular,
    /// A person runs a command.
    Shell,
    /// The conversation is made shorter.
    Compaction,
}

/// What one turn works with from its acceptance to its end.
#[derive(Clone)]
pub(crate) struct Turn {
    pub(crate) kind: TurnKind,
    pub(crate) id: String,
    pub(crate) thread_id: Arc<str>,
    pub(crate) settings: Settings,
    pub(crate) origin: Arc<Origin>,
    pub(crate) account: Option<Arc<Account>>,
    pub(crate) models: Option<Arc<Models>>,
    pub(crate) sink: Arc<dyn EventSink>,
    pub(crate) started_at_ms: i64,
    /// Whether nobody is shown what the model says.
    pub(crate) quiet: bool,
}

impl Turn {
    pub(crate) fn emit(&self, event: Event<'_>) {
        let of_the_backend =
            matches!(event, Event::Retrying { .. } | Event::BackendAnswered { .. } | Event::RateLimits { .. });
        if of_the_backend || !self.quiet {
            self.sink.emit(&self.id, event);
        }
    }

    /// The same turn, whose responses nobody is shown.
    pub(crate) fn quietly(&self) -> Self {
        Self { quiet: true, ..self.clone() }
    }

    /// Tells that the turn waits for a person, until the value is dropped.
    pub(crate) fn waiting(&self, on: Waiting) -> WaitingFor<'_> {
        self.emit(Event::Waiting { on, begins: true });
        WaitingFor { turn: self, on }
    }
}

/// The turn waits for a person.
pub(crate) struct WaitingFor<'a> {
    turn: &'a Turn,
    on: Waiting,
}

impl Drop for WaitingFor<'_> {
    fn drop(&mut self) {
        self.turn.emit(Event::Waiting { on: self.on, begins: false });
    }
}
