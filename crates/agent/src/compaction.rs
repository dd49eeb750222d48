//! Making a conversation shorter: the model sums it up, and goes on from the summary and from what the person
//! said last.

use uuid::Uuid;
use valet_auth::HttpClient;

use crate::conversation::Said;
use crate::driver::{Driver, Ended};
use crate::event::Event;
use crate::failure::{Failure, FailureClass};
use crate::history::History;
use crate::item::{Item, ItemKind};
use crate::mailbox::{Control, Mailbox};
use crate::model::catalog;
use crate::model::request::{self, RequestIds, RequestKind};
use crate::prompt;
use crate::response::Progress;
use crate::turn::Turn;
use crate::usage::TokenUsage;

/// How much of what the person said is kept word by word, newest first.
const KEPT_BYTES: usize = 80_000;

/// How often the oldest part is left out when even the request to sum up does not fit.
const SHORTENINGS: usize = 4;

const REQUEST: &str = "\
Sum up this conversation for a colleague who takes over now and has not seen it. Say what the person wants, what \
was found out, what was decided and why, which files were changed and how, what was tried without success, and \
what is left to do, in order. Name files, functions, commands and values exactly. Write only the summary.";

impl Driver {
    /// Whether the next request would come near the end of what the model can read, or is known to go beyond.
    pub(crate) fn is_nearly_full(&self, turn: &Turn) -> bool {
        if self.overflowed {
            return true;
        }
        let window = catalog::find(&turn.settings.model).map(|model| model.context_window * 9 / 10);
        turn.settings.compact_at.or(window).is_some_and(|limit| self.past.context_tokens >= limit)
    }

    /// The backend has refused the conversation as too long: it is summed up before the next request. The usage says
    /// so, too, and with it the log, for whoever goes on with it.
    pub(crate) fn overflow(&mut self, turn: &Turn) {
        self.overflowed = true;
        if let Some(model) = catalog::find(&turn.settings.model) {
            let window = model.usable_context();
            self.past.usage.last = TokenUsage { total: window, ..TokenUsage::default() };
            self.past.usage.context_window = Some(window);
            turn.emit(Event::Usage(&self.past.usage));
        }
    }

    /// Sums up, and puts the summary in the place of the history; on failure the history is as it was. `said` waits
    /// for that and comes behind it, like what is said meanwhile.
    pub(crate) async fn compact(
        &mut self,
        turn: &Turn,
        mut said: Vec<Said>,
        mailbox: &mut Mailbox,
    ) -> Result<(), Ended> {
        if let Err(failure) = self.services.journal.check() {
            self.say_all(turn, said).await;
            return Err(Ended::Failed(failure));
        }
        let item = Item::started(Uuid::now_v7().to_string(), ItemKind::Compaction);
        turn.emit(Event::ItemStarted(&item));
        let mut progress = Progress::default();
        let summarised = {
            let summary = summary(&self.services.http, turn, self.past.history.clone(), &mut progress);
            tokio::pin!(summary);
            loop {
                tokio::select! {
                    biased;
                    control = mailbox.control(turn) => match control {
                        Control::Ended(ended) => break Err(ended),
                        Control::Said(more, accepted) => {
                            accepted(&turn.id);
                            said.push(more);
                        }
                    },
                    summary = &mut summary => break summary.map_err(Ended::Failed),
                }
            }
        };
        let (summary, usage) = match summarised {
            Ok(summarised) => summarised,
            Err(ended) => {
                turn.emit_limits(&mut progress);
                turn.emit(Event::ItemCompleted(&item.completed()));
                self.say_all(turn, said).await;
                return Err(ended);
            }
        };
        let kept = self.past.history.said(KEPT_BYTES);
        self.past.history.clear();
        prompt::opening(&turn.settings).await.into_iter().for_each(|message| self.past.history.push_message(message));
        kept.into_iter().for_each(|message| self.past.history.push_said(message));
        self.past.history.push_message(prompt::message("user", &format!("{}\n\n{summary}", prompt::SUMMED_UP)));
        if let Some(usage) = usage {
            self.use_up(turn, usage);
        }
        turn.emit_limits(&mut progress);
        self.past.context_tokens = 0;
        self.overflowed = false;
        self.services.journal.replace(&summary, self.past.history.keep());
        turn.emit(Event::ItemCompleted(&item.completed()));
        self.say_all(turn, said).await;
        Ok(())
    }
}

/// Asks the model for a summary, of a history that may be made shorter to fit.
async fn summary(
    http: &HttpClient,
    turn: &Turn,
    mut history: History,
    progress: &mut Progress,
) -> Result<(String, Option<TokenUsage>), Failure> {
    // The summary is not shown as a message.
    let quiet = turn.quietly();
    // Of this nothing stays, so it has no id.
    history.push_value(&prompt::message("user", REQUEST));
    let ids = RequestIds { thread_id: &turn.thread_id, turn_id: &turn.id };
    let mut shortened = 0;
    while shortened < SHORTENINGS {
        let body = request::body(&turn.settings, ids, &history, &[], RequestKind::Compaction)?;
        let again = progress.again.take();
        *progress = Progress::default();
        progress.again = again;
        match quiet.respond(http, &body, progress).await {
            Ok(response) => {
                let message = progress.last_message.as_ref().and_then(Item::agent_message);
                let text = message.map(|message| message.text.clone()).unwrap_or_default();
                if text.trim().is_empty() {
                    return Err(Failure::new(FailureClass::Other, "the model gave no summary"));
                }
                return Ok((text, response.usage));
            }
            Err(failure) if *failure.class() == FailureClass::ContextWindowExceeded => {
                history.shorten();
                shortened += 1;
            }
            Err(_filtered) if progress.again.is_some() => history.push_message(prompt::filtered_note()),
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::new(FailureClass::ContextWindowExceeded, "the conversation is too long even to be summed up"))
}
