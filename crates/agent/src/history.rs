//! The conversation as the model is given it: Responses API items, each kept as the text it came as.

use std::sync::Arc;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

/// The items, oldest first. They are shared with requests in flight, never copied.
#[derive(Debug, Default)]
pub(crate) struct History {
    items: Vec<Arc<RawValue>>,
}

impl History {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds a message of ours, with an id of the form that the backend gives its own.
    pub(crate) fn push_message(&mut self, mut message: Value) {
        if let Some(message) = message.as_object_mut() {
            message.insert("id".to_owned(), format!("msg_{}", Uuid::now_v7().simple()).into());
        }
        self.push_value(&message);
    }

    /// Adds the output of a tool.
    pub(crate) fn push_value(&mut self, item: &Value) {
        // A JSON value always serialises.
        if let Ok(raw) = to_raw_value(item) {
            self.items.push(Arc::from(raw));
        }
    }

    /// Adds items of the model, verbatim.
    pub(crate) fn extend(&mut self, items: impl IntoIterator<Item = Arc<RawValue>>) {
        self.items.extend(items);
    }

    pub(crate) fn items(&self) -> &[Arc<RawValue>] {
        &self.items
    }
}
