//! The items that have begun and are not whole, with as much of their texts as was told.

use valet_protocol::v2::{ThreadItem, ThreadItemDetails};

use crate::notification::Piece;

/// The items that have begun and are not whole, in the order of their beginning.
#[derive(Default)]
pub(super) struct OpenItems(Vec<ThreadItem>);

impl OpenItems {
    pub(super) fn begin(&mut self, item: ThreadItem) {
        self.0.push(item);
    }

    pub(super) fn end(&mut self, id: &str) {
        self.0.retain(|item| item.id() != Some(id));
    }

    /// The turn is over: what is not whole stays so.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn to_vec(&self) -> Vec<ThreadItem> {
        self.0.clone()
    }

    /// More of a text was told.
    pub(super) fn extend(&mut self, piece: &Piece<'_>) {
        let Some(item) = self.0.iter_mut().rev().find(|item| item.id() == Some(piece.item_id)) else { return };
        match &mut item.details {
            ThreadItemDetails::AgentMessage { text, .. } => text.push_str(piece.delta),
            ThreadItemDetails::CommandExecution { aggregated_output, .. } => {
                aggregated_output.get_or_insert_default().push_str(piece.delta);
            }
            ThreadItemDetails::Reasoning { summary, content, .. } => {
                let parts = if piece.summary_index.is_some() { summary } else { content };
                let index = piece.summary_index.or(piece.content_index).unwrap_or_default();
                if let Some(text) = part(parts, index) {
                    text.push_str(piece.delta);
                }
            }
            _ => {}
        }
    }
}

/// How many parts a text may have: the index is the backend's, whatever it is.
const MOST_PARTS: usize = 1000;

fn part(parts: &mut Vec<String>, index: i64) -> Option<&mut String> {
    let index = usize::try_from(index).ok().filter(|index| *index < MOST_PARTS)?;
    if parts.len() <= index {
        parts.resize(index + 1, String::new());
    }
    parts.get_mut(index)
}
