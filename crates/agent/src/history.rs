//! The conversation as the model is given it: Responses API items, each kept as the text it came as.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::model::output_item::CallHead;
use crate::prompt;
use crate::tool_call::ToolCall;
use crate::tools::Output;

/// The items, oldest first. They are shared with requests in flight, never copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The base instructions, which come before every item and are not one.
    preface: Option<Arc<RawValue>>,
    items: Vec<Arc<RawValue>>,
    /// Those of the items that a person said.
    said: Vec<Arc<RawValue>>,
    /// How many of the items are kept in the journal.
    kept: usize,
}

impl History {
    /// Puts the base instructions before everything else.
    pub(crate) fn set_preface(&mut self, thread_id: &str, mut message: Value) {
        // The same one after a restart: the backend's cache begins with it.
        message["id"] = format!("msg_{}", thread_id.replace('-', "")).into();
        self.preface = to_raw_value(&message).ok().map(Arc::from);
    }

    /// Leaves out everything but the base instructions.
    pub(crate) fn clear(&mut self) {
        *self = Self { preface: self.preface.take(), ..Self::default() };
    }

    /// Adds messages of ours before whatever is not kept yet.
    pub(crate) fn open_with(&mut self, messages: Vec<Value>) {
        let rest = self.items.split_off(self.kept);
        messages.into_iter().for_each(|message| self.push_message(message));
        self.items.extend(rest);
    }

    /// What is not kept yet. It counts as kept from now on.
    pub(crate) fn keep(&mut self) -> &[Arc<RawValue>] {
        let fresh = &self.items[self.kept..];
        self.kept = self.items.len();
        fresh
    }

    /// Adds a message of ours, with an id of the form that the backend gives its own.
    pub(crate) fn push_message(&mut self, mut message: Value) {
        if let Some(message) = message.as_object_mut() {
            message.insert("id".to_owned(), format!("msg_{}", Uuid::now_v7().simple()).into());
        }
        self.push_value(&message);
    }

    /// Adds what a person said.
    pub(crate) fn push_said(&mut self, message: Arc<RawValue>) {
        self.said.push(Arc::clone(&message));
        self.items.push(message);
    }

    /// Marks the last item as one that a person said.
    pub(crate) fn last_was_said(&mut self) {
        self.said.extend(self.items.last().cloned());
    }

    /// The latest of what a person said, as much as fits, oldest first.
    pub(crate) fn said(&self, bytes: usize) -> Vec<Arc<RawValue>> {
        let mut left = bytes;
        let latest = self.said.iter().rev().take_while(|message| {
            let fits = message.get().len() <= left;
            left = left.saturating_sub(message.get().len());
            fits
        });
        let mut latest: Vec<_> = latest.cloned().collect();
        latest.reverse();
        latest
    }

    /// Leaves out what only the account that it was made for can use: reasoning, which is encrypted, and the ids
    /// under which the backend knows the items.
    pub(crate) fn change_payer(&mut self) {
        let rest = self.items.split_off(self.kept);
        self.items = self.items.iter().filter_map(|raw| for_anybody(raw)).collect();
        self.kept = self.items.len();
        self.items.extend(rest.iter().filter_map(|raw| for_anybody(raw)));
        self.said = self.said.iter().filter_map(|raw| for_anybody(raw)).collect();
    }

    /// Answers the calls that nobody answered: the backend refuses a history with an open call.
    pub(crate) fn answer_open_calls(&mut self) {
        let heads: Vec<CallHead> = self.items.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect();
        let (answers, calls): (Vec<_>, Vec<_>) = heads.into_iter().partition(|head| head.kind.ends_with("_output"));
        let answered: HashSet<String> = answers.into_iter().map(|answer| answer.call_id).collect();
        for call in calls.into_iter().filter(|call| !answered.contains(&call.call_id)) {
            let Some(call) = ToolCall::unreadable(call) else { continue };
            self.push_value(&call.answer(&Output::Text("aborted".to_owned())));
        }
    }

    /// Leaves out the older half, and with it the answers to calls that are in it. What is left is in no journal.
    pub(crate) fn shorten(&mut self) {
        let kept = self.items.split_off(self.items.len() / 2);
        let field = |raw: &RawValue, name: &str| {
            serde_json::from_str::<Value>(raw.get()).ok().and_then(|item| item[name].as_str().map(str::to_owned))
        };
        let is_output = |raw: &RawValue| field(raw, "type").is_some_and(|kind| kind.ends_with("_output"));
        let called: HashSet<String> =
            kept.iter().filter(|raw| !is_output(raw)).filter_map(|raw| field(raw, "call_id")).collect();
        let answers_nothing =
            |raw: &RawValue| is_output(raw) && !field(raw, "call_id").is_some_and(|id| called.contains(&id));
        self.items = kept.into_iter().filter(|raw| !answers_nothing(raw)).collect();
        self.kept = 0;
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

    /// The items that a summary stands for, and the messages that a person said among them.
    pub(crate) fn extend_compacted(&mut self, items: impl IntoIterator<Item = Arc<RawValue>>) {
        for item in items {
            if prompt::is_said(&item) {
                self.said.push(Arc::clone(&item));
            }
            self.items.push(item);
        }
    }

    /// Whether any of it is in the journal.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept > 0
    }

    /// What the model is given.
    pub(crate) fn input(&self) -> impl Iterator<Item = &RawValue> {
        self.preface.iter().chain(&self.items).map(|item| &**item)
    }
}

/// The item without what only one account can use; nothing if that is all of it.
fn for_anybody(raw: &RawValue) -> Option<Arc<RawValue>> {
    let mut item: Value = serde_json::from_str(raw.get()).ok()?;
    item.as_object_mut()?.remove("id");
    (item["type"] != "reasoning").then(|| to_raw_value(&item).ok().map(Arc::from)).flatten()
}
