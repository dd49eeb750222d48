//! Every input in the corpus, played through its target: no nightly compiler needed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use valet_fuzz::TARGETS;

const DEPTH: usize = 100_000;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_input_of_the_corpus_holds_the_property_of_its_target() {
    for (target, holds_for) in TARGETS {
        for entry in std::fs::read_dir(folder("corpus").join(target)).unwrap() {
            let path = entry.unwrap().path();
            // Shown when the property does not hold.
            println!("{}", path.display());
            holds_for(&std::fs::read(&path).unwrap());
        }
    }
}

/// What is put together here, so that the corpus stays small: how it begins, what it is made of, how it ends.
const DEEP: &[(&str, &str, &str, &str)] = &[
    ("claims", "", "[", ""),
    ("claims", r#"{"x":"#, r#"{"a":"#, ""),
    ("completions", "", "[", ""),
    ("completions", r#"{"choices":[{"delta":{"content":"#, "[", "}}]}"),
    ("completions", r#"{"error":"#, r#"{"a":"#, "}"),
    ("config", "a = ", "[", ""),
    ("config", "a = ", "{a=", ""),
    ("config", "", "a.", "a = 1"),
    ("config", "[", "a.", "a]"),
    ("config_keys", r#"{"a":"#, "[", ""),
    ("config_keys", r#"{""#, "a.", r#"a":1}"#),
    ("envelope", "", "[", ""),
    ("envelope", r#"{"id":"#, "[", ""),
    ("envelope", r#"{"id":1,"method":"x","params":"#, r#"{"a":"#, ""),
    ("events", "data: ", "[", "\n\n"),
    ("events", r#"data: {"type":"response.output_item.done","item":"#, r#"{"a":"#, "\n\n"),
    ("failures", r#"{"error":"#, "[", ""),
    ("params", r#"{"threadId":"t","input":"#, "[", ""),
    ("params", r#"{"threadId":"t","input":[],"outputSchema":"#, r#"{"a":"#, ""),
    ("params", r#"{"config":"#, r#"{"a":"#, ""),
    ("script", r#"{"usage":"#, "[", ""),
];

#[test]
fn a_depth_of_100_000_overflows_no_stack() {
    for (target, begin, unit, end) in DEEP {
        println!("{target}: {begin}{unit}..{end}");
        let (_name, holds_for) = TARGETS.iter().find(|(name, _target)| name == target).unwrap();
        // Closed again, where JSON would have it: some readers look at nothing before the end.
        let close = match *unit {
            "[" => "]",
            r#"{"a":"# | "{a=" => "}",
            _ => "",
        };
        let object = if begin.starts_with('{') && !close.is_empty() { "}" } else { "" };
        let middle = if unit.starts_with('{') { "1" } else { "" };
        let (open, close) = (unit.repeat(DEPTH), close.repeat(DEPTH));
        holds_for(format!("{begin}{open}{end}").as_bytes());
        holds_for(format!("{begin}{open}{middle}{close}{object}{end}").as_bytes());
    }
}

#[test]
fn every_target_has_a_corpus_and_a_binary() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _target)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("corpus")), targets);
    assert_eq!(names(&folder("fuzz_targets")), targets);
}
