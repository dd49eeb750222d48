//! The committed schema is what the code says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and tells on stderr")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::JsonSchema as _;
use serde_json::Value;
use valet_protocol::experimental::Gate;
use valet_protocol::export::{self, Files, Surface};
use valet_protocol::{
    ClientNotificationMethod, ClientRequestMethod, MethodVisitor, ServerNotificationMethod, ServerRequestMethod,
    methods,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema")
}

fn generated() -> Files {
    let mut files = Files::new();
    let mut add = |folder: &str, part: Files| {
        files.extend(part.into_iter().map(|(path, text)| (Path::new(folder).join(path), text)));
    };
    add("typescript", export::typescript(Surface::Experimental));
    add("json", export::json_schema(Surface::Experimental));
    files.insert("meta.json".into(), export::meta());
    files
}

fn committed(folder: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            committed(&entry.path(), &path, found);
        } else {
            found.insert(path);
        }
    }
}

#[test]
fn the_committed_schema_is_what_the_code_says() {
    let generated = generated();
    let mut known = BTreeSet::new();
    committed(&folder(), Path::new(""), &mut known);
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        for path in known.iter().filter(|path| !generated.contains_key(*path)) {
            std::fs::remove_file(folder().join(path)).unwrap();
        }
        export::write(&generated, &folder()).unwrap();
        return;
    }
    let mut drift: Vec<String> = known
        .iter()
        .filter(|path| !generated.contains_key(*path))
        .map(|path| format!("{} is no longer generated", path.display()))
        .collect();
    for (path, text) in &generated {
        if std::fs::read_to_string(folder().join(path)).ok().as_ref() != Some(text) {
            drift.push(format!("{} differs", path.display()));
        }
    }
    assert!(
        drift.is_empty(),
        "schema/ has drifted; run `just schema` (or UPDATE_SCHEMA=1 cargo test -p valet-protocol --test schema)\n{}",
        drift.join("\n")
    );
}

/// The members of parameters that need the opt-in, with the name of their type.
#[derive(Default)]
struct Gated(Vec<(String, &'static str)>);

impl MethodVisitor for Gated {
    fn client_request<M: ClientRequestMethod>(&mut self) {
        for gate in M::GATES {
            if let Gate::Field(member) | Gate::Nullable(member) | Gate::Flag(member) = gate {
                self.0.push((M::Params::schema_name().into_owned(), member));
            }
        }
    }

    fn server_request<M: ServerRequestMethod>(&mut self) {}
    fn server_notification<M: ServerNotificationMethod>(&mut self) {}
    fn client_notification<M: ClientNotificationMethod>(&mut self) {}
}

#[test]
fn the_stable_bindings_have_no_member_that_needs_the_opt_in_and_no_import_that_is_not_used() {
    let mut gated = Gated::default();
    methods::visit(&mut gated);
    let files = export::json_schema(Surface::Stable);
    for path in ["ClientRequest.json", "codex_app_server_protocol.schemas.json"] {
        let schema: Value = serde_json::from_str(&files[Path::new(path)]).unwrap();
        for (name, member) in &gated.0 {
            let properties = &schema["definitions"][name]["properties"];
            assert!(properties.is_object() && properties.get(member).is_none(), "{path}: {name}.{member}");
        }
    }
    for (path, text) in export::typescript(Surface::Stable) {
        for import in text.lines().filter_map(|line| line.strip_prefix("import type { ")) {
            let name = import.split(' ').next().unwrap();
            let code: String = text.lines().filter(|line| !line.starts_with("import ")).collect();
            let code: String = code.split("/**").map(|part| part.rsplit("*/").next().unwrap()).collect();
            let mut words = code.split(|letter: char| !letter.is_alphanumeric());
            assert!(words.any(|word| word == name), "{} imports {name}", path.display());
        }
    }
}
