//! A list of the methods for people and tools that want no types.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::COMPATIBLE_VERSION;
use crate::define::{
    ClientNotificationMethod, ClientRequestMethod, MethodVisitor, NoParams, ServerNotificationMethod,
    ServerRequestMethod,
};
use crate::experimental::Gate;
use crate::methods;

/// The text of `schema/meta.json`.
pub fn meta() -> String {
    let mut writer = Writer::default();
    methods::visit(&mut writer);
    let value = json!({
        "compatibleVersion": COMPATIBLE_VERSION,
        "clientRequests": writer.client_requests,
        "serverRequests": writer.server_requests,
        "serverNotifications": writer.server_notifications,
        "clientNotifications": writer.client_notifications,
    });
    format!("{value:#}\n")
}

#[derive(Default)]
struct Writer {
    client_requests: Map<String, Value>,
    server_requests: Map<String, Value>,
    server_notifications: Map<String, Value>,
    client_notifications: Map<String, Value>,
}

impl MethodVisitor for Writer {
    fn client_request<M: ClientRequestMethod>(&mut self) {
        let gated = |gate: &Gate| match gate {
            Gate::Method => "the method".to_owned(),
            Gate::Field(name) | Gate::Nullable(name) | Gate::Flag(name) => format!("params.{name}"),
            Gate::Type(name) => format!("params.type = {name}"),
            Gate::Variant { field, variant, .. } => format!("params.{field}.{variant}"),
        };
        let entry = json!({
            "about": M::DOC.trim(),
            "params": name::<M::Params>(),
            "response": name::<M::Response>(),
            "experimental": M::GATES.iter().map(gated).collect::<Vec<_>>(),
        });
        self.client_requests.insert(M::METHOD.to_owned(), entry);
    }

    fn server_request<M: ServerRequestMethod>(&mut self) {
        let entry = json!({
            "about": M::DOC.trim(),
            "params": name::<M::Params>(),
            "response": name::<M::Response>(),
        });
        self.server_requests.insert(M::METHOD.to_owned(), entry);
    }

    fn server_notification<M: ServerNotificationMethod>(&mut self) {
        let entry = json!({ "about": M::DOC.trim(), "params": name::<M::Params>() });
        self.server_notifications.insert(M::METHOD.to_owned(), entry);
    }

    fn client_notification<M: ClientNotificationMethod>(&mut self) {
        self.client_notifications.insert(M::METHOD.to_owned(), json!({ "about": M::DOC.trim() }));
    }
}

fn name<T: JsonSchema>() -> Option<String> {
    let name = T::schema_name();
    (name != NoParams::schema_name()).then(|| name.into_owned())
}
