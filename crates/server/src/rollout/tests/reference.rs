//! Logs that the reference wrote, and what it answers when it reads them.

use std::path::PathBuf;
use std::sync::Arc;

use pretty_assertions::assert_eq;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use valet_protocol::v2;
use valet_store::{Direction, FileStore, Lines, ThreadStore};

use super::super::cursor::Asked;
use super::super::line::{Compacted, SessionMeta, TokenInfo};
use super::super::pages::{self, Entry};
use super::super::settings::Settings;
use super::super::turns::Turns;

const LOGS: [&str; 7] = ["plain", "tools", "compacted", "interrupted_failed", "legacy", "forked", "reverted"];

fn file(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/rollouts");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// A log in a home as the reference left it, with the logs that it goes on from.
fn log(name: &str) -> Arc<dyn Lines> {
    let home = tempfile::tempdir().unwrap();
    let expected: Value = serde_json::from_str(&file(&format!("{name}.expected.json"))).unwrap();
    let put = |place: &Value, from: &str| {
        if let Some(place) = place.as_str() {
            let path = home.path().join(place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file(from)).unwrap();
        }
    };
    put(&expected["file"], &format!("{name}.jsonl"));
    put(&expected["parent"], &format!("{name}.parent.jsonl"));
    for (from, place) in expected["files"].as_object().into_iter().flatten() {
        put(place, from);
    }
    let id = expected["list"]["id"].as_str().unwrap();
    // What is open stays readable when the home is gone.
    FileStore::open(home.path()).lines(id).unwrap()
}

/// What the reference answers.
fn answers(name: &str) -> Value {
    serde_json::from_str(&file(&format!("{name}.expected.json"))).unwrap()
}

fn every_log() -> Vec<(&'static str, Arc<dyn Lines>)> {
    LOGS.into_iter().map(|name| (name, log(name))).collect()
}

/// In a fresh home the reference shows only the newest file of a thread that was reverted. What it shows in the home
/// where that was done is right.
fn answer(name: &str, of: &str) -> Value {
    let in_own_home = if name == "reverted" { "InOwnHome" } else { "" };
    answers(name)[format!("{of}{in_own_home}")].take()
}

#[test]
fn turns_are_those_of_the_reference() {
    for (name, log) in every_log() {
        let turns = Turns::all(&*log, None).unwrap();
        assert_eq!(serde_json::to_value(turns).unwrap(), answer(name, "read")["thread"]["turns"], "{name}");
    }
}

#[test]
fn pages_of_turns_are_those_of_the_reference() {
    for (name, log) in every_log().into_iter().filter(|(name, _)| *name != "reverted") {
        let asked = Asked { cursor: None, limit: None, direction: Direction::Backward };
        let page = pages::turns(&*log, asked, &v2::TurnItemsView::Summary, None).unwrap();
        let expected = answer(name, "turnsSummary");
        assert_eq!(serde_json::to_value(page.data).unwrap(), expected["data"], "{name}");
        assert_eq!(page.next.is_some(), !expected["nextCursor"].is_null(), "{name}");
    }
}

/// The reference has no pages of the items of a legacy log.
#[test]
fn pages_of_items_are_those_of_the_reference() {
    for (name, log) in every_log().into_iter().filter(|(name, _)| *name != "legacy") {
        let (mut entries, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let asked = Asked { cursor: cursor.as_deref(), limit: None, direction: Direction::Forward };
            let page = pages::items(&*log, asked, None).unwrap();
            entries.extend(page.data.into_iter().map(|Entry { turn_id, item }| {
                let (started, completed) = (item.started_at_ms, item.completed_at_ms);
                json!({ "turnId": turn_id, "item": item, "startedAtMs": started, "completedAtMs": completed })
            }));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let expected = answer(name, "items")["data"].take();
        let expected = expected.as_array().unwrap();
        // The fixtures have one page.
        assert_eq!(&entries[..expected.len()], expected, "{name}");
    }
}

/// The first line of a kind, and of a kind of event.
fn payload<T>(name: &str, kind: &str, event: Option<&str>, read: impl Fn(&RawValue) -> T) -> T {
    let text = file(&format!("{name}.jsonl"));
    let of_kind = |line: &&str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["type"] == kind && event.is_none_or(|event| line["payload"]["type"] == event)
    };
    let line: Value = serde_json::from_str(text.lines().find(of_kind).unwrap()).unwrap();
    read(&to_raw_value(&line["payload"]).unwrap())
}

#[test]
fn heads_are_understood() {
    let meta = payload("tools", "session_meta", None, |meta| serde_json::from_str::<SessionMeta>(meta.get()).unwrap());
    let thread = &answers("tools")["read"]["thread"];
    assert_eq!(
        json!([
            meta.id,
            meta.session_id,
            meta.cwd,
            meta.originator,
            meta.cli_version,
            meta.source,
            meta.model_provider
        ]),
        json!([
            thread["id"],
            thread["sessionId"],
            thread["cwd"],
            thread["originator"],
            thread["cliVersion"],
            thread["source"],
            thread["modelProvider"]
        ])
    );
    assert_eq!(meta.dynamic_tools.map(|tools| tools.len()), Some(1));
    assert!(!meta.base_instructions.unwrap().text.is_empty());
}

#[test]
fn what_was_used_and_what_was_made_shorter_is_understood() {
    let usage = payload("plain", "event_msg", Some("token_count"), TokenInfo::read).unwrap();
    let last = v2::TokenUsageBreakdown {
        total_tokens: 120,
        input_tokens: 100,
        cached_input_tokens: 10,
        cache_write_input_tokens: 0,
        output_tokens: 20,
        reasoning_output_tokens: 5,
    };
    assert_eq!((usage.last, usage.model_context_window), (last, Some(258_400)));
    let read = |compacted: &RawValue| serde_json::from_str::<Compacted>(compacted.get()).unwrap();
    let compacted = payload("compacted", "compacted", None, read);
    assert!(!compacted.message.is_empty());
    assert!(compacted.replacement_history.is_some_and(|items| !items.is_empty()));
}

#[test]
fn settings_are_understood() {
    let settings = Settings::read(&*log("interrupted_failed")).unwrap();
    let policy = v2::SandboxMode::WorkspaceWrite.into();
    let words = (settings.model.as_deref(), settings.provider_id.as_deref(), settings.cwd.as_deref());
    assert_eq!(words, (Some("gpt-5.5"), Some("local"), Some("/home/user/project")));
    assert_eq!((settings.sandbox_policy, settings.mode), (Some(policy), Some(v2::ModeKind::Default)));
}
