//! What the fuzz targets and the benches need of this crate and nobody else does: the readers of what a backend sends,
//! and the writer of what it is sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;
use valet_tools::definitions;

use crate::history::History;
use crate::model::chat;
use crate::model::errors;
use crate::model::output_item::{CallHead, OutputItem};
use crate::model::request::{self, RequestIds, RequestKind};
use crate::model::responses::event::{FinalResponse, StreamEvent};
use crate::model::stream::EventStream;
use crate::model::wire::{Decoder, Told, Wire};
use crate::past::Past;
use crate::settings::Settings;
use crate::tools::Tools;
use crate::usage::{TokenUsage, Usage};

/// Reads a stream of a response to its end. Returns the data of each event, and how the stream ended.
pub async fn stream(chunks: impl Stream<Item = Bytes> + Send + 'static) -> (Vec<String>, Result<(), String>) {
    let mut events = EventStream::new(chunks.map(Ok), Duration::from_secs(60));
    let mut data = Vec::new();
    loop {
        match events.next().await {
            Ok(Some(event)) => data.push(event),
            Ok(None) => return (data, Ok(())),
            Err(failure) => return (data, Err(failure.message)),
        }
    }
}

/// Reads the data of one event as far as a turn does, and adds what it cost to what was used before.
pub fn event(data: &str, used: &mut Usage) {
    let Ok(event) = serde_json::from_str::<StreamEvent<'_>>(data) else { return };
    let _ = event.delta();
    if let Some(item) = event.item {
        let _ = serde_json::from_str::<OutputItem>(item.get());
        let _ = serde_json::from_str::<CallHead>(item.get());
    }
    let last = event.response.and_then(|raw| serde_json::from_str::<FinalResponse>(raw.get()).ok());
    if let Some(cost) = last.and_then(|last| last.usage) {
        used.add(TokenUsage::from(cost), None);
    }
}

/// Reads the events of a chat completion as far as a turn does. Returns what is given back to the model of it with the
/// next request, and how the completion ended.
pub fn completion(events: &[String]) -> (Vec<Value>, Result<(), String>) {
    let mut history = History::default();
    let mut tell = |told: Told<'_>| {
        if let Told::Whole(item) = told {
            history.extend([Arc::from(item.to_owned())]);
        }
    };
    let mut decoder = Decoder::new(Wire::Chat, || vec![definitions::apply_patch()]);
    let read = events.iter().map(|data| decoder.read(data, &mut tell)).find(|read| !matches!(read, Ok(None)));
    let end = read.unwrap_or_else(|| decoder.close(None, &mut tell).map(Some));
    (chat::messages(&history), end.map(|_end| ()).map_err(|failure| failure.message))
}

/// The words for a refusal with this status and body.
pub fn refusal(status: u16, body: &str, lent: bool) -> Option<String> {
    let status = StatusCode::from_u16(status).ok()?;
    Some(errors::of_status(status, "http://backend/responses", &HeaderMap::new(), body, lent).message)
}

/// The body of the next request of a conversation.
pub fn body(settings: &Settings, past: &Past) -> Option<Bytes> {
    let ids = RequestIds { thread_id: "thread", turn_id: "turn" };
    request::body(settings, ids, &past.history, &Tools::definitions(settings), RequestKind::Turn).ok()
}
