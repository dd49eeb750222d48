//! The bindings of a server as files: ours, which are committed, and the reference's, which it writes on demand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::shape::Schema;

/// The sorts of messages: the union of the sort in the bindings, and its list in `meta.json`.
pub(crate) type Sort = (&'static str, &'static str);
pub(crate) const REQUESTS: Sort = ("ClientRequest", "clientRequests");
pub(crate) const SERVER_REQUESTS: Sort = ("ServerRequest", "serverRequests");
pub(crate) const NOTIFICATIONS: Sort = ("ServerNotification", "serverNotifications");
pub(crate) const CLIENT_NOTIFICATIONS: Sort = ("ClientNotification", "clientNotifications");

/// The JSON Schemas of a server, by the name of the type.
pub(crate) struct Bindings {
    files: BTreeMap<String, Value>,
}

impl Bindings {
    pub(crate) fn read(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        for part in ["", "v1", "v2"] {
            for entry in std::fs::read_dir(folder.join(part)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|kind| kind == "json") {
                    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                    files.insert(name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
                }
            }
        }
        Self { files }
    }

    /// A type with a file of its own.
    pub(crate) fn file(&self, name: &str) -> Option<Schema<'_>> {
        self.files.get(name).map(Schema::file)
    }

    /// The parameters of all messages of a union, by method.
    pub(crate) fn params(&self, (union, _): Sort) -> BTreeMap<&str, Schema<'_>> {
        let file = &self.files[union];
        let members = file["oneOf"].as_array().unwrap().iter().map(|member| {
            let method = member["properties"]["method"]["enum"][0].as_str().unwrap();
            let params = member["properties"].get("params").unwrap_or(&Value::Null);
            (method, Schema { value: params, file })
        });
        members.collect()
    }
}

/// What the reference writes.
pub(crate) struct Reference {
    pub(crate) all: Bindings,
    pub(crate) stable: Bindings,
    folder: TempDir,
}

impl Reference {
    pub(crate) fn generate(codex: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |what: &str, to: &str, more: &[&str]| {
            let out = folder.path().join(to);
            let mut command = Command::new(codex);
            command.args(["app-server", what, "--out"]).arg(&out).args(more).env("CODEX_HOME", folder.path());
            let output = command.output().unwrap();
            assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
            out
        };
        let all = Bindings::read(&write("generate-json-schema", "json", &["--experimental"]));
        let stable = Bindings::read(&write("generate-json-schema", "stable", &[]));
        write("generate-ts", "typescript", &["--experimental"]);
        Self { all, stable, folder }
    }

    /// Its TypeScript.
    pub(crate) fn typescript(&self) -> PathBuf {
        self.folder.path().join("typescript")
    }
}

/// Our `schema/`.
pub(crate) fn ours() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema")
}

/// Our list of methods.
pub(crate) fn meta() -> Value {
    serde_json::from_slice(&std::fs::read(ours().join("meta.json")).unwrap()).unwrap()
}
