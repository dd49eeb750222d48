//! One model response: send, stream, show, and collect the items. Tries again while nothing whole was shown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::value::RawValue;
use uuid::Uuid;
use valet_auth::{Caller, HttpClient, Secrets, SendError, send_authorized};

use crate::event::Event;
use crate::failure::{Failure, FailureClass};
use crate::item::{AgentMessage, Item, ItemKind, Reasoning};
use crate::limits::RateLimits;
use crate::model::models::Asker;
use crate::model::output_item::{ContentPart, OutputItem};
use crate::model::pieces::Pieces;
use crate::model::request::{self, RequestIds};
use crate::model::wire::{Decoder, End, Told};
use crate::model::{errors, stream::EventStream};
use crate::retry::Attempts;
use crate::tool_call::ToolCall;
use crate::tools::Tools;
use crate::turn::Turn;
use crate::usage::TokenUsage;

/// Where the backend says who answers.
const MODEL_HEADER: &str = "openai-model";

/// Where it says which list of models is the latest.
const MODELS_HEADER: &str = "x-models-etag";

/// What has come of a response so far. Kept outside of the work on it, which may be cut at any moment.
#[derive(Default)]
pub(crate) struct Progress {
    /// The model's last whole message in this turn.
    pub(crate) last_message: Option<Item>,
    /// What of the current response the person has seen as whole: its items up to the last message, before any
    /// call.
    pub(crate) shown: Vec<Arc<RawValue>>,
    /// The limits that the current response's headers told, until they are passed on.
    pub(crate) limits: Vec<RateLimits>,
    /// Set when the current request has failed and is to be tried again in other words: its attempts so far.
    pub(crate) again: Option<Attempts>,
    /// Whether it was told that another model answers.
    rerouted: bool,
}

/// A whole response.
pub(crate) struct ModelResponse {
    /// To be kept and sent back verbatim.
    pub(crate) items: Vec<Arc<RawValue>>,
    /// What the model wants done.
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) usage: Option<TokenUsage>,
    /// False: the model has more to say.
    pub(crate) end_turn: Option<bool>,
}

impl Turn {
    /// Passes on the limits that a response told, however it ended.
    pub(crate) fn emit_limits(&self, progress: &mut Progress) {
        let limits = std::mem::take(&mut progress.limits);
        if !limits.is_empty() {
            self.emit(Event::RateLimits { limits: &limits, account: self.account.as_ref() });
        }
    }

    /// Gets one whole response to `body`. What the backend's filter has ended is not tried again with this body:
    /// whether to ask in other words, after the pause that was made, `progress.again` says.
    pub(crate) async fn respond(
        &self,
        http: &HttpClient,
        body: &Bytes,
        progress: &mut Progress,
    ) -> Result<ModelResponse, Failure> {
        let mut attempts = progress.again.take().unwrap_or_else(|| Attempts::new(self.settings.provider.retries));
        loop {
            let mut response = Response::new(self, progress);
            let failure = match response.stream(http, body.clone()).await {
                Ok(whole) => return Ok(whole),
                Err(failure) => response.without_secrets(failure),
            };
            // What was shown as whole stays shown: another attempt would say it twice.
            let again = if response.shown_whole { None } else { attempts.next(&failure, response.began) };
            let Some(again) = again else { return Err(self.explained(http, failure).await) };
            tracing::info!(attempt = attempts.made(), %failure, "a model request is tried again");
            if again.told {
                self.emit_limits(progress);
                self.emit(Event::Retrying { failure: &failure, attempt: attempts.made(), of: attempts.allowed() });
            }
            tokio::time::sleep(again.after).await;
            if *failure.class() == FailureClass::ContentFiltered {
                progress.again = Some(attempts);
                return Err(failure);
            }
        }
    }

    fn asker(&self) -> Asker<'_> {
        Asker { provider: &self.settings.provider, account: self.account.as_ref(), origin: &self.origin }
    }

    async fn explained(&self, http: &HttpClient, failure: Failure) -> Failure {
        match &self.models {
            Some(models) => models.explain(http, self.asker(), &self.settings.model, failure).await,
            None => failure,
        }
    }
}

/// One attempt.
struct Response<'a> {
    turn: &'a Turn,
    progress: &'a mut Progress,
    /// Items that have begun and are not whole.
    open: Vec<Item>,
    items: Vec<Arc<RawValue>>,
    calls: Vec<ToolCall>,
    pieces: Pieces,
    /// What the request carried that nobody may read in what is said of its answer.
    secrets: Secrets,
    /// Whether the backend has begun to stream.
    began: bool,
    shown_whole: bool,
}

impl<'a> Response<'a> {
    fn new(turn: &'a Turn, progress: &'a mut Progress) -> Self {
        Self {
            turn,
            progress,
            open: Vec::new(),
            items: Vec::new(),
            calls: Vec::new(),
            pieces: Pieces::default(),
            secrets: Secrets::default(),
            began: false,
            shown_whole: false,
        }
    }

    async fn stream(&mut self, http: &HttpClient, body: Bytes) -> Result<ModelResponse, Failure> {
        let idle = self.turn.settings.provider.stream_idle_timeout;
        let response = self.open(http, body, idle).await?;
        self.began = true;
        self.progress.limits = RateLimits::all(response.headers());
        self.tell_who_answers(response.headers());
        self.hear_of_models(response.headers());
        let settings = &self.turn.settings;
        let wire = settings.provider.wire;
        let mut events = EventStream::of(response, wire, idle);
        let mut decoder = Decoder::new(wire, || Tools::definitions(settings));
        loop {
            let next = match events.next_now() {
                Some(Ok(Some(data))) => Ok(Some(data)),
                end_or_pause => {
                    // What has come is told before anybody waits.
                    self.tell_pieces();
                    match end_or_pause {
                        Some(end) => end,
                        None => events.next().await,
                    }
                }
            };
            let tell = &mut |told: Told<'_>| self.take(told);
            let read = match next {
                Ok(Some(data)) => decoder.read(&data, tell),
                Ok(None) => decoder.close(None, tell).map(Some),
                Err(broken) => decoder.close(Some(broken), tell).map(Some),
            };
            match read {
                Ok(None) => {}
                Ok(Some(end)) => return Ok(self.whole(end)),
                Err(failure) => {
                    self.tell_pieces();
                    return Err(failure);
                }
            }
        }
    }

    fn without_secrets(&self, failure: Failure) -> Failure {
        let message = self.secrets.hide_in(failure.message.clone());
        failure.in_words(message)
    }

    fn whole(&mut self, end: End) -> ModelResponse {
        self.tell_pieces();
        let (items, calls) = (std::mem::take(&mut self.items), std::mem::take(&mut self.calls));
        ModelResponse { items, calls, usage: end.usage, end_turn: end.end_turn }
    }

    fn tell_pieces(&mut self) {
        self.pieces.tell(|event| self.turn.emit(event));
    }

    /// Tells once if another model answers than was asked.
    fn tell_who_answers(&mut self, headers: &HeaderMap) {
        let from = self.turn.settings.model.as_str();
        let model = headers.get(MODEL_HEADER).and_then(|name| name.to_str().ok());
        if let Some(to) = model.filter(|to| *to != from && !self.progress.rerouted) {
            self.progress.rerouted = true;
            self.turn.emit(Event::Rerouted { from, to });
        }
    }

    /// Passes on which list of models is the latest.
    fn hear_of_models(&self, headers: &HeaderMap) {
        let etag = headers.get(MODELS_HEADER).and_then(|etag| etag.to_str().ok());
        if let (Some(models), Some(etag)) = (&self.turn.models, etag) {
            models.hear(self.turn.asker(), etag);
        }
    }

    async fn open(&mut self, http: &HttpClient, body: Bytes, limit: Duration) -> Result<reqwest::Response, Failure> {
        let turn = self.turn;
        let client = http.get().map_err(errors::of_transport)?;
        let ids = RequestIds { thread_id: &turn.thread_id, turn_id: &turn.id };
        let request = request::request(client, &turn.settings, &turn.origin, ids, body)?;
        let account = turn.account.as_ref();
        let caller = Caller::Thread(Arc::clone(&turn.thread_id));
        if let Some(account) = account {
            account.renew_ahead(&caller);
        }
        let asked = Instant::now();
        let sent = Box::pin(send_authorized(client, account, &caller, request, limit)).await;
        let response = match sent {
            Ok(response) => response,
            Err(SendError::Auth(failure)) => return Err(failure.into()),
            Err(SendError::Http(error)) => return Err(errors::of_transport(error)),
            Err(SendError::Silent) => return Err(Failure::disconnected("no response headers in time")),
        };
        turn.emit(Event::BackendAnswered { latency: asked.elapsed() });
        self.secrets = Secrets::of(&response);
        if response.status().is_success() {
            return Ok(response);
        }
        let lent = account.is_some_and(|account| account.mode() == valet_auth::Mode::External);
        let limits = RateLimits::at_a_limit(response.headers());
        let failure = errors::of_response(response, turn.settings.provider.wire, lent, limit).await;
        if *failure.class() == FailureClass::UsageLimitExceeded {
            self.progress.limits = limits;
        }
        Err(failure)
    }

    /// Takes what the response says.
    fn take(&mut self, told: Told<'_>) {
        let turn = self.turn;
        // What does not say whose it is belongs to the item that began last.
        let last = self.open.last().map(|open| open.id.as_str());
        match told {
            Told::Piece { of, item_id, text } => {
                let item_id = item_id.or(last).unwrap_or_default();
                self.pieces.add(of, item_id, text, |event| turn.emit(event));
            }
            Told::SummaryPart { item_id, index } => {
                self.pieces.tell(|event| turn.emit(event));
                let item_id = item_id.or(last).unwrap_or_default();
                turn.emit(Event::SummaryPartAdded { item_id, index });
            }
            Told::Begun(item) => {
                self.tell_pieces();
                self.item_added(item);
            }
            Told::Whole(raw) => {
                self.tell_pieces();
                self.item_done(raw);
            }
        }
    }

    fn item_added(&mut self, item: OutputItem) {
        let (id, kind) = match item {
            OutputItem::Message { id, phase, .. } => {
                (id, ItemKind::AgentMessage(AgentMessage { text: String::new(), phase }))
            }
            OutputItem::Reasoning { id, .. } => (id, ItemKind::Reasoning(Reasoning::default())),
            _ => return,
        };
        let item = Item::started(id.unwrap_or_else(new_id), kind);
        self.turn.emit(Event::ItemStarted(&item));
        self.open.push(item);
    }

    fn item_done(&mut self, raw: &RawValue) {
        self.items.push(Arc::from(raw.to_owned()));
        let item = match serde_json::from_str::<OutputItem>(raw.get()) {
            Ok(item) => item,
            Err(_) => {
                let head = serde_json::from_str(raw.get()).ok();
                return self.calls.extend(head.and_then(ToolCall::unreadable));
            }
        };
        match item {
            OutputItem::Message { id, phase, content } => {
                let text = content.into_iter().map(ContentPart::into_text).collect();
                self.complete(id, ItemKind::AgentMessage(AgentMessage { text, phase }));
                if self.calls.is_empty() {
                    self.progress.shown.clone_from(&self.items);
                }
            }
            OutputItem::Reasoning { id, summary, content } => {
                let (summary, content) = (texts(summary), texts(content));
                self.complete(id, ItemKind::Reasoning(Reasoning { summary, content }));
            }
            OutputItem::FunctionCall { call_id, name, arguments } => {
                self.calls.push(ToolCall { call_id, name, input: arguments, custom: false });
            }
            OutputItem::CustomToolCall { call_id, name, input } => {
                self.calls.push(ToolCall { call_id, name, input, custom: true });
            }
            OutputItem::Other => {}
        }
    }

    fn complete(&mut self, id: Option<String>, kind: ItemKind) {
        let named = |open: &Item| id.as_ref().is_none_or(|id| open.id == *id);
        let item = match self.open.iter().rposition(named) {
            Some(position) => Item { kind, ..self.open.remove(position) },
            None => {
                let item = Item::started(id.unwrap_or_else(new_id), kind);
                self.turn.emit(Event::ItemStarted(&item));
                item
            }
        };
        let item = item.completed();
        self.turn.emit(Event::ItemCompleted(&item));
        self.shown_whole = !self.turn.quiet;
        if item.agent_message().is_some() {
            self.progress.last_message = Some(item);
        }
    }
}

fn new_id() -> String {
    Uuid::now_v7().to_string()
}

fn texts(parts: Vec<ContentPart>) -> Vec<String> {
    parts.into_iter().map(ContentPart::into_text).collect()
}
