//! Logs of older programs, and of threads with `history_mode` `legacy`: no line tells of a whole item, there are
//! events for what was said, and for patches. Commands leave none.

use serde::Deserialize;
use serde_json::value::RawValue;
use valet_protocol::v2;

use super::event::Said;
use super::item::FileChange;
use super::part::agent_message;

#[derive(Deserialize)]
struct UserMessage {
    message: String,
    images: Option<Vec<String>>,
    #[serde(default)]
    local_images: Vec<String>,
}

#[derive(Deserialize)]
struct AgentMessage {
    message: String,
    phase: Option<v2::MessagePhase>,
}

#[derive(Deserialize)]
struct Reasoning {
    text: String,
}

#[derive(Deserialize)]
struct RolledBack {
    num_turns: usize,
}

/// What the event says. What was said has no id yet.
pub(super) fn read<'a>(kind: &str, payload: &'a RawValue) -> Option<Said<'a>> {
    let id = String::new;
    Some(match kind {
        "user_message" => {
            let UserMessage { message, images, local_images } = serde_json::from_str(payload.get()).ok()?;
            let text = v2::UserInput::Text { text: message, text_elements: Vec::new() };
            let images = images.unwrap_or_default().into_iter().map(|url| v2::UserInput::Image { url, detail: None });
            let local = local_images.into_iter().map(|path| v2::UserInput::LocalImage { path, detail: None });
            let content = std::iter::once(text).chain(images).chain(local).collect();
            Said::Legacy(v2::ThreadItemDetails::UserMessage { id: id(), client_id: None, content })
        }
        "agent_message" => {
            let AgentMessage { message, phase } = serde_json::from_str(payload.get()).ok()?;
            Said::Legacy(agent_message(id(), message, phase))
        }
        "agent_reasoning" => {
            let Reasoning { text } = serde_json::from_str(payload.get()).ok()?;
            Said::Legacy(v2::ThreadItemDetails::Reasoning { id: id(), summary: vec![text], content: Vec::new() })
        }
        "patch_apply_end" => Said::Legacy(serde_json::from_str::<FileChange>(payload.get()).ok()?.into()),
        "thread_rolled_back" => {
            let RolledBack { num_turns } = serde_json::from_str(payload.get()).ok()?;
            Said::RolledBack { turns: num_turns }
        }
        _ => return None,
    })
}

/// Gives an item that has no id its number among those as its id.
pub(super) fn numbered(mut item: v2::ThreadItemDetails, count: &mut usize) -> v2::ThreadItemDetails {
    if let v2::ThreadItemDetails::UserMessage { id, .. }
    | v2::ThreadItemDetails::AgentMessage { id, .. }
    | v2::ThreadItemDetails::Reasoning { id, .. } = &mut item
    {
        *count += 1;
        *id = format!("item-{count}");
    }
    item
}
