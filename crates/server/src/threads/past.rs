//! What the model was given so far, read back from a thread's log.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use valet_agent::Past;
use valet_protocol::v2;
use valet_store::{Direction, Envelope, Lines, Position, StoreError};

use crate::convert;
use crate::rollout::{Compacted, Context, Scan, StoredItem, TokenInfo};

/// What the reference notes in an item, and sends to nobody.
const NOTE: &str = "internal_chat_message_metadata_passthrough";

/// Reads a log.
pub(super) fn read(lines: &dyn Lines) -> Result<Past, StoreError> {
    let mut past = Past::default();
    let mut scan = Scan::new(lines, Position::START, Direction::Forward);
    while let Some(line) = scan.next()? {
        line.envelope().into_iter().for_each(|line| take(&mut past, &line));
    }
    Ok(past)
}

/// Takes in one line.
fn take(past: &mut Past, line: &Envelope<'_>) {
    match line.kind.as_ref() {
        "response_item" => past.item(item(line.payload)),
        "event_msg" => event(past, line.payload),
        "turn_context" => {
            past.context(Context::noted(line.payload).unwrap_or_default());
        }
        "compacted" => {
            let Ok(compacted) = serde_json::from_str::<Compacted>(line.payload.get()) else { return };
            match compacted.replacement_history {
                Some(items) => past.compacted(items.iter().map(|raw| item(raw))),
                None => past.summed_up(&compacted.message),
            }
        }
        _ => {}
    }
}

fn event(past: &mut Past, payload: &RawValue) {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        item: Option<&'a RawValue>,
    }
    let Ok(event) = serde_json::from_str::<Event<'_>>(payload.get()) else { return };
    match event.kind.as_ref() {
        "task_started" => past.turn_began(),
        "task_complete" | "turn_aborted" => past.turn_ended(),
        // The old way to tell of what a person said.
        "user_message" => past.said(),
        "token_count" => {
            if let Some(usage) = TokenInfo::read(payload) {
                past.used(convert::usage_from_wire(&usage));
            }
        }
        "item_completed" => match event.item.filter(|item| StoredItem::is_message(item)).and_then(StoredItem::read) {
            Some(v2::ThreadItemDetails::UserMessage { .. }) => past.said(),
            Some(v2::ThreadItemDetails::AgentMessage { id, text, .. }) => past.shown(id, text),
            _ => {}
        },
        _ => {}
    }
}

/// An item as it is sent.
fn item(raw: &RawValue) -> Arc<RawValue> {
    if raw.get().contains(NOTE)
        && let Ok(Value::Object(mut item)) = serde_json::from_str(raw.get())
        && item.remove(NOTE).is_some()
        && let Ok(item) = to_raw_value(&item)
    {
        return Arc::from(item);
    }
    Arc::from(raw.to_owned())
}
