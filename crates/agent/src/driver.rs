//! The one task that owns a conversation: its history, what it has used, and the turn that runs.
//!
//! Invariants. Each accepted turn is told to have ended exactly once, and nothing is told of it after that.
//! Only whole responses enter the history. A response that holds a tool call never ends a turn, whatever
//! else it holds.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::conversation::{Command, InterruptError, InterruptReply, Services, TurnRequest};
use crate::event::{Event, TurnOutcome, TurnSummary};
use crate::failure::{Failure, FailureClass};
use crate::history::History;
use crate::input::Input;
use crate::item::{Item, ItemKind, UserMessage, now_ms};
use crate::model::{catalog, request};
use crate::prompt;
use crate::tool::ToolCall;
use crate::turn::{ModelResponse, Progress, Turn};
use crate::usage::Usage;

/// Owns a conversation.
pub(crate) struct Driver {
    thread_id: Arc<str>,
    services: Services,
    history: History,
    usage: Usage,
    tools: Vec<Value>,
}

/// What ends the work on a turn from outside.
enum Cut {
    /// Somebody stopped it.
    Interrupted(Option<InterruptReply>),
    /// Somebody said more: the answer to what was said before is no longer wanted as it is.
    Steered(Box<TurnRequest>),
}

/// How the work on a turn ended.
enum Ended {
    Completed,
    Interrupted(Option<InterruptReply>),
    Failed(Failure),
}

impl Driver {
    pub(crate) fn new(thread_id: String, services: Services) -> Self {
        let tools = services.tools.definitions();
        Self { thread_id: thread_id.into(), services, history: History::default(), usage: Usage::default(), tools }
    }

    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Turn(request) => self.turn(*request, &mut commands).await,
                Command::Interrupt { reply, .. } => reply(Err(InterruptError::Idle)),
            }
        }
    }

    async fn turn(&mut self, request: TurnRequest, commands: &mut mpsc::Receiver<Command>) {
        let turn = Turn {
            id: Uuid::now_v7().to_string(),
            thread_id: Arc::clone(&self.thread_id),
            settings: request.settings,
            origin: request.origin,
            account: request.account,
            sink: Arc::clone(&self.services.sink),
            started_at_ms: now_ms(),
        };
        (request.accepted)(&turn.id);
        turn.emit(Event::TurnStarted { started_at: turn.started_at_ms / 1000 });
        self.say(&turn, request.input, request.client_id).await;
        let mut progress = Progress::default();
        let ended = self.work(&turn, &mut progress, commands).await;
        self.end(&turn, &progress, ended);
    }

    /// Enters what a person said into the history, and shows it.
    async fn say(&mut self, turn: &Turn, input: Vec<Input>, client_id: Option<String>) {
        if self.history.is_empty() {
            prompt::opening(&turn.settings).into_iter().for_each(|message| self.history.push_message(message));
        }
        let mut content = Vec::with_capacity(input.len());
        for part in &input {
            content.push(part.content().await);
        }
        if !content.is_empty() {
            self.history.push_message(json!({ "type": "message", "role": "user", "content": content }));
        }
        let kind = ItemKind::UserMessage(UserMessage { client_id, content: input });
        let item = Item::started(Uuid::now_v7().to_string(), kind);
        turn.emit(Event::ItemStarted(&item));
        turn.emit(Event::ItemCompleted(&item.completed()));
    }

    async fn work(&mut self, turn: &Turn, progress: &mut Progress, commands: &mut mpsc::Receiver<Command>) -> Ended {
        loop {
            let body = match self.body(turn) {
                Ok(body) => body,
                Err(failure) => return Ended::Failed(failure),
            };
            let step = tokio::select! {
                biased;
                cut = cut(turn, commands) => Err(cut),
                response = turn.respond(&self.services.http, &body, progress) => Ok(response),
            };
            match step {
                Ok(Ok(response)) => {
                    let more = !response.calls.is_empty() || response.end_turn == Some(false);
                    let calls = self.commit(turn, progress, response);
                    if !more {
                        return Ended::Completed;
                    }
                    if let Some(ended) = self.run_tools(turn, calls, commands).await {
                        return ended;
                    }
                }
                Ok(Err(failure)) => {
                    // Whoever is at a limit wants to know what was used.
                    if *failure.class() == FailureClass::UsageLimitExceeded && self.usage != Usage::default() {
                        turn.emit(Event::Usage(&self.usage));
                    }
                    turn.emit_limits(progress);
                    return Ended::Failed(failure);
                }
                Err(cut) => {
                    turn.emit_limits(progress);
                    if let Some(ended) = self.cut_short(turn, cut).await {
                        return ended;
                    }
                }
            }
        }
    }

    fn body(&self, turn: &Turn) -> Result<Bytes, Failure> {
        let ids = request::RequestIds { thread_id: &turn.thread_id, turn_id: &turn.id };
        request::body(&turn.settings, ids, self.history.items(), &self.tools)
    }

    /// Enters a whole response into the history, and tells what it cost. Returns the calls in it.
    fn commit(&mut self, turn: &Turn, progress: &mut Progress, response: ModelResponse) -> Vec<ToolCall> {
        self.history.extend(response.items);
        if let Some(last) = response.usage {
            let window = catalog::find(&turn.settings.model).map(catalog::ModelInfo::usable_context);
            self.usage.add(last, window);
            turn.emit(Event::Usage(&self.usage));
        }
        turn.emit_limits(progress);
        response.calls
    }

    /// Carries out the calls of a response, in order. Each gets an answer in the history, whatever happens:
    /// the backend refuses a history with an open call.
    async fn run_tools(
        &mut self,
        turn: &Turn,
        calls: Vec<ToolCall>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Option<Ended> {
        let tools = Arc::clone(&self.services.tools);
        let mut cut_by = None;
        for call in &calls {
            if cut_by.is_some() {
                self.history.push_value(&call.answer("aborted by user"));
                continue;
            }
            tokio::select! {
                biased;
                cut = cut(turn, commands) => {
                    self.history.push_value(&call.answer("aborted by user"));
                    cut_by = Some(cut);
                }
                output = tools.call(call) => self.history.push_value(&call.answer(&output)),
            }
        }
        match cut_by {
            Some(cut) => self.cut_short(turn, cut).await,
            None => None,
        }
    }

    async fn cut_short(&mut self, turn: &Turn, cut: Result<Cut, Failure>) -> Option<Ended> {
        match cut {
            Err(failure) => Some(Ended::Failed(failure)),
            Ok(Cut::Interrupted(reply)) => Some(Ended::Interrupted(reply)),
            Ok(Cut::Steered(request)) => {
                (request.accepted)(&turn.id);
                self.say(turn, request.input, request.client_id).await;
                None
            }
        }
    }

    fn end(&mut self, turn: &Turn, progress: &Progress, mut ended: Ended) {
        let (outcome, reply) = match &mut ended {
            Ended::Completed => (TurnOutcome::Completed, None),
            Ended::Failed(failure) => (TurnOutcome::Failed(failure), None),
            Ended::Interrupted(reply) => {
                self.history.push_message(prompt::interrupted_note());
                (TurnOutcome::Interrupted, reply.take())
            }
        };
        let completed_at_ms = now_ms();
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
        turn.emit(Event::TurnEnded(summary));
    }
}

/// Waits for something that ends the work from outside: a command, a logout, or that nobody is left.
async fn cut(turn: &Turn, commands: &mut mpsc::Receiver<Command>) -> Result<Cut, Failure> {
    let logged_out = async {
        match &turn.account {
            Some(account) => account.logged_out().await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(logged_out);
    loop {
        let command = tokio::select! {
            command = commands.recv() => command,
            () = &mut logged_out => return Err(valet_auth::AuthFailure::logged_out().into()),
        };
        match command {
            None => return Ok(Cut::Interrupted(None)),
            Some(Command::Turn(request)) => return Ok(Cut::Steered(request)),
            Some(Command::Interrupt { turn_id: Some(expected), reply }) if expected != turn.id => {
                reply(Err(InterruptError::Mismatch { expected, active: turn.id.clone() }));
            }
            Some(Command::Interrupt { reply, .. }) => return Ok(Cut::Interrupted(Some(reply))),
        }
    }
}
