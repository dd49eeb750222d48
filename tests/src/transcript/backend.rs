//! Requests to the backend in the form that recordings hold.

use serde_json::{Map, Value, json};
use valet_sim::{Outcome, RecordedRequest};

/// The headers that recordings hold.
const HEADERS: [&str; 5] = ["chatgpt-account-id", "originator", "session-id", "thread-id", "accept"];

/// The members of a request's body that recordings hold.
pub const BODY: [&str; 10] = [
    "model",
    "stream",
    "store",
    "include",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "prompt_cache_key",
    "tools",
    "input",
];

/// A request in the form of a recording, with these members of its body. The bearer is the token itself.
pub fn recorded(request: &RecordedRequest, members: &[&str]) -> Value {
    let mut headers: Map<String, Value> = Map::new();
    headers.extend(request.bearer.iter().map(|token| ("authorization".to_owned(), format!("Bearer {token}").into())));
    headers.extend(HEADERS.iter().filter_map(|name| Some(((*name).to_owned(), request.header(name)?.into()))));
    let mut call = json!({
        "request": { "method": request.method, "path": request.path, "headers": headers },
        "response": { "status": request.status },
    });
    if request.body.is_object() {
        let members = members.iter().filter_map(|name| Some(((*name).to_owned(), request.body.get(name)?.clone())));
        let mut body = Value::Object(members.collect());
        body["tools"] = request.body["tools"].as_array().into_iter().flatten().map(tool_name).collect();
        body["input"] = request.body["input"].as_array().into_iter().flatten().map(input_item).collect();
        call["request"]["body"] = body;
    }
    if request.outcome == Outcome::Abandoned {
        call["response"]["cut"] = "client closed the stream".into();
    }
    call
}

fn tool_name(tool: &Value) -> Value {
    if tool["name"].is_string() { tool["name"].clone() } else { tool["type"].clone() }
}

/// An item of the input: of a message, the text is its content.
fn input_item(item: &Value) -> Value {
    if item["type"] != "message" {
        return item.clone();
    }
    let parts = item["content"].as_array().into_iter().flatten();
    let text: String = parts.filter_map(|part| part["text"].as_str()).collect();
    json!({ "type": "message", "role": item["role"], "id": item["id"], "content": text })
}
