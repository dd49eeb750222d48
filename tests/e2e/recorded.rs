//! Recordings of the reference against the generated schema: what it sends fits the types that we say a
//! server sends, what its clients send fits the types that we read, and the smallest values the schema
//! allows are values that we can read. So the bindings lie about null and optional in neither direction.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::v2::{ThreadItem, ThreadItemDetails};
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

/// One side of an exchange of a known kind.
struct Said {
    file: String,
    shape: Shape,
    method: String,
    value: Value,
}

/// Everything with parameters or a result that the recordings hold.
fn said() -> Vec<Said> {
    let mut asked: HashMap<(String, String, bool, String), String> = HashMap::new();
    let mut said = Vec::new();
    for Recorded { file, from_server, connection, mut message } in recordings() {
        let id = message.get("id").map(Value::to_string);
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        let params = message.get("params").cloned().unwrap_or_default();
        let (shape, method, value) = match (id, method) {
            (Some(id), Some(method)) => {
                asked.insert((file.clone(), connection, from_server, id), method.clone());
                (if from_server { Shape::ServerParams } else { Shape::ClientParams }, method, params)
            }
            (None, Some(method)) if from_server => (Shape::Notification, method, params),
            (Some(id), None) => {
                let shape = if from_server { Shape::ClientResult } else { Shape::ServerResult };
                let Some(method) = asked.get(&(file.clone(), connection, !from_server, id)) else { continue };
                let Some(result) = message.get_mut("result") else { continue };
                (shape, method.clone(), result.take())
            }
            _ => continue,
        };
        // Sent wrong on purpose, to see what the reference does.
        let wrong = file == "refresh_malformed.jsonl" && shape == Shape::ServerResult;
        if !wrong {
            said.push(Said { file, shape, method, value });
        }
    }
    assert!(said.len() > 800, "the recordings are there");
    said
}

#[test]
fn what_the_reference_sends_and_takes_fits_the_schema() {
    let refused = said().into_iter().filter_map(|Said { file, shape, method, value }| {
        misfit(shape, &method, &value).map(|misfit| format!("{file}: {misfit}"))
    });
    let refused: Vec<String> = refused.collect();
    assert!(refused.is_empty(), "{}", refused.join("\n\n"));
}

/// Reads what was said of each method, and writes it again.
struct Rewriter {
    said: Vec<Said>,
    /// How many parts of how many methods were found.
    parts: usize,
    changed: Vec<String>,
}

impl Rewriter {
    fn rewrites<T: serde::de::DeserializeOwned + serde::Serialize>(&mut self, shape: Shape, method: &str) {
        let mut found = false;
        for Said { file, value, .. } in self.said.iter().filter(|said| said.shape == shape && said.method == method) {
            found = true;
            let went = match serde_json::from_value::<T>(value.clone()) {
                Ok(read) => serde_json::to_value(read).unwrap(),
                Err(error) => json!(error.to_string()),
            };
            let same = match shape {
                Shape::ClientParams | Shape::ServerResult => means_the_same(value, &went),
                _ => *value == went,
            };
            if !same {
                self.changed.push(format!("{file}: {shape:?} of {method} came as\n{value:#}\nand went as\n{went:#}"));
            }
        }
        self.parts += usize::from(found);
    }
}

/// What a client leaves out may be written as null, false or empty; nothing that it says may be lost.
fn means_the_same(came: &Value, went: &Value) -> bool {
    match (came, went) {
        (Value::Object(came), Value::Object(went)) => {
            let says_nothing = |value: &Value| [json!(null), json!(false), json!([])].contains(value);
            came.iter().all(|(name, value)| value.is_null() || went.contains_key(name))
                && went.iter().all(|(name, value)| match came.get(name) {
                    Some(came) => means_the_same(came, value),
                    None => says_nothing(value),
                })
        }
        (Value::Array(came), Value::Array(went)) => {
            came.len() == went.len() && came.iter().zip(went).all(|(came, went)| means_the_same(came, went))
        }
        _ => came == went,
    }
}

impl MethodVisitor for Rewriter {
    fn client_request<M: ClientRequestMethod>(&mut self) {
        self.rewrites::<M::Params>(Shape::ClientParams, M::METHOD);
        self.rewrites::<M::Response>(Shape::ClientResult, M::METHOD);
    }

    fn server_request<M: ServerRequestMethod>(&mut self) {
        self.rewrites::<M::Params>(Shape::ServerParams, M::METHOD);
        self.rewrites::<M::Response>(Shape::ServerResult, M::METHOD);
    }

    fn server_notification<M: ServerNotificationMethod>(&mut self) {
        self.rewrites::<M::Params>(Shape::Notification, M::METHOD);
    }

    fn client_notification<M: ClientNotificationMethod>(&mut self) {}
}

#[test]
fn what_the_reference_sends_and_takes_is_read_and_written_back_the_same() {
    let mut rewriter = Rewriter { said: said(), parts: 0, changed: Vec::new() };
    methods::visit(&mut rewriter);
    assert!(rewriter.changed.is_empty(), "{}", rewriter.changed.join("\n\n"));
    assert!(rewriter.parts > 50, "the recordings are there");
}

#[test]
fn every_item_that_the_reference_sends_has_a_type() {
    let mut kinds = BTreeSet::new();
    for Said { file, value, .. } in said() {
        let Some(item) = value.get("item") else { continue };
        let read: ThreadItem = serde_json::from_value(item.clone()).unwrap();
        assert!(!matches!(read.details, ThreadItemDetails::Unknown(_)), "{file}: {item:#}");
        kinds.insert(item["type"].as_str().unwrap().to_owned());
    }
    let recorded = ["agentMessage", "commandExecution", "dynamicToolCall", "fileChange", "reasoning", "userMessage"];
    assert_eq!(Vec::from_iter(kinds), recorded);
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
    // The parameters of each request of a client, and the responses of the six requests of the server.
    assert_eq!(reader.read, valet_protocol::for_each_client_request!(count) + 6);
}
