//! What the agent wants kept of a conversation, as lines of the thread's log.

use std::sync::Arc;

use serde_json::value::RawValue;
use valet_agent::{Context, Failure, Journal};

use super::ThreadState;
use crate::rollout::{Compacted, line};

/// Keeps what the model is given in the log of a thread.
pub(super) struct ThreadJournal {
    pub(super) shared: Arc<ThreadState>,
}

impl Journal for ThreadJournal {
    fn set_context(&self, turn_id: &str, context: &Context) {
        let mut stage = self.shared.stage();
        let settings = stage.record.settings.stored().to_context(turn_id, turn_id).noting(context);
        let applied = stage.settings_line();
        stage.log.append(line::turn_context(&settings).into_iter().chain(applied));
    }

    fn remember(&self, items: &[Arc<RawValue>]) {
        self.shared.stage().log.append(items.iter().map(|item| line::response_item(Arc::clone(item))));
    }

    fn replace(&self, summary: &str, items: &[Arc<RawValue>]) {
        let compacted = Compacted { message: summary.to_owned(), replacement_history: Some(items.to_vec()) };
        self.shared.stage().log.append(compacted.line());
    }

    fn check(&self) -> Result<(), Failure> {
        match self.shared.stage().log.turn_failure() {
            None => Ok(()),
            Some(reason) => Err(Failure::not_kept(reason)),
        }
    }
}
