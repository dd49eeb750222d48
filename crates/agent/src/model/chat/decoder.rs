//! One completion as what it says. There are no items in it: a text goes on until another kind of text begins, and
//! calls are whole when the completion is.

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use uuid::Uuid;

use super::calls::Calls;
use super::chunk::{Chunk, Delta};
use super::{errors, tools};
use crate::failure::Failure;
use crate::model::errors::of_incomplete;
use crate::model::output_item::OutputItem;
use crate::model::pieces::PieceOf;
use crate::model::wire::{End, Told};
use crate::usage::TokenUsage;

/// What stands at the end of a stream.
const DONE: &str = "[DONE]";

/// What has come of a completion so far.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The tools that take free text.
    freeform: Vec<String>,
    open: Option<OpenText>,
    calls: Calls,
    usage: Option<TokenUsage>,
    finish: Option<Finish>,
    /// Whether there was anything at all.
    began: bool,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    /// It was done, or wants calls to be made; which of these, the calls tell.
    Done,
    Length,
    Filtered,
    Failed,
}

impl Finish {
    fn of(reason: &str) -> Option<Self> {
        match reason {
            "" => None,
            "length" => Some(Self::Length),
            "content_filter" => Some(Self::Filtered),
            "error" => Some(Self::Failed),
            _ => Some(Self::Done),
        }
    }
}

impl Decoder {
    pub(crate) fn new(tools: &[Value]) -> Self {
        let (freeform, calls) = (tools::freeform(tools), Calls::default());
        Self { freeform, open: None, calls, usage: None, finish: None, began: false }
    }

    /// Reads a chunk, or a whole completion. Returns the end when it is there.
    pub(crate) fn read(&mut self, data: &str, tell: &mut dyn FnMut(Told<'_>)) -> Result<Option<End>, Failure> {
        if data == DONE {
            // Not every server says why it stopped.
            self.finish = self.finish.or(self.began.then_some(Finish::Done));
            return self.close(None, tell).map(Some);
        }
        let chunk: Chunk<'_> = match serde_json::from_str(data) {
            Ok(chunk) => chunk,
            // A part of the answer would be missing without anybody's knowing.
            Err(error) if error.is_data() => {
                return Err(Failure::disconnected(&format!("a chunk that cannot be read: {error}")));
            }
            Err(_) => return Ok(None),
        };
        if chunk.is_error() {
            return Err(errors::of_chunk(data));
        }
        self.usage = chunk.usage().or(self.usage);
        let first = chunk.choices.into_iter().flatten().find(|choice| choice.index.unwrap_or_default() == 0);
        let Some(choice) = first else { return Ok(None) };
        self.began = true;
        let whole = choice.message.is_some().then_some(Finish::Done);
        if let Some(delta) = choice.delta.or(choice.message) {
            self.take(delta, tell);
        }
        self.finish = choice.finish_reason.as_deref().and_then(Finish::of).or(self.finish).or(whole);
        Ok(None)
    }

    /// The bytes have ended. What has said why it ends is whole, also without a last word.
    pub(crate) fn close(&mut self, broken: Option<Failure>, tell: &mut dyn FnMut(Told<'_>)) -> Result<End, Failure> {
        match self.finish {
            Some(Finish::Done) => {
                self.close_text(tell);
                let calls = std::mem::take(&mut self.calls);
                calls.into_items(&self.freeform).for_each(|call| tell(Told::Whole(&call)));
                Ok(End { usage: self.usage, end_turn: None })
            }
            Some(Finish::Length) => {
                // What was said stays; a call that may be cut is not made.
                self.close_text(tell);
                Err(of_incomplete(Some("max_output_tokens".to_owned())))
            }
            Some(Finish::Filtered) => Err(of_incomplete(Some("content_filter".to_owned()))),
            Some(Finish::Failed) => Err(Failure::disconnected("the provider failed")),
            None => Err(broken.unwrap_or_else(|| Failure::disconnected("stream closed before the completion ended"))),
        }
    }

    fn take(&mut self, delta: Delta<'_>, tell: &mut dyn FnMut(Told<'_>)) {
        let (member, reasoning) = delta.reasoning();
        self.add(Kind::Reasoning(member), &reasoning, tell);
        self.add(Kind::Message, &delta.content(), tell);
        self.add(Kind::Refusal, &delta.refusal(), tell);
        delta.tool_calls.into_iter().flatten().for_each(|fragment| self.calls.add(fragment));
    }

    /// Adds to the open text, or begins another.
    fn add(&mut self, kind: Kind, text: &str, tell: &mut dyn FnMut(Told<'_>)) {
        if text.is_empty() {
            return;
        }
        if self.open.as_ref().is_some_and(|open| open.kind != kind) {
            self.close_text(tell);
        }
        self.open.get_or_insert_with(|| OpenText::new(kind)).add(text, tell);
    }

    fn close_text(&mut self, tell: &mut dyn FnMut(Told<'_>)) {
        // A JSON value always serialises.
        if let Some(open) = self.open.take().filter(|open| open.told)
            && let Ok(item) = to_raw_value(&open.into_item())
        {
            tell(Told::Whole(&item));
        }
    }
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Message,
    Refusal,
    /// With the name that the server has for it.
    Reasoning(&'static str),
}

/// A text that goes on.
#[derive(Debug)]
struct OpenText {
    kind: Kind,
    id: String,
    text: String,
    /// Whether it was told to have begun. White space alone is none: models write it around calls.
    told: bool,
}

impl OpenText {
    fn new(kind: Kind) -> Self {
        let prefix = if matches!(kind, Kind::Reasoning(_)) { "rs" } else { "msg" };
        Self { kind, id: format!("{prefix}_{}", Uuid::now_v7().simple()), text: String::new(), told: false }
    }

    fn add(&mut self, text: &str, tell: &mut dyn FnMut(Told<'_>)) {
        self.text.push_str(text);
        if !self.told && self.text.trim().is_empty() {
            return;
        }
        let text = if self.told { text } else { &self.text };
        let of = match self.kind {
            Kind::Message | Kind::Refusal => PieceOf::Text,
            Kind::Reasoning(_) => PieceOf::Reasoning(0),
        };
        if !self.told {
            let id = Some(self.id.clone());
            tell(Told::Begun(match of {
                PieceOf::Text => OutputItem::Message { id, phase: None, content: Vec::new() },
                _ => OutputItem::Reasoning { id, summary: Vec::new(), content: Vec::new() },
            }));
        }
        tell(Told::Piece { of, item_id: Some(&self.id), text });
        self.told = true;
    }

    fn into_item(self) -> Value {
        let (id, text) = (self.id, self.text);
        let message = |part: Value| json!({ "type": "message", "id": id, "role": "assistant", "content": [part] });
        match self.kind {
            Kind::Message => message(json!({ "type": "output_text", "text": text })),
            Kind::Refusal => message(json!({ "type": "refusal", "refusal": text })),
            Kind::Reasoning(member) => json!({
                "type": "reasoning", "id": id, "summary": [], "chat_member": member,
                "content": [{ "type": "reasoning_text", "text": text }],
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::stream;
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::Decoder;
    use crate::failure::{Failure, FailureClass, RetryAdvice};
    use crate::model::stream::EventStream;
    use crate::model::wire::{End, Told};
    use crate::usage::TokenUsage;

    /// What is told of a response in these events, as one line each; ids are left out.
    fn told(events: &[String]) -> (Vec<String>, Result<End, Failure>) {
        let mut told = Vec::new();
        let mut tell = |event: Told<'_>| {
            told.push(match event {
                Told::Piece { of, text, .. } => format!("{of:?} {text:?}"),
                Told::Begun(_) => "begun".to_owned(),
                Told::Whole(raw) => {
                    let mut item: Value = serde_json::from_str(raw.get()).unwrap();
                    for id in ["id", "call_id"] {
                        item.as_object_mut().unwrap().remove(id);
                    }
                    item.to_string()
                }
                Told::SummaryPart { .. } => panic!("there are none"),
            });
        };
        let mut decoder = Decoder::new(&[valet_tools::definitions::apply_patch()]);
        let read = events.iter().map(|data| decoder.read(data, &mut tell)).find(|read| !matches!(read, Ok(None)));
        let end = read.map(|end| end.map(Option::unwrap)).unwrap_or_else(|| decoder.close(None, &mut tell));
        (told, end)
    }

    fn delta(delta: Value) -> String {
        json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] }).to_string()
    }

    fn finish(reason: &str) -> String {
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }).to_string()
    }

    fn text(text: &str) -> String {
        delta(json!({ "content": text }))
    }

    fn message(text: &str) -> String {
        let content = json!([{ "type": "output_text", "text": text }]);
        json!({ "type": "message", "role": "assistant", "content": content }).to_string()
    }

    fn done() -> String {
        "[DONE]".to_owned()
    }

    #[test]
    fn a_text_is_told_in_pieces_and_is_whole_at_the_end() {
        let usage = json!({ "choices": [], "usage": {
            "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10,
            "prompt_tokens_details": { "cached_tokens": 2 }, "completion_tokens_details": { "reasoning_tokens": 1 },
        } });
        let events = [
            delta(json!({ "role": "assistant", "content": "" })),
            text("Hel"),
            text("lo"),
            finish("stop"),
            usage.to_string(),
            done(),
        ];
        let (lines, end) = told(&events);
        assert_eq!(lines, ["begun", "Text \"Hel\"", "Text \"lo\"", &message("Hello")]);
        let usage =
            TokenUsage { total: 10, input: 7, cached_input: 2, output: 3, reasoning_output: 1, ..Default::default() };
        assert_eq!(end, Ok(End { usage: Some(usage), end_turn: None }));
    }

    #[test]
    fn either_of_a_reason_and_a_last_word_ends_a_response_and_without_both_it_was_cut() {
        for ends in [vec![finish("stop")], vec![done()], vec![finish("eos_token"), done()]] {
            let events: Vec<String> = [text("Hi")].into_iter().chain(ends).collect();
            assert_eq!(told(&events).1, Ok(End::default()), "{events:?}");
        }
        for events in [vec![], vec![text("Hi")], vec![finish("")], vec![done()]] {
            let failure = told(&events).1.unwrap_err();
            assert!(failure.retry_advice() != RetryAdvice::Never, "{events:?}");
        }
    }

    #[test]
    fn what_broke_after_the_end_was_said_is_whole() {
        let mut decoder = Decoder::new(&[]);
        decoder.read(&finish("stop"), &mut |_| {}).unwrap();
        assert_eq!(decoder.close(Some(Failure::disconnected("reset")), &mut |_| {}), Ok(End::default()));
    }

    #[test]
    fn reasoning_is_an_item_of_its_own_that_knows_what_the_server_calls_it() {
        for member in ["reasoning_content", "reasoning"] {
            let events = [delta(json!({ member: "Why" })), text("So."), finish("stop")];
            let content = json!([{ "type": "reasoning_text", "text": "Why" }]);
            let item = json!({ "type": "reasoning", "summary": [], "chat_member": member, "content": content });
            let expected =
                ["begun", "Reasoning(0) \"Why\"", &item.to_string(), "begun", "Text \"So.\"", &message("So.")];
            assert_eq!(told(&events).0, expected);
        }
        let twice = [delta(json!({ "reasoning": "Why", "reasoning_content": "Why" })), finish("stop")];
        assert_eq!(told(&twice).0.len(), 3);
    }

    #[test]
    fn white_space_around_calls_is_no_message_and_at_the_beginning_of_one_it_is_kept() {
        let call =
            json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "ls", "arguments": "{}" } }] });
        let item = json!({ "type": "function_call", "name": "ls", "arguments": "{}" }).to_string();
        assert_eq!(told(&[text("\n\n"), delta(call), finish("tool_calls")]).0, [item]);
        assert_eq!(told(&[text("\n"), text("a"), done()]).0, ["begun", "Text \"\\na\"", &message("\na")]);
    }

    #[test]
    fn a_tool_that_takes_free_text_gets_it_and_calls_come_behind_the_text() {
        let fragment = |text: &str| delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": text } }] }));
        let named = json!({ "index": 0, "id": "a", "type": "function", "function": { "name": "apply_patch" } });
        let events = [
            delta(json!({ "tool_calls": [named] })),
            fragment("{\"input\": \"*** Beg"),
            text("Look:"),
            fragment("in\\n\"}"),
            finish("stop"),
        ];
        let call = json!({ "type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin\n" });
        assert_eq!(told(&events).0, ["begun", "Text \"Look:\"", &message("Look:"), &call.to_string()]);
    }

    #[test]
    fn a_refusal_is_a_message_that_says_so() {
        let (lines, end) = told(&[delta(json!({ "refusal": "No." })), finish("stop")]);
        let content = json!([{ "type": "refusal", "refusal": "No." }]);
        let item = json!({ "type": "message", "role": "assistant", "content": content }).to_string();
        assert_eq!(lines, ["begun", "Text \"No.\"", &item]);
        assert!(end.is_ok());
    }

    #[test]
    fn a_response_that_is_too_long_keeps_its_text_and_loses_its_calls() {
        let call = json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "ls", "arguments": "{" } }] });
        let (lines, end) = told(&[text("Half"), delta(call), finish("length"), done()]);
        assert_eq!(lines, ["begun", "Text \"Half\"", &message("Half")]);
        let failure = end.unwrap_err();
        assert_eq!(failure.message, "Incomplete response returned, reason: max_output_tokens");
        assert_eq!(failure.retry_advice(), RetryAdvice::Never);
    }

    #[test]
    fn a_response_that_was_filtered_is_known_as_such() {
        let failure = told(&[text("Half"), finish("content_filter"), done()]).1.unwrap_err();
        assert_eq!(*failure.class(), FailureClass::ContentFiltered);
    }

    #[test]
    fn an_error_ends_a_response_and_what_is_no_chunk_is_passed_over() {
        let error = json!({ "error": { "message": "lost a worker", "code": 502 } }).to_string();
        let failure = told(&[text("Half"), error, done()]).1.unwrap_err();
        assert!(failure.message.ends_with("lost a worker"), "{failure}");
        let events = ["ping".to_owned(), "{}".to_owned(), text("Hi"), done()];
        assert!(told(&events).1.is_ok());
        let failure = told(&[text("Half"), r#"{"choices":5}"#.to_owned(), done()]).1.unwrap_err();
        assert!(failure.message.contains("a chunk that cannot be read"), "{failure}");
    }

    #[test]
    fn no_answer_is_lost_over_a_usage_that_cannot_be_read() {
        let usage = |usage: Value| json!({ "choices": [], "usage": usage }).to_string();
        let events = [text("Hi"), finish("stop"), usage(json!({ "prompt_tokens": 5 })), usage(json!("many")), done()];
        let last = TokenUsage { total: 5, input: 5, ..TokenUsage::default() };
        assert_eq!(told(&events).1, Ok(End { usage: Some(last), end_turn: None }));
    }

    #[test]
    fn a_completion_in_one_piece_says_the_same_as_a_stream() {
        let calls = json!([{ "id": "a", "type": "function", "function": { "name": "ls", "arguments": "{}" } }]);
        let message = json!({ "role": "assistant", "content": "Hi", "reasoning_content": "Why", "tool_calls": calls });
        for reason in [json!("tool_calls"), Value::Null] {
            let choice = json!({ "index": 0, "message": message, "finish_reason": reason });
            let whole = json!({ "object": "chat.completion", "choices": [choice] }).to_string();
            let stream = [
                delta(json!({ "reasoning_content": "Why" })),
                text("Hi"),
                delta(json!({ "tool_calls": calls })),
                finish("tool_calls"),
            ];
            assert_eq!(told(&[whole]), told(&stream));
        }
    }

    #[tokio::test]
    async fn wherever_the_bytes_are_cut_the_same_is_told() {
        let call = |index: u64, name: &str| json!({ "index": index, "id": format!("id-{index}"), "function": { "name": name, "arguments": "{\"é\":" } });
        let more = |index: u64| json!({ "index": index, "function": { "arguments": "\"\\u00e9\\n\"}" } });
        let events = [
            delta(json!({ "reasoning": "größe" })),
            text("a\nb"),
            delta(json!({ "tool_calls": [call(0, "ls"), call(1, "cat")] })),
            delta(json!({ "tool_calls": [more(1), more(0)] })),
            finish("tool_calls"),
            done(),
        ];
        let expected = told(&events);
        assert_eq!(expected.0.len(), 8);
        let bytes: String = events.iter().map(|event| format!(": comment\r\ndata: {event}\r\n\r\n")).collect();
        let bytes = Bytes::from(bytes);
        for cut in 0..bytes.len() {
            let chunks = [bytes.slice(..cut), bytes.slice(cut..)].map(Ok);
            let mut events = EventStream::new(stream::iter(chunks), Duration::from_secs(60));
            let mut read = Vec::new();
            while let Some(data) = events.next().await.unwrap() {
                read.push(data);
            }
            assert_eq!(told(&read), expected, "cut at {cut}");
        }
    }
}
