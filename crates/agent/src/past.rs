//! A conversation as another process left it, put together from what was kept of it, oldest first.

use std::sync::Arc;

use serde_json::json;
use serde_json::value::RawValue;

use crate::history::History;
use crate::journal::{Context, Payer};
use crate::model::output_item::{ContentPart, OutputItem};
use crate::prompt::{self, Scene};
use crate::usage::Usage;

/// What a conversation goes on from.
#[derive(Debug, Default)]
pub struct Past {
    pub(crate) history: History,
    pub(crate) usage: Usage,
    /// What the last response says that the model has read and written; nothing after a compaction.
    pub(crate) context_tokens: i64,
    /// What the model was last told of the place where it works.
    pub(crate) scene: Option<Scene>,
    /// Whose reasoning the history holds.
    pub(crate) payer: Option<Payer>,
    /// Messages of the model that were shown as whole, until they turn up among the items: their id and text.
    shown: Vec<(String, String)>,
    /// Whether a turn began that has not ended.
    cut: bool,
}

impl Past {
    /// A turn began.
    pub fn turn_began(&mut self) {
        self.cut = true;
    }

    /// The turn ended, in whatever way.
    pub fn turn_ended(&mut self) {
        self.shown.clear();
        self.cut = false;
    }

    /// What holds from here on.
    pub fn context(&mut self, context: Context) {
        self.scene = context.scene.or(self.scene.take());
        if let Some(payer) = context.payer
            && self.payer.replace(payer.clone()).is_some_and(|before| before != payer)
        {
            self.history.change_payer();
        }
    }

    /// Something that the model was given, or that it gave.
    pub fn item(&mut self, item: Arc<RawValue>) {
        if !self.shown.is_empty() {
            self.shown.retain(|(id, text)| !holds(&item, id, text));
        }
        self.history.extend([item]);
    }

    /// The message before was said by a person.
    pub fn said(&mut self) {
        self.history.last_was_said();
    }

    /// A message of the model was shown as whole.
    pub fn shown(&mut self, id: String, text: String) {
        self.shown.push((id, text));
    }

    /// All before was summed up.
    pub fn compacted(&mut self, items: impl IntoIterator<Item = Arc<RawValue>>) {
        self.history = History::default();
        self.shown.clear();
        self.history.extend_compacted(items);
        self.context_tokens = 0;
    }

    /// All before was summed up in these words, and what people said was kept.
    pub fn summed_up(&mut self, summary: &str) {
        let said = self.history.said(usize::MAX);
        self.compacted(said);
        self.history.push_message(prompt::message("user", summary));
    }

    /// What was used so far. Told again, it says nothing new of the context, which may have been summed up since.
    pub fn used(&mut self, usage: Usage) {
        if usage != self.usage {
            self.context_tokens = usage.last.total;
        }
        self.usage = usage;
    }

    /// Makes whole what was cut when the last process ended: what the person has seen is part of the history, each
    /// call has an answer, and the model knows that it was stopped.
    pub(crate) fn mend(mut self) -> Self {
        self.history.keep();
        for (_, text) in std::mem::take(&mut self.shown) {
            let content = json!([{ "type": "output_text", "text": text }]);
            self.history.push_message(json!({ "type": "message", "role": "assistant", "content": content }));
        }
        self.history.answer_open_calls();
        if self.cut {
            self.history.push_message(prompt::interrupted_note());
        }
        self
    }
}

/// Whether the item is the message that was shown under this id, or with this text.
fn holds(item: &RawValue, id: &str, text: &str) -> bool {
    let Ok(OutputItem::Message { id: item_id, content, .. }) = serde_json::from_str(item.get()) else { return false };
    let said: String = content.into_iter().map(ContentPart::into_text).collect();
    item_id.as_deref() == Some(id) || said == text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pretty_assertions::assert_eq;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::Past;
    use crate::journal::{Context, Payer};
    use crate::usage::{TokenUsage, Usage};

    fn raw(item: &Value) -> Arc<RawValue> {
        Arc::from(serde_json::value::to_raw_value(item).unwrap())
    }

    /// What the model is given, without the ids that are new each time.
    fn input(past: Past) -> Vec<Value> {
        let past = past.mend();
        let item = |raw: &RawValue| {
            let mut item: Value = serde_json::from_str(raw.get()).unwrap();
            item.as_object_mut().unwrap().remove("id");
            item
        };
        past.history.input().map(item).collect()
    }

    fn user(text: &str) -> Value {
        json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] })
    }

    fn assistant(text: &str) -> Value {
        json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": text }] })
    }

    #[test]
    fn what_was_shown_and_not_kept_comes_back_and_what_was_kept_comes_once() {
        let mut past = Past::default();
        past.turn_began();
        past.item(raw(&user("go")));
        past.shown("msg_1".to_owned(), "kept".to_owned());
        past.shown("ours".to_owned(), "kept without an id".to_owned());
        past.item(raw(&json!({ "type": "message", "id": "msg_1", "role": "assistant",
            "content": [{ "type": "output_text", "text": "kept" }] })));
        past.item(raw(&assistant("kept without an id")));
        past.shown("msg_2".to_owned(), "cut".to_owned());
        let mut given = input(past);
        let note = given.pop().unwrap();
        assert!(note["content"][0]["text"].as_str().unwrap().starts_with("<turn_aborted>"), "{note}");
        assert_eq!(given, [user("go"), assistant("kept"), assistant("kept without an id"), assistant("cut")]);
    }

    #[test]
    fn a_call_that_nobody_answered_is_answered() {
        let mut past = Past::default();
        let call = json!({ "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}" });
        let answered = json!({ "type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "" });
        let answer = json!({ "type": "custom_tool_call_output", "call_id": "c2", "output": "done" });
        [&call, &answered, &answer].into_iter().for_each(|item| past.item(raw(item)));
        let aborted = json!({ "type": "function_call_output", "call_id": "c1", "output": "aborted" });
        assert_eq!(input(past), [call, answered, answer, aborted]);
    }

    #[test]
    fn reasoning_goes_with_the_payer_that_it_was_made_for() {
        let reasoning = json!({ "type": "reasoning", "encrypted_content": "x", "summary": [] });
        let context = |payer| Context { payer: Some(payer), scene: None };
        let given = |payers: [Payer; 2]| {
            let mut past = Past::default();
            let [first, second] = payers;
            past.context(context(first));
            past.item(raw(&reasoning));
            past.context(context(second));
            past.item(raw(&user("more")));
            input(past).len()
        };
        assert_eq!(given([Payer::Account("a".to_owned()), Payer::Account("a".to_owned())]), 2);
        assert_eq!(given([Payer::Account("a".to_owned()), Payer::Account("b".to_owned())]), 1);
        assert_eq!(given([Payer::Key(None), Payer::Account("a".to_owned())]), 1);
        assert_eq!(given([Payer::Key(None), Payer::Key(Some("k".to_owned()))]), 2);
    }

    #[test]
    fn of_a_key_nothing_is_written_down() {
        let context = Context { payer: Some(Payer::Key(Some("0a1b2c3d".to_owned()))), scene: None };
        let text = serde_json::to_string(&context).unwrap();
        assert!(!text.contains("0a1b"), "{text}");
        assert_eq!(serde_json::from_str::<Context>(&text).unwrap(), context);
    }

    #[test]
    fn after_a_summary_only_what_a_person_said_counts_as_said() {
        let mut past = Past::default();
        past.item(raw(&user("before")));
        let page = user("<p>please</p>");
        past.compacted(
            [user("<environment_context>"), user("please"), page.clone(), user(super::prompt::SUMMED_UP)]
                .map(|item| raw(&item)),
        );
        let said: Vec<Value> =
            past.history.said(1000).iter().map(|item| serde_json::from_str(item.get()).unwrap()).collect();
        assert_eq!(said, [user("please"), page]);
        assert_eq!(past.context_tokens, 0);
    }

    #[test]
    fn what_a_summary_cost_is_not_what_the_conversation_is_long() {
        let mut past = Past::default();
        let mut usage = Usage::default();
        usage.add(TokenUsage { total: 900, ..TokenUsage::default() }, None);
        past.used(usage);
        assert_eq!(past.context_tokens, 900);
        past.compacted([raw(&user(super::prompt::SUMMED_UP))]);
        past.used(usage);
        assert_eq!(past.context_tokens, 0, "told again when a limit was reached");
        usage.add(TokenUsage { total: 30, ..TokenUsage::default() }, None);
        past.used(usage);
        assert_eq!(past.context_tokens, 30);
    }
}
