//! The history as chat messages. Servers are stricter here than the Responses API, and so are the templates behind
//! them: one system message, and that first; people and model take turns; each call has its answer right behind it.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::chunk::REASONING;
use super::tools;
use crate::history::History;

/// What a call is answered with that has no answer in the history.
const ABORTED: &str = "aborted";

/// What stands in for an answer that is an image: only people can show one.
const SHOWN: &str = "The image follows.";

/// An item of the history, whatever its type.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(default)]
    call_id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<String>,
    #[serde(default)]
    input: Option<String>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(default)]
    chat_member: Option<String>,
}

impl Item<'_> {
    fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("message")
    }

    fn is_said(&self) -> bool {
        self.kind() == "message" && self.role.as_deref() == Some("user")
    }
}

/// What the model is given.
pub(crate) fn of(history: &History) -> Vec<Value> {
    let items: Vec<Item<'_>> = history.input().filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect();
    let answers = items.iter().filter(|item| item.kind().ends_with("_output"));
    let answers = answers.filter_map(|item| Some((item.call_id.as_deref()?, item.output?))).collect();
    // Reasoning is given back while the model works on what was said last; before that, servers do not want it.
    let last_said = items.iter().rposition(Item::is_said);
    let mut writer = Writer { answers, ..Writer::default() };
    for (position, item) in items.iter().enumerate() {
        writer.add(item, Some(position) > last_said);
    }
    writer.close_system();
    writer.close_assistant();
    writer.close_user();
    writer.messages
}

/// Puts messages together. Of the three that neighbours may still be added to, one at most has anything in it.
#[derive(Default)]
struct Writer<'a> {
    /// By the id of the call.
    answers: HashMap<&'a str, &'a RawValue>,
    messages: Vec<Value>,
    system: Vec<Part>,
    user: Vec<Part>,
    assistant: Assistant,
}

#[derive(Default)]
struct Assistant {
    content: Vec<Part>,
    /// With the name that the server has for it.
    reasoning: Option<(String, String)>,
    calls: Vec<Value>,
    /// The id of each call, as the server knows it and as the history does.
    ids: Vec<(String, String)>,
}

impl Writer<'_> {
    fn add(&mut self, item: &Item<'_>, is_latest: bool) {
        match item.kind() {
            "message" => self.add_message(item),
            "reasoning" if is_latest => {
                let known = |member: &&str| REASONING.contains(member);
                if let Some(member) = item.chat_member.as_deref().filter(known) {
                    self.assistant().think(member, &joined(&parts(item.content), ""));
                }
            }
            "function_call" | "custom_tool_call" => self.assistant().call(item),
            // It was answered where it was called: the next call is another message's.
            kind if kind.ends_with("_output") => self.close_assistant(),
            // Of the rest, such as encrypted reasoning, only the backend knows what it is that it came from.
            _ => {}
        }
    }

    fn add_message(&mut self, item: &Item<'_>) {
        let parts = parts(item.content);
        match item.role.as_deref() {
            Some("assistant") => self.assistant().content.push(Part::Text(joined(&parts, ""))),
            Some("system" | "developer") if self.is_opening() => self.system.extend(parts),
            Some("system" | "developer") => {
                let text = joined(&parts, "\n\n");
                self.user().push(Part::Text(format!("<system_message>\n{text}\n</system_message>")));
            }
            _ => self.user().extend(parts),
        }
    }

    fn is_opening(&self) -> bool {
        self.messages.is_empty() && self.user.is_empty() && self.assistant.is_empty()
    }

    fn user(&mut self) -> &mut Vec<Part> {
        self.close_system();
        self.close_assistant();
        &mut self.user
    }

    fn assistant(&mut self) -> &mut Assistant {
        self.close_system();
        self.close_user();
        &mut self.assistant
    }

    fn close_system(&mut self) {
        let parts = std::mem::take(&mut self.system);
        if !parts.is_empty() {
            self.messages.push(json!({ "role": "system", "content": joined(&parts, "\n\n") }));
        }
    }

    fn close_user(&mut self) {
        let parts = std::mem::take(&mut self.user);
        if !parts.is_empty() {
            self.messages.push(json!({ "role": "user", "content": content(parts) }));
        }
    }

    /// Writes what the model said, and the answers to its calls. Images cannot be in an answer: they are shown after
    /// all of them.
    fn close_assistant(&mut self) {
        let mut assistant = std::mem::take(&mut self.assistant);
        let ids = std::mem::take(&mut assistant.ids);
        self.messages.extend(assistant.into_message());
        for (id, call_id) in ids {
            let answer = match self.answers.get(call_id.as_str()) {
                Some(output) => parts(Some(output)),
                None => vec![Part::Text(ABORTED.to_owned())],
            };
            let (shown, mut said): (Vec<_>, Vec<_>) =
                answer.into_iter().partition(|part| matches!(part, Part::Image { .. }));
            if said.is_empty() && !shown.is_empty() {
                said.push(Part::Text(SHOWN.to_owned()));
            }
            let said = joined(&said, "\n");
            self.messages.push(json!({ "role": "tool", "tool_call_id": id, "content": said }));
            self.user.extend(shown);
        }
    }
}

impl Assistant {
    fn is_empty(&self) -> bool {
        self.content.is_empty() && self.reasoning.is_none() && self.calls.is_empty()
    }

    fn think(&mut self, member: &str, text: &str) {
        match &mut self.reasoning {
            Some((_, before)) => {
                before.push('\n');
                before.push_str(text);
            }
            None => self.reasoning = Some((member.to_owned(), text.to_owned())),
        }
    }

    fn call(&mut self, item: &Item<'_>) {
        let (Some(call_id), Some(name)) = (&item.call_id, &item.name) else { return };
        let arguments = match (&item.input, &item.arguments) {
            (Some(input), _) => tools::arguments(input),
            (None, arguments) => object(arguments.as_deref().unwrap_or_default()),
        };
        let taken = |id: &&String| self.ids.iter().any(|(other, _)| other == *id);
        let id = item.id.as_ref().filter(|id| !taken(id)).unwrap_or(call_id);
        let function = json!({ "name": name, "arguments": arguments });
        self.calls.push(json!({ "id": id, "type": "function", "function": function }));
        self.ids.push((id.clone(), call_id.clone()));
    }

    /// Nothing, if there is neither a word nor a call in it.
    fn into_message(self) -> Option<Value> {
        let text = joined(&self.content, "\n\n");
        if text.is_empty() && self.calls.is_empty() {
            return None;
        }
        let text = if text.is_empty() { Value::Null } else { text.into() };
        let mut message = json!({ "role": "assistant", "content": text });
        if let Some((member, reasoning)) = self.reasoning {
            message[member] = reasoning.into();
        }
        if !self.calls.is_empty() {
            message["tool_calls"] = self.calls.into();
        }
        Some(message)
    }
}

/// Arguments that the model got wrong would be refused with every request from then on.
fn object(arguments: &str) -> String {
    match serde_json::from_str::<Value>(arguments) {
        Ok(Value::Object(_)) => arguments.to_owned(),
        _ => json!({ "unreadable": arguments }).to_string(),
    }
}

/// A part of a message.
#[derive(Debug)]
enum Part {
    Text(String),
    Image { url: String, detail: Option<String> },
}

impl Part {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Image { .. } => None,
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Text(text) => json!({ "type": "text", "text": text }),
            Self::Image { url, detail } => {
                let mut image = json!({ "url": url });
                // Nobody looks closer here.
                if let Some(detail) = detail {
                    image["detail"] = if detail == "original" { "high".into() } else { detail.into() };
                }
                json!({ "type": "image_url", "image_url": image })
            }
        }
    }
}

/// The parts of a message or of an answer, which is text or a list.
fn parts(content: Option<&RawValue>) -> Vec<Part> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Content {
        Text(String),
        Parts(Vec<Raw>),
        Other(Value),
    }
    #[derive(Deserialize)]
    struct Raw {
        #[serde(rename = "type", default)]
        kind: String,
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        refusal: Option<String>,
        #[serde(default)]
        image_url: Option<String>,
        #[serde(default)]
        detail: Option<String>,
    }
    let read = |part: Raw| match (part.text.or(part.refusal), part.image_url) {
        (Some(text), _) => Part::Text(text),
        (None, Some(url)) => Part::Image { url, detail: part.detail },
        (None, None) => Part::Text(format!("[`{}` is missing here: it cannot be sent to this provider.]", part.kind)),
    };
    match content.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
        Some(Content::Text(text)) => vec![Part::Text(text)],
        Some(Content::Parts(parts)) => parts.into_iter().map(read).collect(),
        Some(Content::Other(Value::Null)) | None => Vec::new(),
        Some(Content::Other(value)) => vec![Part::Text(value.to_string())],
    }
}

/// Text where it is all text: not every server takes parts.
fn content(parts: Vec<Part>) -> Value {
    if parts.iter().all(|part| part.text().is_some()) {
        return joined(&parts, "\n\n").into();
    }
    parts.into_iter().map(Part::into_value).collect()
}

fn joined(parts: &[Part], separator: &str) -> String {
    parts.iter().filter_map(Part::text).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::of;
    use crate::history::History;

    /// The messages of a history of these items.
    fn messages(items: &[Value]) -> Vec<Value> {
        let mut history = History::default();
        items.iter().for_each(|item| history.push_value(item));
        of(&history)
    }

    fn said(role: &str, text: &str) -> Value {
        let kind = if role == "assistant" { "output_text" } else { "input_text" };
        json!({ "type": "message", "role": role, "content": [{ "type": kind, "text": text }] })
    }

    fn call(id: &str) -> Value {
        json!({ "type": "function_call", "call_id": id, "name": "ls", "arguments": "{\"x\":1}" })
    }

    fn answer(id: &str, output: Value) -> Value {
        json!({ "type": "function_call_output", "call_id": id, "output": output })
    }

    fn called(id: &str) -> Value {
        json!({ "id": id, "type": "function", "function": { "name": "ls", "arguments": "{\"x\":1}" } })
    }

    fn answered(id: &str, text: &str) -> Value {
        json!({ "role": "tool", "tool_call_id": id, "content": text })
    }

    #[test]
    fn there_is_one_system_message_at_the_beginning_and_people_and_model_take_turns() {
        let items = [
            said("developer", "base"),
            said("developer", "guidance"),
            said("user", "place"),
            said("user", "hello"),
            said("assistant", "hi"),
            said("developer", "another mode"),
            json!({ "role": "user", "content": "bye" }),
        ];
        let expected = [
            json!({ "role": "system", "content": "base\n\nguidance" }),
            json!({ "role": "user", "content": "place\n\nhello" }),
            json!({ "role": "assistant", "content": "hi" }),
            json!({ "role": "user", "content": "<system_message>\nanother mode\n</system_message>\n\nbye" }),
        ];
        assert_eq!(messages(&items), expected);
    }

    #[test]
    fn calls_of_one_response_are_one_message_and_all_their_answers_follow() {
        let items = [
            said("assistant", "I look."),
            call("a"),
            call("b"),
            answer("b", "two".into()),
            answer("a", "one".into()),
            call("c"),
            answer("c", "three".into()),
        ];
        let expected = [
            json!({ "role": "assistant", "content": "I look.", "tool_calls": [called("a"), called("b")] }),
            answered("a", "one"),
            answered("b", "two"),
            json!({ "role": "assistant", "content": null, "tool_calls": [called("c")] }),
            answered("c", "three"),
        ];
        assert_eq!(messages(&items), expected);
    }

    #[test]
    fn an_answer_is_behind_its_call_wherever_it_was_and_none_is_open_or_without_a_call() {
        let items = [call("a"), said("user", "wait"), answer("a", "one".into()), call("b"), answer("x", "lost".into())];
        let expected = [
            json!({ "role": "assistant", "content": null, "tool_calls": [called("a")] }),
            answered("a", "one"),
            json!({ "role": "user", "content": "wait" }),
            json!({ "role": "assistant", "content": null, "tool_calls": [called("b")] }),
            answered("b", "aborted"),
        ];
        assert_eq!(messages(&items), expected);
    }

    #[test]
    fn a_server_gets_its_own_ids_back_unless_they_are_ambiguous() {
        let of_server = |id: &str| {
            let mut call = call(id);
            call["id"] = "functions.ls:0".into();
            call
        };
        let told = messages(&[of_server("a"), of_server("b"), answer("b", "two".into()), answer("a", "one".into())]);
        assert_eq!(told[0]["tool_calls"], json!([called("functions.ls:0"), called("b")]));
        assert_eq!(told[1..], [answered("functions.ls:0", "one"), answered("b", "two")]);
    }

    #[test]
    fn free_text_goes_back_as_the_argument_that_it_came_as() {
        let call = json!({ "type": "custom_tool_call", "call_id": "a", "name": "apply_patch", "input": "a\n\"b\"" });
        let output = json!({ "type": "custom_tool_call_output", "call_id": "a", "output": "Done" });
        let told = messages(&[call, output]);
        let arguments = told[0]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), json!({ "input": "a\n\"b\"" }));
        assert_eq!(told[1], answered("a", "Done"));
    }

    #[test]
    fn arguments_that_the_model_got_wrong_do_not_spoil_the_conversation() {
        for wrong in ["{\"x\":", "", "[1]"] {
            let call = json!({ "type": "function_call", "call_id": "a", "name": "ls", "arguments": wrong });
            let told = messages(&[call]);
            let arguments = told[0]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
            assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), json!({ "unreadable": wrong }));
        }
    }

    #[test]
    fn images_are_parts_and_one_in_an_answer_follows_all_answers() {
        let image = |url: &str| json!({ "type": "input_image", "image_url": url, "detail": "original" });
        let shown = |url: &str| json!({ "type": "image_url", "image_url": { "url": url, "detail": "high" } });
        let text = json!({ "type": "input_text", "text": "look" });
        let items = [
            json!({ "type": "message", "role": "user", "content": [text, image("data:1")] }),
            call("a"),
            call("b"),
            answer("a", json!([image("data:2")])),
            answer("b", json!([{ "type": "input_text", "text": "two" }, { "type": "input_audio" }])),
        ];
        let expected = [
            json!({ "role": "user", "content": [{ "type": "text", "text": "look" }, shown("data:1")] }),
            json!({ "role": "assistant", "content": null, "tool_calls": [called("a"), called("b")] }),
            answered("a", "The image follows."),
            answered("b", "two\n[`input_audio` is missing here: it cannot be sent to this provider.]"),
            json!({ "role": "user", "content": [shown("data:2")] }),
        ];
        assert_eq!(messages(&items), expected);
    }

    #[test]
    fn reasoning_goes_back_under_its_name_while_the_model_works_on_what_was_said_last() {
        let thought = |text: &str| {
            let content = json!([{ "type": "reasoning_text", "text": text }]);
            json!({ "type": "reasoning", "summary": [], "content": content, "chat_member": "reasoning_content" })
        };
        let encrypted = json!({ "type": "reasoning", "summary": [], "encrypted_content": "opaque" });
        let first = [said("user", "hello"), encrypted, thought("why"), call("a"), answer("a", "one".into())];
        let told = messages(&[first[..3].to_vec(), vec![thought("how")], first[3..].to_vec()].concat());
        assert_eq!(told[1]["reasoning_content"], "why\nhow");
        let told = messages(&first);
        let calls = json!([called("a")]);
        let expected = json!({ "role": "assistant", "content": null, "reasoning_content": "why", "tool_calls": calls });
        assert_eq!(told[1], expected);
        let later = [first.to_vec(), vec![said("assistant", "done"), said("user", "more")]].concat();
        assert_eq!(messages(&later)[1], json!({ "role": "assistant", "content": null, "tool_calls": calls }));
    }

    #[test]
    fn what_only_another_backend_understands_is_left_out() {
        let items = [json!({ "type": "web_search_call", "id": "ws" }), json!({ "type": "hologram" }), json!(5)];
        assert_eq!(messages(&items), [Value::Null; 0]);
    }
}
