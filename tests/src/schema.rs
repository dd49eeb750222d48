//! The generated JSON Schema as a judge of messages.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::Value;
use valet_protocol::export::{self, Surface};

/// Which part of a method's exchange a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// The parameters of a request of a client.
    ClientParams,
    /// The result of a request of a client.
    ClientResult,
    /// The parameters of a request of the server.
    ServerParams,
    /// The result of a request of the server.
    ServerResult,
    /// The parameters of a notification of the server.
    Notification,
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(Schemas::load);

type Compiled = HashMap<(Shape, String), Option<Arc<Validator>>>;

struct Schemas {
    /// Schema texts by type.
    files: HashMap<String, Value>,
    meta: Value,
    compiled: Mutex<Compiled>,
}

/// Says in what a value does not fit its method's schema. None: it fits, or the method is not known.
pub fn misfit(shape: Shape, method: &str, value: &Value) -> Option<String> {
    let validator = SCHEMAS.validator(shape, method)?;
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    (!errors.is_empty()).then(|| format!("{shape:?} of {method}: {}\n{value:#}", errors.join("; ")))
}

impl Schemas {
    fn load() -> Self {
        let files = export::json_schema(Surface::Experimental).into_iter().filter_map(|(path, text)| {
            let name = path.file_stem()?.to_str()?.to_owned();
            Some((name, serde_json::from_str(&text).ok()?))
        });
        let meta = serde_json::from_str(&export::meta()).expect("the list of methods is JSON");
        Self { files: files.collect(), meta, compiled: Mutex::default() }
    }

    fn validator(&self, shape: Shape, method: &str) -> Option<Arc<Validator>> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let compile = || {
            let (list, member) = match shape {
                Shape::ClientParams => ("clientRequests", "params"),
                Shape::ClientResult => ("clientRequests", "response"),
                Shape::ServerParams => ("serverRequests", "params"),
                Shape::ServerResult => ("serverRequests", "response"),
                Shape::Notification => ("serverNotifications", "params"),
            };
            let name = self.meta[list][method][member].as_str()?;
            let schema = self.files.get(name).expect("each type has a schema");
            Some(Arc::new(jsonschema::validator_for(schema).expect("the schema is one")))
        };
        compiled.entry((shape, method.to_owned())).or_insert_with(compile).clone()
    }
}
