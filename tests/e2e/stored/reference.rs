//! Threads that the reference wrote: listed, read and gone on with as the reference does it itself. Where Valet knows
//! better, `begun` and the names of the expectations say so.

use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_tests::TestHost;

use super::{Bench, line_kinds, log, str_of, words};

const NAMES: [&str; 7] = ["plain", "tools", "compacted", "interrupted_failed", "forked", "legacy", "reverted"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rollouts").join(name)
}

fn expected(name: &str) -> Value {
    let text = std::fs::read_to_string(fixture(&format!("{name}.expected.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The files of a fixture, and where they are in a home.
fn files(name: &str, expected: &Value) -> Vec<(String, PathBuf)> {
    let of = |(file, place): (&String, &Value)| (file.clone(), PathBuf::from(place.as_str().unwrap()));
    let mut files: Vec<_> = expected["files"].as_object().into_iter().flatten().map(of).collect();
    if files.is_empty() {
        files.push((format!("{name}.jsonl"), PathBuf::from(str_of(expected, "file"))));
    }
    if let Some(parent) = expected["parent"].as_str() {
        files.push((str_of(expected, "parentFile").to_owned(), PathBuf::from(parent)));
    }
    files
}

/// A host in whose home the reference left a thread.
async fn host_with(name: &str, expected: &Value) -> Bench {
    let builder = TestHost::builder()
        .script(words())
        .provider("name = \"sim\"\n[model_providers.local]\nbase_url = \"http://127.0.0.1:9\"");
    let host = builder.start().await;
    for (file, place) in files(name, expected) {
        let place = host.home().join(place);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(fixture(&file), place).unwrap();
    }
    if let Some(names) = expected["sessionIndex"].as_str() {
        std::fs::write(host.home().join("session_index.jsonl"), names).unwrap();
    }
    Bench::on(host).await
}

fn id_of(expected: &Value) -> String {
    str_of(&expected["read"]["thread"], "id").to_owned()
}

/// A thread as the reference shows it, in this home.
fn here(bench: &Bench, mut thread: Value) -> Value {
    let path = str_of(&thread, "path").replace("/home/user/.codex", bench.host.home().to_str().unwrap());
    thread["path"] = json!(path);
    thread
}

#[tokio::test]
async fn the_rows_of_a_list_are_those_of_the_reference() {
    for name in NAMES {
        let expected = expected(name);
        let mut bench = host_with(name, &expected).await;
        let id = id_of(&expected);
        let page = bench.call("thread/list", json!({ "modelProviders": [] })).await;
        let rows = page["data"].as_array().unwrap();
        let mut found = rows.iter().filter(|row| row["id"] == id);
        let row = found.next().unwrap_or_else(|| panic!("{name}: {rows:?}")).clone();
        assert_eq!(found.next(), None, "a thread has one row, however many files it has");
        let theirs = here(&bench, expected["list"].clone());
        assert_eq!(row, begun(name, theirs, &expected), "{name}");
    }
}

fn without_turns(mut thread: Value) -> Value {
    thread["turns"] = json!([]);
    thread
}

/// A thread as the reference would show it if it knew the files before the newest one: in a home of another machine, it
/// takes what was said first in that file for the beginning of the thread, and a fork for none.
fn begun(name: &str, mut thread: Value, expected: &Value) -> Value {
    match name {
        "forked" => {
            thread["preview"] = json!("hello there");
            thread["forkedFromId"] = expected["read"]["thread"]["forkedFromId"].clone();
            assert!(thread["forkedFromId"].is_string());
        }
        "reverted" => thread["preview"] = json!("first turn"),
        _ => {}
    }
    thread
}

#[tokio::test]
async fn what_happened_reads_as_with_the_reference() {
    for name in NAMES {
        let expected = expected(name);
        let mut bench = host_with(name, &expected).await;
        let id = id_of(&expected);
        // In a home of another machine, the reference forgets what was before a revert.
        let whole = if name == "reverted" { "readInOwnHome" } else { "read" };
        let theirs = here(&bench, expected[whole]["thread"].clone());
        let turns = bench.turns(&id).await;
        assert_eq!(json!(turns), theirs["turns"], "{name}");
        let read = bench.call("thread/read", json!({ "threadId": id })).await;
        assert_eq!(read["thread"], without_turns(begun(name, theirs, &expected)), "{name}");
    }
}

#[tokio::test]
async fn items_and_turns_come_in_the_pages_of_the_reference() {
    for name in NAMES {
        let expected = expected(name);
        let mut bench = host_with(name, &expected).await;
        let id = id_of(&expected);
        let params = json!({ "threadId": id, "limit": 200 });
        if name == "legacy" {
            let refused = bench.refused("thread/items/list", params).await;
            assert_eq!(refused, (-32601, "thread/items/list is not supported yet".to_owned()));
        } else {
            let whole = if name == "reverted" { "itemsInOwnHome" } else { "items" };
            assert_eq!(bench.call("thread/items/list", params).await["data"], expected[whole]["data"], "{name}");
        }
        if name != "reverted" {
            let page = bench.call("thread/turns/list", json!({ "threadId": id, "limit": 100 })).await;
            assert_eq!(page["data"], expected["turnsSummary"]["data"], "{name}");
        }
    }
}

#[tokio::test]
async fn the_model_is_given_what_the_reference_would_give_it_and_the_file_only_grows() {
    for name in NAMES {
        let expected = expected(name);
        let mut bench = host_with(name, &expected).await;
        let id = id_of(&expected);
        let before: Vec<_> = files(name, &expected)
            .into_iter()
            .map(|(_, place)| bench.host.home().join(place))
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        let resumed = bench.resume_with(&id, json!({ "modelProvider": "sim" })).await;
        assert_eq!(resumed["thread"]["id"], id);
        for (path, bytes) in &before {
            assert_eq!(&std::fs::read(path).unwrap(), bytes, "{name}: to resume writes nothing");
        }
        bench.say(&id, "next turn").await;
        let count = expected["nextInputFromFile"].as_u64().unwrap() as usize;
        let (ours, theirs) = (bench.input(), expected["nextInput"].as_array().unwrap().clone());
        assert_eq!(json!(ours[1..=count]), json!(theirs[1..=count]), "{name}");
        assert_eq!(ours.last().unwrap()["content"], theirs.last().unwrap()["content"], "{name}");
        assert_eq!(ours[0]["content"], theirs[0]["content"], "{name}: what opens it is in the file, too");
        for (path, bytes) in &before {
            assert!(std::fs::read(path).unwrap().starts_with(bytes), "{name}: {}", path.display());
        }
        check_ordinals(name, &bench, &id);
        let turns = bench.turns(&id).await;
        let mut again = bench.restarted().await;
        let resumed = again.resume_with(&id, json!({ "modelProvider": "sim" })).await;
        assert_eq!(json!(turns), resumed["thread"]["turns"], "{name}");
        assert_eq!(turns.last().unwrap()["status"], "completed");
    }
}

/// Ordinals go on; a log that has none gets none.
fn check_ordinals(name: &str, bench: &Bench, id: &str) {
    let lines = log(bench.host.home(), id);
    assert!(line_kinds(&lines).contains(&"task_started"), "{name}");
    let ordinals: Vec<Option<u64>> = lines.iter().map(|line| line["ordinal"].as_u64()).collect();
    match name {
        "legacy" => assert!(ordinals.iter().all(Option::is_none)),
        _ => assert!(ordinals.windows(2).all(|pair| pair[0].map(|first| first + 1) == pair[1]), "{name}: {ordinals:?}"),
    }
}

#[tokio::test]
async fn the_source_of_a_fork_of_the_reference_is_not_deleted_under_it() {
    let expected = expected("forked");
    let mut bench = host_with("forked", &expected).await;
    let fork = id_of(&expected);
    let source = str_of(&expected["read"]["thread"], "forkedFromId").to_owned();
    let refused = bench.refused("thread/delete", json!({ "threadId": source })).await;
    assert_eq!(refused, (-32600, format!("cannot delete thread {source}: forked history still references it")));
    let turns = bench.turns(&fork).await;
    bench.call("thread/archive", json!({ "threadId": source })).await;
    assert_eq!(bench.turns(&fork).await, turns, "it may be put away");
    bench.call("thread/delete", json!({ "threadId": fork })).await;
    bench.call("thread/delete", json!({ "threadId": source })).await;
    for archived in [true, false] {
        let rows = bench.listed(json!({ "archived": archived, "modelProviders": [] })).await;
        assert_eq!(rows, Vec::<String>::new());
    }
}
