//! A thread's events on their way to clients: each becomes the notifications of the protocol, in its order,
//! and what is to be remembered goes into the record.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;
use valet_agent::{Event, EventSink, Item, TurnOutcome, TurnSummary, Waiting};
use valet_exec::OutputBudget;
use valet_protocol::methods as m;
use valet_protocol::v2;

use super::Shared;
use crate::connection::{Audience, Connections};
use crate::convert;
use crate::metrics::Metrics;
use crate::notification::Piece;

/// The listener of one conversation.
pub(super) struct ThreadSink {
    pub(super) thread_id: String,
    pub(super) shared: Arc<Shared>,
    pub(super) connections: Arc<Connections>,
    /// Who is told how the thread stands.
    pub(super) audience: Audience,
    pub(super) strict: bool,
    pub(super) metrics: Metrics,
    /// What the turn waits for.
    pub(super) waiting: Mutex<Vec<Waiting>>,
}

impl ThreadSink {
    fn thread_id(&self) -> String {
        self.thread_id.clone()
    }

    fn piece<'a>(&'a self, turn_id: &'a str) -> Piece<'a> {
        Piece { thread_id: &self.thread_id, turn_id, ..Piece::default() }
    }

    fn set_status(&self, status: v2::ThreadStatus) {
        self.shared.record().thread.status = status.clone();
        let params = v2::ThreadStatusChangedNotification { thread_id: self.thread_id(), status };
        self.connections.tell::<m::ThreadStatusChanged>(self.audience, &params);
    }

    /// Something that the turn waits for has begun, or is over.
    fn waiting(&self, on: Waiting, begins: bool) {
        let active_flags = {
            // Nothing under this lock can panic half-way.
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if begins {
                waiting.push(on);
            } else if let Some(position) = waiting.iter().position(|one| *one == on) {
                waiting.swap_remove(position);
            }
            let flag = |on, flag| waiting.contains(&on).then_some(flag);
            let approval = flag(Waiting::Approval, v2::ThreadActiveFlag::WaitingOnApproval);
            let input = flag(Waiting::UserInput, v2::ThreadActiveFlag::WaitingOnUserInput);
            approval.into_iter().chain(input).collect()
        };
        self.set_status(v2::ThreadStatus::Active { active_flags });
    }

    fn turn_started(&self, turn_id: &str, started_at: i64) {
        self.shared.turn_began();
        self.set_status(v2::ThreadStatus::Active { active_flags: Vec::new() });
        let turn = v2::Turn { started_at: Some(started_at), ..convert::new_turn(turn_id) };
        {
            let mut record = self.shared.record();
            record.thread.updated_at = started_at;
            record.thread.recency_at = Some(started_at);
            record.turns.push(v2::Turn { items_view: v2::TurnItemsView::Full, ..turn.clone() });
        }
        self.shared.notify::<m::TurnStarted>(&v2::TurnStartedNotification { thread_id: self.thread_id(), turn });
    }

    fn item_completed(&self, turn_id: &str, item: &Item) {
        let item = convert::item(item);
        {
            let mut record = self.shared.record();
            if record.thread.preview.is_empty()
                && let Some(preview) = convert::preview(&item)
            {
                record.thread.preview = preview;
            }
            if let Some(turn) = record.turns.last_mut() {
                turn.items.push(remembered(item.clone()));
            }
        }
        let completed_at_ms = item.completed_at_ms.unwrap_or_default();
        self.shared.notify::<m::ItemCompleted>(&v2::ItemCompletedNotification {
            item,
            thread_id: self.thread_id(),
            turn_id: turn_id.to_owned(),
            content_token_count: None,
            completed_at_ms,
        });
    }

    fn turn_ended(&self, turn_id: &str, summary: &TurnSummary<'_>) {
        self.metrics.turn(&summary.outcome);
        let (status, error) = match summary.outcome {
            TurnOutcome::Completed => (v2::TurnStatus::Completed, None),
            TurnOutcome::Interrupted => (v2::TurnStatus::Interrupted, None),
            TurnOutcome::Failed(failure) => (v2::TurnStatus::Failed, Some(convert::turn_error(failure, self.strict))),
        };
        let last = summary.last_message.map(convert::item);
        let items_view = if last.is_some() { v2::TurnItemsView::Summary } else { v2::TurnItemsView::NotLoaded };
        let turn = v2::Turn {
            items: last.into_iter().collect(),
            items_view,
            status: status.clone(),
            error: error.clone(),
            started_at: Some(summary.started_at),
            completed_at: Some(summary.completed_at),
            duration_ms: Some(summary.duration_ms),
            ..convert::new_turn(turn_id)
        };
        self.remember(&turn, summary.completed_at);
        match error {
            Some(error) => {
                self.set_status(v2::ThreadStatus::SystemError {});
                self.error(turn_id, error, false);
                self.mark_unread(turn_id);
            }
            None if status == v2::TurnStatus::Completed => {
                self.mark_unread(turn_id);
                self.set_status(v2::ThreadStatus::Idle {});
            }
            None => self.set_status(v2::ThreadStatus::Idle {}),
        }
        self.shared.notify::<m::TurnCompleted>(&v2::TurnCompletedNotification { thread_id: self.thread_id(), turn });
        self.shared.resolve_given_up(&self.thread_id);
        self.shared.turn_ended();
        // What was given up in between.
        self.shared.resolve_given_up(&self.thread_id);
    }

    /// Puts the outcome of a turn onto the turn that is kept with all its items.
    fn remember(&self, ended: &v2::Turn, now: i64) {
        let mut record = self.shared.record();
        record.thread.updated_at = now;
        if let Some(turn) = record.turns.last_mut() {
            let items = std::mem::take(&mut turn.items);
            *turn = v2::Turn { items, items_view: v2::TurnItemsView::Full, ..ended.clone() };
        }
    }

    /// The first unread turn stays the first unread one; only the revision is new.
    fn mark_unread(&self, turn_id: &str) {
        let read_state = {
            let mut record = self.shared.record();
            let known = record.read_state.take().and_then(|state| state.first_unread);
            let first = known.unwrap_or_else(|| v2::ThreadUnreadPosition::Turn { turn_id: turn_id.to_owned() });
            let state = v2::ThreadReadState { first_unread: Some(first), revision: Uuid::now_v7().to_string() };
            record.read_state = Some(state.clone());
            state
        };
        let params = v2::ThreadReadStateChangedNotification { thread_id: self.thread_id(), read_state };
        self.shared.notify::<m::ThreadReadStateChanged>(&params);
    }

    fn error(&self, turn_id: &str, error: v2::TurnError, will_retry: bool) {
        self.shared.notify::<m::Error>(&v2::ErrorNotification {
            error,
            will_retry,
            thread_id: self.thread_id(),
            turn_id: turn_id.to_owned(),
        });
    }
}

impl EventSink for ThreadSink {
    fn emit(&self, turn_id: &str, event: Event<'_>) {
        let thread_id = || self.thread_id();
        let turn_id_owned = || turn_id.to_owned();
        match event {
            Event::TurnStarted { started_at } => self.turn_started(turn_id, started_at),
            Event::ItemStarted(item) => self.shared.notify::<m::ItemStarted>(&v2::ItemStartedNotification {
                item: convert::item(item),
                thread_id: thread_id(),
                turn_id: turn_id_owned(),
                started_at_ms: item.started_at_ms,
            }),
            Event::ItemCompleted(item) => self.item_completed(turn_id, item),
            Event::TextDelta { item_id, delta } => {
                self.shared.notify_piece::<m::AgentMessageDelta>(&Piece { item_id, delta, ..self.piece(turn_id) });
            }
            Event::SummaryPartAdded { item_id, index } => {
                self.shared.notify::<m::ReasoningSummaryPartAdded>(&v2::ReasoningSummaryPartAddedNotification {
                    thread_id: thread_id(),
                    turn_id: turn_id_owned(),
                    item_id: item_id.to_owned(),
                    summary_index: index,
                });
            }
            Event::SummaryDelta { item_id, index, delta } => {
                let piece = Piece { item_id, summary_index: Some(index), delta, ..self.piece(turn_id) };
                self.shared.notify_piece::<m::ReasoningSummaryTextDelta>(&piece);
            }
            Event::ReasoningDelta { item_id, index, delta } => {
                let piece = Piece { item_id, content_index: Some(index), delta, ..self.piece(turn_id) };
                self.shared.notify_piece::<m::ReasoningTextDelta>(&piece);
            }
            Event::OutputDelta { item_id, delta } => {
                let piece = Piece { item_id, delta, ..self.piece(turn_id) };
                self.shared.notify_piece::<m::CommandExecutionOutputDelta>(&piece);
            }
            Event::TerminalInput { item_id, process_id, text } => {
                self.shared.notify::<m::TerminalInteraction>(&v2::TerminalInteractionNotification {
                    thread_id: thread_id(),
                    turn_id: turn_id_owned(),
                    item_id: item_id.to_owned(),
                    process_id: process_id.to_owned(),
                    stdin: text.to_owned(),
                });
            }
            Event::Plan { explanation, steps } => {
                self.shared.notify::<m::TurnPlanUpdated>(&v2::TurnPlanUpdatedNotification {
                    thread_id: thread_id(),
                    turn_id: turn_id_owned(),
                    explanation: explanation.map(str::to_owned),
                    plan: steps.iter().map(convert::plan_step).collect(),
                });
            }
            Event::Diff(diff) => self.shared.notify::<m::TurnDiffUpdated>(&v2::TurnDiffUpdatedNotification {
                thread_id: thread_id(),
                turn_id: turn_id_owned(),
                diff: diff.to_owned(),
            }),
            Event::Waiting { on, begins } => self.waiting(on, begins),
            Event::Usage(usage) => {
                self.shared.notify::<m::ThreadTokenUsageUpdated>(&v2::ThreadTokenUsageUpdatedNotification {
                    thread_id: thread_id(),
                    turn_id: turn_id_owned(),
                    token_usage: convert::usage(usage),
                });
            }
            Event::RateLimits(limits) => {
                let rate_limits = convert::rate_limits(limits);
                let params = v2::AccountRateLimitsUpdatedNotification { rate_limits };
                self.shared.notify::<m::AccountRateLimitsUpdated>(&params);
            }
            Event::Retrying { failure, attempt, of } => {
                self.error(turn_id, convert::retrying(failure, attempt, of), true);
            }
            Event::BackendAnswered { latency } => self.metrics.upstream(latency),
            Event::Rerouted { from, to } => {
                self.shared.notify::<m::ModelRerouted>(&v2::ModelReroutedNotification {
                    thread_id: thread_id(),
                    turn_id: turn_id_owned(),
                    from_model: from.to_owned(),
                    to_model: to.to_owned(),
                    // The one reason that the backend has for it.
                    reason: v2::ModelRerouteReason::HighRiskCyberActivity,
                });
            }
            Event::TurnEnded(summary) => self.turn_ended(turn_id, &summary),
        }
    }
}

/// How much of what a command printed is kept in memory.
const REMEMBERED_BYTES: usize = 64 * 1024;

/// The item as it is kept: clients were told the whole, and a host lives long.
fn remembered(mut item: v2::ThreadItem) -> v2::ThreadItem {
    if let v2::ThreadItemDetails::CommandExecution { aggregated_output: Some(output), .. } = &mut item.details
        && output.len() > REMEMBERED_BYTES
    {
        let mut budget = OutputBudget::bytes(REMEMBERED_BYTES);
        budget.push(output.as_bytes());
        *output = budget.finish().text;
    }
    item
}
