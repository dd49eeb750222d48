//! What a message is about: its method, the request that it answers, its thread, and whether it carries a piece of a
//! text.

use std::collections::HashMap;

use serde_json::Value;

/// The requests of one connection, by who asked and the id.
#[derive(Default)]
pub struct Asked(HashMap<(bool, String), String>);

impl Asked {
    /// What a message is about: the method of a request, of a notification, or of the request that it answers.
    pub fn subject(&mut self, message: &Value, from_host: bool) -> String {
        let id = message.get("id").map(Value::to_string);
        match (message["method"].as_str(), id) {
            (Some(method), Some(id)) => {
                self.0.insert((from_host, id), method.to_owned());
                method.to_owned()
            }
            (Some(method), None) => method.to_owned(),
            (None, id) => {
                let method = self.0.get(&(!from_host, id.unwrap_or_default()));
                method.map_or("an answer to nothing", String::as_str).to_owned()
            }
        }
    }
}

/// The same for a request to the backend.
pub fn endpoint(call: &Value) -> String {
    let request = &call["request"];
    let path = request["path"].as_str().unwrap_or_default();
    format!("{} {}", request["method"].as_str().unwrap_or_default(), path.split('?').next().unwrap_or_default())
}

/// Whether a message carries a piece of an item's text.
pub fn is_delta(message: &Value) -> bool {
    message["method"].as_str().is_some_and(|method| method.starts_with("item/") && method.ends_with("elta"))
}

/// Adds `more` to `first` if both are pieces of one text.
pub fn joined(first: &Value, more: &Value) -> Option<Value> {
    let same = |pointer| first.pointer(pointer) == more.pointer(pointer);
    let fits = is_delta(first) && same("/method") && same("/params/itemId") && same("/params/summaryIndex");
    let texts = first["params"]["delta"].as_str().zip(more["params"]["delta"].as_str()).filter(|_| fits)?;
    let mut whole = first.clone();
    whole["params"]["delta"] = format!("{}{}", texts.0, texts.1).into();
    Some(whole)
}

/// The thread that a notification or a request to the backend is about.
pub fn thread_of(message: &Value) -> Option<&str> {
    let named = ["/params/threadId", "/params/thread/id", "/request/headers/thread-id"];
    named.iter().find_map(|pointer| message.pointer(pointer)?.as_str())
}
