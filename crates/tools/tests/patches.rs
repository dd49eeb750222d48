//! The cases of `tests/patches`: a folder as it was, a patch, and the folder as it is after it, or the error.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pretty_assertions::assert_eq;
use valet_tools::patch::{Disk, apply, parse, plan};

/// Every file below a folder, by its path there.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

fn write(folder: &Path, files: &BTreeMap<String, String>) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn every_case_gives_its_files_or_its_error() {
    let mut count = 0;
    for case in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/patches")).unwrap() {
        let case = case.unwrap().path();
        let temporary = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(temporary.path()).unwrap();
        let before = files(&case.join("before"));
        write(&root, &before);
        let text = fs::read_to_string(case.join("patch")).unwrap();
        let result = parse(&text).and_then(|patch| plan(&patch, &root, &Disk));
        assert_eq!(files(&root), before, "{}: the plan writes nothing", case.display());
        match fs::read_to_string(case.join("error")) {
            Ok(error) => {
                let found = result.unwrap_err().to_string().replace(root.to_str().unwrap(), "<root>");
                assert_eq!(found, error.trim_end(), "{}", case.display());
            }
            Err(_) => {
                let changes = result.unwrap_or_else(|error| panic!("{}: {error}", case.display()));
                apply(&changes).unwrap();
                assert_eq!(files(&root), files(&case.join("after")), "{}", case.display());
            }
        }
        count += 1;
    }
    assert!(count > 50, "the cases were not found");
}
