//! The one task that owns a conversation: its history, what it has used, and the turn that runs.
//!
//! Invariants. Each accepted turn is told to have ended exactly once, and nothing is told of it after that.
//! Only whole responses enter the history, and of a cut one the messages that were shown as whole. A response that
//! holds a tool call never ends a turn, whatever else it holds. Nothing that a turn started outlives it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use chrono::Utc;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::conversation::{Accepted, ControlError, Message, Reply, Said, Services, Terms};
use crate::event::{Event, TurnOutcome, TurnSummary};
use crate::failure::{Failure, FailureClass};
use crate::item::{Item, ItemKind, UserMessage};
use crate::journal::{Context, Payer};
use crate::mailbox::{Control, Mailbox};
use crate::model::catalog;
use crate::model::request::{self, RequestKind};
use crate::past::Past;
use crate::prompt::{self, Scene};
use crate::response::Progress;
use crate::tool_call::ToolCall;
use crate::tools::{Called, Output, Tools};
use crate::turn::{Turn, TurnKind};
use crate::usage::{TokenUsage, Usage};

/// Owns a conversation.
pub(crate) struct Driver {
    thread_id: Arc<str>,
    pub(crate) services: Services,
    /// The conversation so far.
    pub(crate) past: Past,
    /// Whether the backend has refused the conversation as too long since it was last summed up.
    pub(crate) overflowed: bool,
    pub(crate) tools: Tools,
}

/// How the work on a turn ended.
pub(crate) enum Ended {
    Completed,
    Interrupted(Option<Reply>),
    Failed(Failure),
}

impl Driver {
    pub(crate) fn new(thread_id: String, services: Services, ending: CancellationToken) -> Self {
        let tools = Tools::new(Arc::clone(&services.client), Arc::clone(&services.launcher), ending);
        Self { thread_id: thread_id.into(), services, past: Past::default(), overflowed: false, tools }
    }

    pub(crate) async fn run(mut self, past: impl Future<Output = Past>, mut mailbox: Mailbox) {
        self.take_up(past.await.mend());
        while let Some(message) = mailbox.next().await {
            match message {
                Message::Turn(request) => {
                    let turn = self.begin(request.terms, request.accepted, TurnKind::Regular).await;
                    let mut progress = Progress::default();
                    let ended = match self.open(&turn, request.said, &mut mailbox).await {
                        Ok(()) => self.work(&turn, &mut progress, &mut mailbox).await,
                        Err(ended) => ended,
                    };
                    self.end(&turn, &progress, ended).await;
                }
                Message::Shell(request) => {
                    let turn = self.begin(request.terms, request.accepted, TurnKind::Shell).await;
                    let ended = self.shell(&turn, request.command, request.timeout, &mut mailbox).await;
                    self.end(&turn, &Progress::default(), ended).await;
                }
                Message::Compact { terms, accepted } => {
                    let turn = self.begin(*terms, accepted, TurnKind::Compaction).await;
                    let ended = self.compact(&turn, Vec::new(), &mut mailbox).await.err().unwrap_or(Ended::Completed);
                    self.end(&turn, &Progress::default(), ended).await;
                }
                Message::Inject { items, done } => {
                    self.past.history.extend(items);
                    // Before the first turn they wait for what comes before them.
                    if self.past.history.is_kept() {
                        self.keep();
                    }
                    done();
                }
                Message::TakeUp { past } => {
                    if let Some(past) = past.await {
                        self.take_up(past.mend());
                    }
                }
                Message::Look { runs } => {
                    // Whoever asked may have gone.
                    let _ = runs.send(false);
                }
                Message::Steer { reply, .. } => reply(Err(ControlError::NothingToSteer)),
                Message::Interrupt { reply, .. } => reply(Err(ControlError::NothingToInterrupt)),
            }
        }
    }

    async fn begin(&mut self, terms: Terms, accepted: Accepted, kind: TurnKind) -> Turn {
        let turn = Turn {
            id: Uuid::now_v7().to_string(),
            kind,
            thread_id: Arc::clone(&self.thread_id),
            settings: terms.settings,
            origin: terms.origin,
            account: terms.account,
            models: self.services.models.clone(),
            sink: Arc::clone(&self.services.sink),
            started_at_ms: Utc::now().timestamp_millis(),
            quiet: false,
        };
        accepted(&turn.id);
        tracing::info!(thread = &*turn.thread_id, turn = turn.id, model = turn.settings.model, "a turn has begun");
        turn.emit(Event::TurnStarted { started_at: turn.started_at_ms / 1000 });
        if let Some(payer) = Payer::of(&turn.settings.provider, turn.account.as_deref())
            && self.past.payer.replace(payer.clone()).is_some_and(|before| before != payer)
        {
            self.past.history.change_payer();
        }
        self.set_scene(&turn).await;
        turn
    }

    /// Goes on from where another process was.
    fn take_up(&mut self, past: Past) {
        self.past = past;
        self.overflowed = false;
    }

    /// Gives to the journal what was added to the history.
    pub(crate) fn keep(&mut self) {
        let fresh = self.past.history.keep();
        if !fresh.is_empty() {
            self.services.journal.remember(fresh);
        }
    }

    /// Enters what a person said into the history, and shows it. Nothing is shown of somebody who said nothing.
    pub(crate) async fn say(&mut self, turn: &Turn, said: Said) {
        if said.input.is_empty() {
            return;
        }
        let mut content = Vec::with_capacity(said.input.len());
        for part in &said.input {
            content.push(part.content().await);
        }
        self.past.history.push_message(json!({ "type": "message", "role": "user", "content": content }));
        self.past.history.last_was_said();
        self.keep();
        let kind = ItemKind::UserMessage(UserMessage { client_id: said.client_id, content: said.input });
        let item = Item::started(Uuid::now_v7().to_string(), kind);
        turn.emit(Event::ItemStarted(&item));
        turn.emit(Event::ItemCompleted(&item.completed()));
    }

    /// The same for what was taken while something else had to be finished. It is said however the turn goes on.
    pub(crate) async fn say_all(&mut self, turn: &Turn, said: Vec<Said>) {
        for said in said {
            self.say(turn, said).await;
        }
    }

    /// Tells the model where it works, at the beginning and when that has changed.
    async fn set_scene(&mut self, turn: &Turn) {
        let now = Scene::of(&turn.settings);
        let base = prompt::base_instructions(turn.settings.base_instructions.as_deref());
        self.past.history.set_preface(&self.thread_id, prompt::message("developer", base));
        match &self.past.scene {
            Some(told) => {
                prompt::changes(told, &now).into_iter().for_each(|message| self.past.history.push_message(message));
            }
            // What was injected before comes after it.
            None => self.past.history.open_with(prompt::opening(&turn.settings).await),
        }
        self.past.scene = Some(now);
        let context = Context { scene: self.past.scene.clone(), payer: self.past.payer.clone() };
        self.services.journal.set_context(&turn.id, &context);
        self.keep();
    }

    /// Enters what a turn begins with. A conversation that is full is summed up before, so that nothing of this is.
    async fn open(&mut self, turn: &Turn, said: Said, mailbox: &mut Mailbox) -> Result<(), Ended> {
        if self.is_nearly_full(turn) {
            return self.compact(turn, vec![said], mailbox).await;
        }
        self.say(turn, said).await;
        Ok(())
    }

    async fn work(&mut self, turn: &Turn, progress: &mut Progress, mailbox: &mut Mailbox) -> Ended {
        loop {
            if self.is_nearly_full(turn)
                && let Err(ended) = self.compact(turn, Vec::new(), mailbox).await
            {
                return ended;
            }
            let body = match self.services.journal.check().and_then(|()| self.body(turn)) {
                Ok(body) => body,
                Err(failure) => return Ended::Failed(failure),
            };
            let step = tokio::select! {
                biased;
                control = mailbox.control(turn) => Err(control),
                response = turn.respond(&self.services.http, &body, progress) => Ok(response),
            };
            match step {
                Ok(Ok(response)) => {
                    progress.shown.clear();
                    let more = !response.calls.is_empty() || response.end_turn == Some(false);
                    self.past.history.extend(response.items);
                    // Before anything is done: who takes this up must know of it.
                    self.keep();
                    let ended = self.run_tools(turn, &response.calls, mailbox).await;
                    match response.usage {
                        Some(last) => self.use_up(turn, last),
                        // As much as before, as far as anybody knows.
                        None if self.past.usage != Usage::default() => turn.emit(Event::Usage(&self.past.usage)),
                        None => {}
                    }
                    turn.emit_limits(progress);
                    match ended {
                        Some(ended) => return ended,
                        None if !more => return Ended::Completed,
                        None => {}
                    }
                }
                Ok(Err(failure)) => {
                    self.past.history.extend(progress.shown.drain(..));
                    match failure.class() {
                        // Whoever is at a limit wants to know what was used.
                        FailureClass::UsageLimitExceeded if self.past.usage != Usage::default() => {
                            turn.emit(Event::Usage(&self.past.usage));
                        }
                        FailureClass::ContextWindowExceeded => self.overflow(turn),
                        FailureClass::ContentFiltered => self.past.history.push_message(prompt::filtered_note()),
                        _ => {}
                    }
                    turn.emit_limits(progress);
                    if progress.again.is_none() {
                        return Ended::Failed(failure);
                    }
                }
                Err(Control::Said(said, accepted)) => {
                    accepted(&turn.id);
                    turn.emit_limits(progress);
                    self.past.history.extend(progress.shown.drain(..));
                    self.say(turn, said).await;
                }
                Err(Control::Ended(ended)) => {
                    turn.emit_limits(progress);
                    self.past.history.extend(progress.shown.drain(..));
                    return ended;
                }
            }
        }
    }

    fn body(&self, turn: &Turn) -> Result<Bytes, Failure> {
        let ids = request::RequestIds { thread_id: &turn.thread_id, turn_id: &turn.id };
        let tools = Tools::definitions(&turn.settings);
        request::body(&turn.settings, ids, &self.past.history, &tools, RequestKind::Turn)
    }

    pub(crate) fn use_up(&mut self, turn: &Turn, last: TokenUsage) {
        let window = catalog::find(&turn.settings.model).map(catalog::ModelInfo::usable_context);
        self.past.context_tokens = last.total;
        self.past.usage.add(last, window);
        turn.emit(Event::Usage(&self.past.usage));
    }

    /// Carries out the calls of a response. Each gets an answer in the history, whatever happens: the backend
    /// refuses a history with an open call. What is said meanwhile waits for the answers.
    async fn run_tools(&mut self, turn: &Turn, calls: &[ToolCall], mailbox: &mut Mailbox) -> Option<Ended> {
        if calls.is_empty() {
            return None;
        }
        let began = Instant::now();
        let mut results: Vec<Option<Called>> = calls.iter().map(|_| None).collect();
        let mut said = Vec::new();
        let stopped = {
            let running = self.tools.run(turn, calls, &mut results);
            tokio::pin!(running);
            loop {
                tokio::select! {
                    biased;
                    control = mailbox.control(turn) => match control {
                        Control::Said(more, accepted) => {
                            accepted(&turn.id);
                            said.push(more);
                        }
                        Control::Ended(ended) => break Some(ended),
                    },
                    () = &mut running => break None,
                }
            }
        };
        let mut stop = false;
        for (call, result) in calls.iter().zip(results) {
            let output = match result {
                Some(Called::Output(output)) => output,
                called => {
                    stop |= called.is_some();
                    Output::Text(format!("Wall time: {:.1} seconds\naborted by user", began.elapsed().as_secs_f64()))
                }
            };
            self.past.history.push_value(&call.answer(&output));
        }
        self.keep();
        self.say_all(turn, said).await;
        stopped.or(stop.then_some(Ended::Interrupted(None)))
    }

    async fn end(&mut self, turn: &Turn, progress: &Progress, mut ended: Ended) {
        self.tools.end_turn(turn).await;
        if matches!(ended, Ended::Interrupted(_)) {
            self.past.history.push_message(prompt::interrupted_note());
        }
        self.keep();
        if matches!(ended, Ended::Completed)
            && let Err(failure) = self.services.journal.check()
        {
            ended = Ended::Failed(failure);
        }
        let (outcome, reply) = match &mut ended {
            Ended::Completed => (TurnOutcome::Completed, None),
            Ended::Failed(failure) => (TurnOutcome::Failed(failure), None),
            Ended::Interrupted(reply) => (TurnOutcome::Interrupted, reply.take()),
        };
        let completed_at_ms = Utc::now().timestamp_millis();
        let summary = TurnSummary {
            outcome,
            last_message: progress.last_message.as_ref(),
            started_at: turn.started_at_ms / 1000,
            completed_at: completed_at_ms / 1000,
            duration_ms: (completed_at_ms - turn.started_at_ms).max(0),
        };
        if let Some(reply) = reply {
            reply(Ok(()));
        }
        let (thread, ms) = (&*turn.thread_id, summary.duration_ms);
        match summary.outcome {
            TurnOutcome::Completed => tracing::info!(thread, turn = turn.id, ms, "a turn is complete"),
            TurnOutcome::Interrupted => tracing::info!(thread, turn = turn.id, ms, "a turn was interrupted"),
            TurnOutcome::Failed(why) => tracing::info!(thread, turn = turn.id, ms, %why, "a turn has failed"),
        }
        turn.emit(Event::TurnEnded(summary));
    }
}
