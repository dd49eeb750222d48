//! The Responses API: its events as what they say.

pub(crate) mod event;

use super::errors;
use super::pieces::PieceOf;
use super::wire::{End, Told};
use crate::failure::Failure;
use crate::usage::TokenUsage;
use event::{FinalResponse, StreamEvent};

/// Reads one event. Returns the end of the response when it is there.
pub(super) fn read(data: &str, tell: &mut dyn FnMut(Told<'_>)) -> Result<Option<End>, Failure> {
    // An event that cannot be read is passed over; if it mattered, the stream ends without an end.
    let Ok(event) = serde_json::from_str::<StreamEvent<'_>>(data) else { return Ok(None) };
    let item_id = event.item_id.as_deref();
    let mut piece = |of| tell(Told::Piece { of, item_id, text: &event.delta() });
    match event.kind.as_ref() {
        "response.output_text.delta" => piece(PieceOf::Text),
        "response.reasoning_summary_text.delta" => piece(PieceOf::Summary(event.summary_index.unwrap_or_default())),
        "response.reasoning_text.delta" => piece(PieceOf::Reasoning(event.content_index.unwrap_or_default())),
        "response.reasoning_summary_part.added" => {
            tell(Told::SummaryPart { item_id, index: event.summary_index.unwrap_or_default() });
        }
        "response.output_item.added" => {
            if let Some(item) = event.item.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
                tell(Told::Begun(item));
            }
        }
        "response.output_item.done" => {
            if let Some(raw) = event.item {
                tell(Told::Whole(raw));
            }
        }
        "response.completed" => {
            let last = last_words(&event);
            return Ok(Some(End { usage: last.usage.map(TokenUsage::from), end_turn: last.end_turn }));
        }
        "response.failed" => return Err(errors::of_failed(last_words(&event).error.unwrap_or_default())),
        "response.incomplete" => {
            let details = last_words(&event).incomplete_details;
            return Err(errors::of_incomplete(details.and_then(|details| details.reason)));
        }
        _ => {}
    }
    Ok(None)
}

fn last_words(event: &StreamEvent<'_>) -> FinalResponse {
    event.response.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}
