//! Recordings of the reference against the generated schema: what it sends fits the types that we say a
//! server sends, what its clients send fits the types that we read, and the smallest values the schema
//! allows are values that we can read. So the bindings lie about null and optional in neither direction.

use std::collections::HashMap;
use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::{
    ClientNotificationMethod, ClientRequestMethod, MethodVisitor, ServerNotificationMethod, ServerRequestMethod,
    methods,
};
use valet_tests::{Shape, misfit};

/// Puts numbers where the recording holds a placeholder for one.
fn with_numbers(value: &mut Value) {
    match value {
        Value::String(text) if ["<ms>", "<s>", "<duration-ms>"].contains(&text.as_str()) => *value = json!(1),
        Value::Array(items) => items.iter_mut().for_each(with_numbers),
        Value::Object(members) => members.values_mut().for_each(with_numbers),
        _ => {}
    }
}

struct Recorded {
    file: String,
    from_server: bool,
    connection: String,
    message: Value,
}

fn recordings() -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let mut recorded = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let mut line: Value = serde_json::from_str(line).unwrap();
            with_numbers(&mut line);
            let from_server = match line["dir"].as_str().unwrap() {
                "server->client" => true,
                "client->server" => false,
                _ => continue,
            };
            let connection = line["conn"].as_str().unwrap_or_default().to_owned();
            recorded.push(Recorded { file: file.clone(), from_server, connection, message: line["message"].take() });
        }
    }
    recorded
}

/// Items and values of methods that come later.
fn comes_later(message: &Value) -> bool {
    let text = message.to_string();
    ["commandExecution", "fileChange", "dynamicToolCall", "\"granular\"", "collaborationMode"]
        .iter()
        .any(|kind| text.contains(kind))
}

#[test]
fn what_the_reference_sends_and_takes_fits_the_schema() {
    let mut asked: HashMap<(String, String, bool, String), String> = HashMap::new();
    let mut refused = Vec::new();
    let mut checked = 0;
    for Recorded { file, from_server, connection, message } in recordings() {
        let id = message.get("id").map(Value::to_string);
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        let params = message.get("params").cloned().unwrap_or_default();
        let found = match (id, method) {
            (Some(id), Some(method)) => {
                asked.insert((file.clone(), connection, from_server, id), method.clone());
                let shape = if from_server { Shape::ServerParams } else { Shape::ClientParams };
                (!comes_later(&params)).then(|| misfit(shape, &method, &params)).flatten()
            }
            (None, Some(method)) if from_server && !comes_later(&params) => {
                misfit(Shape::Notification, &method, &params)
            }
            (Some(id), None) => {
                let (shape, key) = match from_server {
                    true => (Shape::ClientResult, (file.clone(), connection, false, id)),
                    false => (Shape::ServerResult, (file.clone(), connection, true, id)),
                };
                let result = message.get("result").filter(|result| !comes_later(result));
                asked.get(&key).zip(result).and_then(|(method, result)| misfit(shape, method, result))
            }
            _ => None,
        };
        checked += 1;
        refused.extend(found.map(|misfit| format!("{file}: {misfit}")));
    }
    assert!(checked > 800, "the recordings are there");
    // Sent wrong on purpose, to see what the reference does.
    refused.retain(|misfit| !misfit.starts_with("refresh_malformed.jsonl: ServerResult"));
    assert!(refused.is_empty(), "{}", refused.join("\n\n"));
}

/// The smallest value that a schema allows: only what is required, and of that the smallest.
fn smallest(schema: &Value, definitions: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return smallest(&definitions[reference.rsplit('/').next().unwrap()], definitions);
    }
    for union in ["allOf", "oneOf", "anyOf"] {
        if let Some(first) = schema[union].as_array().and_then(|members| members.first()) {
            return with_members_of(schema, definitions, smallest(first, definitions));
        }
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(value) = schema["enum"].as_array().and_then(|values| values.first()) {
        return value.clone();
    }
    // Where not every text is good, the schema shows one that is.
    if let Some(example) = schema["examples"].as_array().and_then(|examples| examples.first()) {
        return example.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("object") => with_members_of(schema, definitions, json!({})),
        Some("array") => json!([]),
        Some("string") => json!(""),
        Some("integer" | "number") => json!(0),
        Some("boolean") => json!(false),
        _ => Value::Null,
    }
}

fn with_members_of(schema: &Value, definitions: &Value, mut value: Value) -> Value {
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        value[name] = smallest(&schema["properties"][name], definitions);
    }
    value
}

/// Reads the smallest parameters of each method, and the smallest with null for all that may be null.
#[derive(Default)]
struct Reader {
    read: usize,
}

impl Reader {
    fn reads<T: serde::de::DeserializeOwned + serde::Serialize + schemars::JsonSchema>(&mut self, name: &str) {
        let schema = schemars::generate::SchemaSettings::draft07().for_deserialize().into_generator();
        let schema = schema.into_root_schema_for::<T>().to_value();
        let mut value = smallest(&schema, &schema["definitions"]);
        let read: Result<T, _> = serde_json::from_value(value.clone());
        assert!(read.is_ok(), "{name}: {value} is allowed and cannot be read: {:?}", read.err());
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            let nullable = schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("null")))
                || schema["anyOf"].as_array().is_some_and(|kinds| kinds.contains(&json!({ "type": "null" })));
            if nullable {
                value[member] = Value::Null;
            }
        }
        let read: Result<T, _> = serde_json::from_value(value.clone());
        assert!(read.is_ok(), "{name}: {value} is allowed and cannot be read: {:?}", read.err());
        self.read += 1;
    }
}

impl MethodVisitor for Reader {
    fn client_request<M: ClientRequestMethod>(&mut self) {
        self.reads::<M::Params>(M::METHOD);
    }

    fn server_request<M: ServerRequestMethod>(&mut self) {
        self.reads::<M::Response>(M::METHOD);
    }

    fn server_notification<M: ServerNotificationMethod>(&mut self) {}

    fn client_notification<M: ClientNotificationMethod>(&mut self) {}
}

macro_rules! count {
    ($($name:ident),+) => { [$(stringify!($name)),+].len() };
}

#[test]
fn the_smallest_values_that_the_schema_allows_can_be_read() {
    let mut reader = Reader::default();
    methods::visit(&mut reader);
    // The parameters of each request of a client, and the response of the one request of the server.
    assert_eq!(reader.read, valet_protocol::for_each_client_request!(count) + 1);
}
