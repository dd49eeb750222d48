//! Items: each kind has its members on the wire, and what is not known is kept.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and tells on stderr")]

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::v2::{CommandAction, CommandExecutionStatus, ThreadItem, ThreadItemDetails};

fn read(mut item: Value) -> ThreadItem {
    item["startedAtMs"] = json!(1);
    item["completedAtMs"] = json!(null);
    let read: ThreadItem = serde_json::from_value(item.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), item, "written back as it came");
    read
}

/// One of each kind that no recording holds.
fn unrecorded() -> Vec<Value> {
    vec![
        json!({ "type": "plan", "id": "i", "text": "1. Look" }),
        json!({ "type": "functionCallOutput", "id": "i", "name": "f", "namespace": null, "output": "text" }),
        json!({ "type": "functionCallOutput", "id": "i", "name": "f", "namespace": "n",
            "output": [{ "type": "input_image", "image_url": "data:" }] }),
        json!({ "type": "webSearch", "id": "i", "query": "", "action": null, "results": null }),
        json!({ "type": "webSearch", "id": "i", "query": "q", "results": [1],
            "action": { "type": "search", "query": "q", "queries": null } }),
        json!({ "type": "webSearch", "id": "i", "query": "q", "results": [],
            "action": { "type": "openPage", "url": "https://example.org" } }),
        json!({ "type": "webSearch", "id": "i", "query": "q", "results": [],
            "action": { "type": "findInPage", "url": null, "pattern": "p" } }),
        json!({ "type": "webSearch", "id": "i", "query": "q", "action": { "type": "other" }, "results": null }),
        json!({ "type": "imageView", "id": "i", "path": "/a.png" }),
        json!({ "type": "enteredReviewMode", "id": "i", "review": "the last commit" }),
        json!({ "type": "exitedReviewMode", "id": "i", "review": "fine" }),
        json!({ "type": "contextCompaction", "id": "i" }),
        json!({ "type": "fileChange", "id": "i", "status": "failed", "changes": [
            { "path": "/a", "kind": { "type": "update", "move_path": "/b" }, "diff": "" },
            { "path": "/c", "kind": { "type": "update", "move_path": null }, "diff": "" },
            { "path": "/d", "kind": { "type": "delete" }, "diff": "" },
        ] }),
        command(
            "completed",
            &json!([
                { "type": "read", "command": "cat a", "name": "a", "path": "/a" },
                { "type": "listFiles", "command": "ls", "path": null },
                { "type": "search", "command": "rg x", "query": "x", "path": null },
                { "type": "unknown", "command": "make" },
            ]),
        ),
    ]
}

fn command(status: &str, actions: &Value) -> Value {
    json!({
        "type": "commandExecution", "id": "i", "pluginId": null, "scriptPath": null, "command": "sh -lc 'x'",
        "cwd": "/", "processId": "7", "source": "userShell", "status": status, "commandActions": actions,
        "aggregatedOutput": "", "exitCode": -1, "durationMs": 12,
    })
}

#[test]
fn every_kind_is_read_as_itself_and_written_back() {
    for item in unrecorded() {
        let read = read(item.clone());
        assert!(!matches!(read.details, ThreadItemDetails::Unknown(_)), "{item} has a type");
        assert_eq!(read.id(), Some("i"));
    }
}

#[test]
fn a_kind_that_is_never_made_here_is_kept_as_it_came() {
    let item = json!({ "type": "mcpToolCall", "id": "i", "server": "s", "tool": "t", "result": { "content": [] } });
    let read = read(item);
    assert!(matches!(read.details, ThreadItemDetails::Unknown(_)));
    assert_eq!(read.id(), Some("i"));
}

#[test]
fn values_of_a_newer_version_are_kept_within_a_known_item() {
    let read = read(command("paused", &json!([{ "type": "download", "command": "curl a", "url": "a" }])));
    let ThreadItemDetails::CommandExecution { status, command_actions, .. } = read.details else {
        panic!("still a command");
    };
    assert_eq!(status, CommandExecutionStatus::Unknown("paused".to_owned()));
    assert!(matches!(command_actions[..], [CommandAction::Other(_)]));
}
