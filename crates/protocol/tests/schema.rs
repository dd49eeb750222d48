//! The committed schema is what the code says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and tells on stderr")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use valet_protocol::export::{self, Files, Surface};

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
