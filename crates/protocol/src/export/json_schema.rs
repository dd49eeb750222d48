//! One JSON Schema (draft 07) per parameter, response and notification type, the unions of all messages,
//! and one bundle.
//!
//! What a client sends is described as the server reads it; what it gets, as the server writes it: that
//! is how "may be absent" and "is always present" are both said truly.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{Files, Surface};
use crate::define::{
    ClientNotificationMethod, ClientRequestMethod, MethodVisitor, ServerNotificationMethod, ServerRequestMethod,
};
use crate::error::{ErrorData, ErrorObject};
use crate::jsonrpc::RequestId;
use crate::methods;

/// The schemas.
pub fn json_schema(surface: Surface) -> Files {
    let mut writer =
        Writer { surface, files: Files::new(), unions: BTreeMap::new(), definitions: Map::new(), hidden: Vec::new() };
    writer.file::<RequestId>(Side::Reads, "");
    writer.file::<ErrorObject>(Side::Writes, "");
    writer.file::<ErrorData>(Side::Writes, "valet/");
    methods::visit(&mut writer);
    writer.finish()
}

/// What the server does with a type.
#[derive(Clone, Copy)]
enum Side {
    Reads,
    Writes,
}

struct Writer {
    surface: Surface,
    files: Files,
    unions: BTreeMap<&'static str, Union>,
    definitions: Map<String, Value>,
    /// The members that are left out, by the name of their type.
    hidden: Vec<(String, Vec<&'static str>)>,
}

/// One of the unions of all messages.
struct Union {
    generator: SchemaGenerator,
    members: Vec<Value>,
}

impl Writer {
    fn file<T: JsonSchema>(&mut self, side: Side, folder: &str) {
        self.file_without::<T>(side, folder, Vec::new());
    }

    fn file_without<T: JsonSchema>(&mut self, side: Side, folder: &str, hidden: Vec<&'static str>) {
        if T::inline_schema() {
            return;
        }
        let name = T::schema_name();
        let mut schema = generator(side).into_root_schema_for::<T>();
        without_members(schema.get_mut("properties"), &hidden);
        let path = PathBuf::from(format!("{folder}{name}.json"));
        self.files.insert(path, text(schema.as_value()));
        self.define(name.to_string(), schema.to_value());
        self.hidden.push((name.into_owned(), hidden));
    }

    /// Adds a schema to the bundle. A type that goes both ways keeps its wider form, the one that is read.
    fn define(&mut self, name: String, mut schema: Value) {
        if let Some(object) = schema.as_object_mut() {
            object.remove("$schema");
            if let Some(Value::Object(inner)) = object.remove("definitions") {
                for (name, schema) in inner {
                    self.define(name, schema);
                }
            }
        }
        let required = |schema: &Value| schema.get("required").and_then(Value::as_array).map_or(0, Vec::len);
        let narrower = self.definitions.get(&name).is_some_and(|known| required(known) <= required(&schema));
        if !narrower {
            self.definitions.insert(name, schema);
        }
    }

    fn member(&mut self, union: &'static str, side: Side, make: impl FnOnce(&mut SchemaGenerator) -> Value) {
        let union =
            self.unions.entry(union).or_insert_with(|| Union { generator: generator(side), members: Vec::new() });
        union.members.push(make(&mut union.generator));
    }

    fn finish(mut self) -> Files {
        for (name, mut union) in std::mem::take(&mut self.unions) {
            let mut definitions = union.generator.take_definitions(true);
            for (name, hidden) in &self.hidden {
                without_members(definitions.get_mut(name).and_then(|schema| schema.get_mut("properties")), hidden);
            }
            let schema = json!({
                "$schema": "http://json-schema.org/draft-07/schema#",
                "title": name,
                "oneOf": union.members,
                "definitions": definitions,
            });
            self.files.insert(format!("{name}.json").into(), text(&schema));
            self.define(name.to_owned(), schema);
        }
        let bundle = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "CodexAppServerProtocol",
            "type": "object",
            "definitions": self.definitions,
        });
        self.files.insert("codex_app_server_protocol.schemas.json".into(), text(&bundle));
        self.files
    }
}

impl MethodVisitor for Writer {
    fn client_request<M: ClientRequestMethod>(&mut self) {
        if !self.surface.includes(M::GATES) {
            return;
        }
        let hidden = self.surface.hidden_fields(M::GATES);
        self.file_without::<M::Params>(Side::Reads, folder::<M::Params>(), hidden);
        self.file::<M::Response>(Side::Writes, folder::<M::Response>());
        self.member("ClientRequest", Side::Reads, |generator| {
            let params = generator.subschema_for::<M::Params>();
            let mut member = message(M::METHOD, M::DOC, params, &["id", "method"]);
            member["properties"]["id"] = generator.subschema_for::<RequestId>().to_value();
            if !M::PARAMS_OPTIONAL
                && let Some(required) = member["required"].as_array_mut()
            {
                required.push("params".into());
            }
            member
        });
    }

    fn server_request<M: ServerRequestMethod>(&mut self) {
        self.file::<M::Params>(Side::Writes, "");
        self.file::<M::Response>(Side::Reads, "");
        self.member("ServerRequest", Side::Writes, |generator| {
            let params = generator.subschema_for::<M::Params>();
            let mut member = message(M::METHOD, M::DOC, params, &["id", "method", "params"]);
            member["properties"]["id"] = generator.subschema_for::<RequestId>().to_value();
            member
        });
    }

    fn server_notification<M: ServerNotificationMethod>(&mut self) {
        self.file::<M::Params>(Side::Writes, "v2/");
        self.member("ServerNotification", Side::Writes, |generator| {
            let params = generator.subschema_for::<M::Params>();
            let mut member = message(M::METHOD, M::DOC, params, &["method", "params"]);
            member["properties"]["emittedAtMs"] = json!({ "type": "integer" });
            member
        });
    }

    fn client_notification<M: ClientNotificationMethod>(&mut self) {
        self.member("ClientNotification", Side::Reads, |_| message(M::METHOD, M::DOC, true.into(), &["method"]));
    }
}

fn without_members(properties: Option<&mut Value>, hidden: &[&str]) {
    if let Some(properties) = properties.and_then(Value::as_object_mut) {
        properties.retain(|name, _| !hidden.contains(&name.as_str()));
    }
}

fn message(method: &str, doc: &str, params: Schema, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "description": doc.trim(),
        "properties": { "method": { "type": "string", "enum": [method] }, "params": params },
        "required": required,
    })
}

/// The folder of a type: that of its TypeScript file, with the older types in `v1/`.
fn folder<T: ts_rs::TS>() -> &'static str {
    let path = T::output_path().unwrap_or_default();
    ["v2/", "valet/"].into_iter().find(|folder| path.starts_with(folder)).unwrap_or("v1/")
}

fn generator(side: Side) -> SchemaGenerator {
    let settings = SchemaSettings::draft07().with_transform(AsInTheReference);
    match side {
        Side::Reads => settings.for_deserialize(),
        Side::Writes => settings.for_serialize(),
    }
    .into_generator()
}

/// Small differences of spelling: `enum` of one for `const`, `required` in sorted order, and no width of
/// integers, which JSON does not know.
#[derive(Clone)]
struct AsInTheReference;

impl Transform for AsInTheReference {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(value) = schema.remove("const") {
            schema.insert("enum".to_owned(), json!([value]));
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
        schema.remove("format");
        transform_subschemas(self, schema);
    }
}

/// Pretty text with sorted members and a final line break.
fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}
