//! The backend of a recording: a script that does what the recording shows.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use valet_sim::{Response, Rule, Script, Step, TokenPolicy};

use super::recording::{Line, Recording, What};

/// A script for the recording: each thing that the user says gets the answers that it got then.
pub(super) fn script(recording: &Recording) -> Script {
    let mut answers: BTreeMap<(Reverse<usize>, String), Rule> = BTreeMap::new();
    for (index, line) in recording.lines.iter().enumerate() {
        if line.what == What::Called && line.is_turn() && line.status() != 401 {
            let said = said(line);
            let rule = answers.entry((Reverse(said.len()), said.clone())).or_insert_with(|| Rule::when(&said));
            rule.responses.push(response(line, &recording.lines[index + 1..]));
        }
    }
    let tokens = TokenPolicy { anonymous: true, ..TokenPolicy::default() };
    // The longest first: a rule holds for every text that contains its own.
    answers.into_values().fold(Script::new().tokens(tokens), Script::rule)
}

/// What the user said last.
fn said(line: &Line) -> String {
    let last = line.input().iter().rfind(|item| item["role"] == "user");
    last.and_then(|item| item["content"].as_str()).unwrap().to_owned()
}

fn response(line: &Line, after: &[Line]) -> Response {
    if line.status() != 200 {
        return Response::status(line.status()).body(line.body.clone().unwrap_or_default());
    }
    let mine = |other: &&Line| other.thread() == line.thread();
    let next = after.iter().position(|other| other.is_turn() && mine(&other)).unwrap_or(after.len());
    let told = after[..next].iter().filter(|other| other.what == What::Told).filter(mine);
    let mut response = told.flat_map(|line| events(&line.message)).fold(Response::new(), Response::event);
    for call in after.get(next).into_iter().flat_map(|next| calls(line, next)) {
        response = response.item(call);
    }
    match line.message["response"]["cut"].is_string() {
        true => response.step(Step::DelayMs(600_000)),
        false => response,
    }
}

/// The events that made the host tell this.
fn events(told: &Value) -> Vec<Value> {
    let params = &told["params"];
    let item = &params["item"];
    let id = item["id"].as_str().or(params["itemId"].as_str()).unwrap_or_default();
    let event = |kind: &str, fields: Value| {
        let mut event = json!({ "type": format!("response.{kind}"), "item_id": id, "output_index": 0 });
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        event
    };
    let words = |kind: &str, index: Value| {
        let words = params["delta"].as_str().unwrap().split_inclusive(' ');
        let with = |word: &str| {
            let mut event = event(kind, index.clone());
            event["delta"] = word.into();
            event
        };
        words.map(with).collect()
    };
    match (told["method"].as_str().unwrap_or_default(), item["type"].as_str().unwrap_or_default()) {
        ("item/started", kind @ ("agentMessage" | "reasoning")) => {
            vec![event("output_item.added", json!({ "item": in_progress(kind, id) }))]
        }
        ("item/agentMessage/delta", _) => words("output_text.delta", json!({ "content_index": 0 })),
        ("item/reasoning/summaryPartAdded", _) => {
            vec![event("reasoning_summary_part.added", json!({ "summary_index": 0 }))]
        }
        ("item/reasoning/summaryTextDelta", _) => words("reasoning_summary_text.delta", json!({ "summary_index": 0 })),
        ("item/completed", kind @ ("agentMessage" | "reasoning")) => {
            vec![event("output_item.done", json!({ "item": done(kind, item) }))]
        }
        _ => Vec::new(),
    }
}

fn in_progress(kind: &str, id: &str) -> Value {
    match kind {
        "reasoning" => json!({ "type": "reasoning", "id": id, "summary": [] }),
        _ => json!({ "type": "message", "role": "assistant", "id": id, "content": [], "status": "in_progress" }),
    }
}

fn done(kind: &str, item: &Value) -> Value {
    let mut done = in_progress(kind, item["id"].as_str().unwrap());
    if kind == "reasoning" {
        let texts = item["summary"].as_array().into_iter().flatten();
        done["summary"] = texts.map(|text| json!({ "type": "summary_text", "text": text })).collect();
        done["encrypted_content"] = "opaque".into();
    } else {
        done["content"] = json!([{ "type": "output_text", "text": item["text"], "annotations": [] }]);
        done["status"] = "completed".into();
    }
    done
}

/// The calls of tools that came with a response: the next request brings them back.
fn calls<'a>(line: &'a Line, next: &'a Line) -> impl Iterator<Item = Value> + 'a {
    let is_call = |item: &&Value| item["type"].as_str().is_some_and(|kind| kind.ends_with("_call"));
    next.input().iter().filter(is_call).filter(|item| !line.input().contains(item)).cloned()
}

/// The recorded form of what was recorded: what the backend said is known otherwise.
pub(super) fn expected(line: &Line) -> Value {
    let mut call = line.message.clone();
    let response = call["response"].as_object_mut().unwrap();
    response.retain(|name, _| name == "status" || name == "cut");
    call
}
