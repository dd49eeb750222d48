//! A thread's events on their way to clients: each becomes the notifications of the protocol, in its order,
//! and what is to be remembered goes into the log before anybody is told of it.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;
use valet_agent::{
    Credits, Event, EventSink, Failure, Item, ModelInfo, RateLimits, TurnOutcome, TurnSummary, Usage, Waiting,
};
use valet_auth::Account;
use valet_protocol::methods as m;
use valet_protocol::{ServerNotificationMethod, v2};

use super::{Stage, ThreadState};
use crate::account::Meters;
use crate::convert;
use crate::host::HostState;
use crate::metrics::Metrics;
use crate::notification::Piece;
use crate::rollout::Happened;

/// The listener of one conversation.
pub(super) struct ThreadSink {
    shared: Arc<ThreadState>,
    strict: bool,
    metrics: Metrics,
    meters: Arc<Meters>,
    /// What the turn waits for.
    waiting: Mutex<Vec<Waiting>>,
    /// The paid credits that were told last.
    credits: Mutex<Option<Credits>>,
}

impl ThreadSink {
    pub(super) fn new(shared: &Arc<ThreadState>, host: &HostState) -> Self {
        Self {
            shared: Arc::clone(shared),
            strict: host.config.strict(),
            metrics: host.metrics.clone(),
            meters: Arc::clone(host.accounts.meters()),
            waiting: Mutex::default(),
            credits: Mutex::default(),
        }
    }

    fn thread_id(&self) -> String {
        self.shared.id.clone()
    }

    fn piece<'a>(&'a self, turn_id: &'a str) -> Piece<'a> {
        Piece { thread_id: &self.shared.id, turn_id, ..Piece::default() }
    }

    fn tell_piece<N: ServerNotificationMethod>(&self, piece: &Piece<'_>) {
        self.shared.stage().notify_piece::<N>(piece);
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
            convert::active_flags(&waiting)
        };
        self.shared.set_status(v2::ThreadStatus::Active { active_flags });
    }

    fn turn_started(&self, turn_id: &str, started_at: i64) {
        self.shared.turn_began();
        self.shared.set_status(v2::ThreadStatus::Active { active_flags: Vec::new() });
        let turn = v2::Turn { started_at: Some(started_at), ..convert::new_turn(turn_id) };
        let mut stage = self.shared.stage();
        let thread = &mut stage.record.thread;
        // The clock may have gone back.
        thread.updated_at = started_at.max(thread.updated_at);
        thread.recency_at = Some(started_at);
        stage.log.turn_begins();
        let settings = &stage.record.settings;
        let line = Happened::TaskStarted {
            turn_id,
            root_turn_id: turn_id,
            started_at,
            model_context_window: valet_agent::catalog::find(&settings.model).map(ModelInfo::usable_context),
            collaboration_mode_kind: settings.mode,
        };
        let line = line.line();
        stage.log.append(line);
        stage.running = Some(turn_id.to_owned());
        stage.notify::<m::TurnStarted>(&v2::TurnStartedNotification { thread_id: self.thread_id(), turn });
    }

    fn item_started(&self, turn_id: &str, item: &Item) {
        let started_at_ms = item.started_at_ms;
        let mut stage = self.shared.stage();
        let item = stage.item_began(item);
        let (thread_id, turn_id) = (self.thread_id(), turn_id.to_owned());
        stage.notify::<m::ItemStarted>(&v2::ItemStartedNotification { item, thread_id, turn_id, started_at_ms });
    }

    /// An item is told to be whole when it is stored, and else is not: its turn fails, also if it is stored later.
    fn item_completed(&self, turn_id: &str, item: &Item) {
        let item = convert::item(item);
        let mut stage = self.shared.stage();
        if stage.record.thread.preview.is_empty()
            && let Some(preview) = convert::preview(&item)
        {
            stage.record.thread.preview = preview;
        }
        if !stage.log.append(Happened::item(&self.shared.id, turn_id, &item).line()) {
            return;
        }
        stage.open.end(item.id().unwrap_or_default());
        let completed_at_ms = item.completed_at_ms.unwrap_or_default();
        stage.notify::<m::ItemCompleted>(&v2::ItemCompletedNotification {
            item,
            thread_id: self.thread_id(),
            turn_id: turn_id.to_owned(),
            content_token_count: None,
            completed_at_ms,
        });
    }

    fn usage(&self, turn_id: &str, usage: &Usage) {
        let token_usage = convert::usage(usage);
        let mut stage = self.shared.stage();
        stage.log.append(Happened::usage(&token_usage).line());
        stage.record.token_usage = Some((turn_id.to_owned(), token_usage.clone()));
        let (thread_id, turn_id) = (self.thread_id(), turn_id.to_owned());
        stage.notify::<m::ThreadTokenUsageUpdated>(&v2::ThreadTokenUsageUpdatedNotification {
            thread_id,
            turn_id,
            token_usage,
        });
    }

    /// In strict mode one limit is told, with the credits that were told last.
    fn rate_limits(&self, limits: &[RateLimits], account: Option<&Arc<Account>>) {
        let tell = |rate_limits, valet| {
            let params = v2::AccountRateLimitsUpdatedNotification { rate_limits, valet };
            self.shared.notify::<m::AccountRateLimitsUpdated>(&params);
        };
        if self.strict {
            // Nothing under this lock can panic half-way.
            let mut credits = self.credits.lock().unwrap_or_else(PoisonError::into_inner);
            for limit in limits.iter().filter(|limit| limit.credits.is_some()) {
                credits.clone_from(&limit.credits);
            }
            let told = limits.last().map(|limit| RateLimits { credits: credits.clone(), ..limit.clone() });
            return told.iter().for_each(|limit| tell(convert::rate_limits(limit), None));
        }
        for limit in limits.iter().map(convert::rate_limits) {
            let Some(account) = account else {
                tell(limit, None);
                continue;
            };
            let account_id = account.snapshot().identity.as_ref().map(|identity| identity.account_id.clone());
            tell(self.meters.add(account, limit), Some(v2::ValetRateLimitsInfo { account_id }));
        }
    }

    fn turn_ended(&self, turn_id: &str, summary: &TurnSummary<'_>) {
        self.metrics.turn(&summary.outcome);
        let (status, mut error) = convert::outcome(&summary.outcome, self.strict);
        if let (Some(error), Some(remedy)) = (&mut error, self.remedy(&summary.outcome)) {
            error.message = format!("{}; {remedy}", error.message);
        }
        // A turn that failed shows none of its items here.
        let last = summary.last_message.filter(|_| error.is_none()).map(convert::item);
        let items_view = if last.is_some() { v2::TurnItemsView::Summary } else { v2::TurnItemsView::NotLoaded };
        let turn = v2::Turn {
            items: last.into_iter().collect(),
            items_view,
            status,
            error,
            started_at: Some(summary.started_at),
            completed_at: Some(summary.completed_at),
            duration_ms: Some(summary.duration_ms),
            ..convert::new_turn(turn_id)
        };
        self.tell_end(&mut self.shared.stage(), turn, summary.last_message.is_some());
        self.shared.resolve_given_up();
        self.shared.turn_ended();
        // What was given up in between.
        self.shared.resolve_given_up();
    }

    /// Stores and tells how a turn ended, in one moment.
    fn tell_end(&self, stage: &mut Stage, turn: v2::Turn, has_message: bool) {
        let turn = self.store_end(stage, turn);
        // There is something to read.
        let answered = turn.status == v2::TurnStatus::Completed && has_message;
        match turn.error.clone() {
            Some(error) => {
                self.shared.set_status_of(stage, v2::ThreadStatus::SystemError {});
                stage.notify::<m::Error>(&self.error(&turn.id, error, false));
                self.mark_unread(stage, &turn.id);
            }
            None if answered => {
                self.mark_unread(stage, &turn.id);
                self.shared.set_status_of(stage, v2::ThreadStatus::Idle {});
            }
            None => self.shared.set_status_of(stage, v2::ThreadStatus::Idle {}),
        }
        stage.notify::<m::TurnCompleted>(&v2::TurnCompletedNotification { thread_id: self.thread_id(), turn });
    }

    /// What mends the failure of a turn, if that is known. The reference does not say.
    fn remedy(&self, outcome: &TurnOutcome<'_>) -> Option<String> {
        let TurnOutcome::Failed(failure) = outcome else { return None };
        let record = &self.shared.stage().record;
        if self.strict { None } else { record.config.remedy(&record.settings.provider_id, failure.class()) }
    }

    /// Stores how a turn ended. A turn whose end cannot be stored has failed.
    fn store_end(&self, stage: &mut Stage, mut turn: v2::Turn) -> v2::Turn {
        stage.open.clear();
        stage.running = None;
        let thread = &mut stage.record.thread;
        thread.updated_at = turn.completed_at.unwrap_or_default().max(thread.updated_at);
        // What came of it is told and stored alike; nobody heard of what could not be stored when it happened.
        if turn.error.is_none() && stage.log.failure().is_none() {
            if stage.log.append(Happened::turn_ended(&turn).line()) {
                stage.log.sync();
                return turn;
            }
            stage.log.take_back();
        }
        if turn.error.is_none() {
            let failure = Failure::not_kept(stage.log.turn_failure().unwrap_or_default());
            turn.status = v2::TurnStatus::Failed;
            turn.error = Some(convert::turn_error(&failure, self.strict));
        }
        if stage.log.append(Happened::turn_ended(&turn).line()) {
            stage.log.sync();
        }
        turn
    }

    /// The first unread turn stays the first unread one; only the revision is new. A thread that is in memory only
    /// is nowhere unread.
    fn mark_unread(&self, stage: &mut Stage, turn_id: &str) {
        if stage.record.thread.ephemeral {
            return;
        }
        let known = stage.record.read_state.take().and_then(|state| state.first_unread);
        let first = known.unwrap_or_else(|| v2::ThreadUnreadPosition::Turn { turn_id: turn_id.to_owned() });
        let read_state = v2::ThreadReadState { first_unread: Some(first), revision: Uuid::now_v7().to_string() };
        stage.record.read_state = Some(read_state.clone());
        self.shared.read_state_changed();
        let params = v2::ThreadReadStateChangedNotification { thread_id: self.thread_id(), read_state };
        stage.notify::<m::ThreadReadStateChanged>(&params);
    }

    fn error(&self, turn_id: &str, error: v2::TurnError, will_retry: bool) -> v2::ErrorNotification {
        let (thread_id, turn_id) = (self.thread_id(), turn_id.to_owned());
        v2::ErrorNotification { error, will_retry, thread_id, turn_id }
    }
}

impl EventSink for ThreadSink {
    fn emit(&self, turn_id: &str, event: Event<'_>) {
        let thread_id = || self.thread_id();
        let turn_id_owned = || turn_id.to_owned();
        match event {
            Event::TurnStarted { started_at } => self.turn_started(turn_id, started_at),
            Event::ItemStarted(item) => self.item_started(turn_id, item),
            Event::ItemCompleted(item) => self.item_completed(turn_id, item),
            Event::TextDelta { item_id, delta } => {
                self.tell_piece::<m::AgentMessageDelta>(&Piece { item_id, delta, ..self.piece(turn_id) });
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
                self.tell_piece::<m::ReasoningSummaryTextDelta>(&piece);
            }
            Event::ReasoningDelta { item_id, index, delta } => {
                let piece = Piece { item_id, content_index: Some(index), delta, ..self.piece(turn_id) };
                self.tell_piece::<m::ReasoningTextDelta>(&piece);
            }
            Event::OutputDelta { item_id, delta } => {
                let piece = Piece { item_id, delta, ..self.piece(turn_id) };
                self.tell_piece::<m::CommandExecutionOutputDelta>(&piece);
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
            Event::Usage(usage) => self.usage(turn_id, usage),
            Event::RateLimits { limits, account } => self.rate_limits(limits, account),
            Event::Retrying { failure, attempt, of } => {
                let error = self.error(turn_id, convert::retrying(failure, attempt, of), true);
                self.shared.notify::<m::Error>(&error);
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
