//! Items go into a log and come out as they were.

use pretty_assertions::assert_eq;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use valet_protocol::v2;

use super::super::item::StoredItem;
use super::{answered, said, whole};

fn stored(item: &v2::ThreadItem) -> Box<RawValue> {
    serde_json::value::to_raw_value(&StoredItem::of(item)).unwrap()
}

fn words(item: &v2::ThreadItem) -> Value {
    serde_json::from_str(stored(item).get()).unwrap()
}

fn command(command: &str, cwd: &str) -> v2::ThreadItem {
    whole(v2::ThreadItemDetails::CommandExecution {
        id: "call_1".into(),
        plugin_id: None,
        script_path: None,
        command: command.into(),
        cwd: cwd.into(),
        process_id: Some("7".into()),
        source: v2::CommandExecutionSource::UnifiedExecStartup,
        status: v2::CommandExecutionStatus::Failed,
        command_actions: vec![
            v2::CommandAction::Read { command: "cat a".into(), name: "a".into(), path: "/p/a".into() },
            v2::CommandAction::ListFiles { command: "ls".into(), path: None },
            v2::CommandAction::Search { command: "rg x".into(), query: Some("x".into()), path: None },
            v2::CommandAction::Unknown { command: "true".into() },
        ],
        aggregated_output: Some("a\u{1b}[0m\n".into()),
        exit_code: Some(130),
        duration_ms: Some(1234),
    })
}

fn patch() -> v2::ThreadItem {
    let change = |path: &str, kind, diff: &str| v2::FileUpdateChange { path: path.into(), kind, diff: diff.into() };
    let update = |to: Option<&str>| v2::PatchChangeKind::Update { move_path: to.map(str::to_owned) };
    whole(v2::ThreadItemDetails::FileChange {
        id: "call_2".into(),
        changes: vec![
            change("/p/z", v2::PatchChangeKind::Add {}, "one\n"),
            change("/p/b", update(None), "@@ -1 +1 @@\n-a\n+b\n"),
            change("/p/m", update(Some("/p/n")), "@@ -1 +1 @@\n-a\n+b\n\n\nMoved to: /p/n"),
            change("/p/a", v2::PatchChangeKind::Delete {}, "gone\n"),
        ],
        status: v2::PatchApplyStatus::Declined,
    })
}

fn tool_call() -> v2::ThreadItem {
    use v2::DynamicToolCallOutputContentItem::{InputAudio, InputImage, InputText};
    let content = vec![
        InputText { text: "t".into() },
        InputImage { image_url: "https://images.example/i".into() },
        InputAudio { audio_url: "data:audio/wav;base64,AA==".into() },
    ];
    whole(v2::ThreadItemDetails::DynamicToolCall {
        id: "call_3".into(),
        namespace: Some("mine".into()),
        tool: "look".into(),
        arguments: json!({ "deep": { "er": [1, null] } }),
        status: v2::DynamicToolCallStatus::Failed,
        content_items: Some(content),
        success: Some(false),
        duration_ms: Some(1500),
    })
}

fn every_part_of_a_message() -> v2::ThreadItem {
    let elements = vec![
        v2::TextElement { byte_range: v2::ByteRange { start: 0, end: 2 }, placeholder: Some("x".into()) },
        v2::TextElement { byte_range: v2::ByteRange { start: 2, end: 3 }, placeholder: None },
    ];
    let content = vec![
        v2::UserInput::Text { text: "héllo".into(), text_elements: elements },
        v2::UserInput::Image { url: "data:image/png;base64,AA==".into(), detail: Some(v2::ImageDetail::High) },
        v2::UserInput::LocalImage { path: "/p/i.png".into(), detail: None },
        v2::UserInput::Skill { name: "s".into(), path: "/s/SKILL.md".into() },
        v2::UserInput::Mention { name: "m".into(), path: "/m".into() },
    ];
    whole(v2::ThreadItemDetails::UserMessage { id: "u".into(), client_id: Some("mine".into()), content })
}

fn every_item() -> Vec<v2::ThreadItem> {
    let text = |text: &str| text.to_owned();
    let of = |value: Value| whole(serde_json::from_value(value).unwrap());
    vec![
        every_part_of_a_message(),
        answered("msg_1", "Yes.\n"),
        of(json!({ "type": "agentMessage", "id": "msg_2", "text": "", "phase": "final_answer" })),
        of(json!({ "type": "agentMessage", "id": "msg_3", "text": "x", "phase": "of a newer version" })),
        whole(v2::ThreadItemDetails::Reasoning {
            id: "rs_1".into(),
            summary: vec![text("**A**"), text("b")],
            content: vec![text("raw")],
        }),
        whole(v2::ThreadItemDetails::Plan { id: "p".into(), text: "- a\n".into() }),
        command("/bin/bash -lc 'echo \"$x\" | wc'", "/p/with space/ü"),
        patch(),
        tool_call(),
        of(json!({ "type": "dynamicToolCall", "id": "c", "tool": "t", "arguments": null, "status": "inProgress" })),
        of(json!({ "type": "functionCallOutput", "id": "f", "name": "n", "output": "text" })),
        of(json!({ "type": "webSearch", "id": "w", "query": "q", "action": { "type": "search", "query": "q" } })),
        of(json!({ "type": "webSearch", "id": "w", "query": "q", "action": { "type": "other" }, "results": [1] })),
        whole(v2::ThreadItemDetails::ImageView { id: "call_4".into(), path: "/p/a b#c.png".into() }),
        whole(v2::ThreadItemDetails::EnteredReviewMode { id: "e".into(), review: "this".into() }),
        whole(v2::ThreadItemDetails::ExitedReviewMode { id: "x".into(), review: "fine".into() }),
        whole(v2::ThreadItemDetails::ContextCompaction { id: "cc".into() }),
        of(json!({ "type": "ofANewerVersion", "id": "n", "things": [1] })),
    ]
}

#[test]
fn every_item_comes_out_of_the_log_as_it_went_in() {
    for item in every_item() {
        assert_eq!(StoredItem::read(&stored(&item)), Some(item.details.clone()), "{item:?}");
    }
}

#[test]
fn the_words_are_those_of_the_reference() {
    let of_command = json!({
        "type": "CommandExecution",
        "id": "call_1",
        "process_id": "7",
        "command": ["/bin/bash", "-lc", "ls"],
        "cwd": "file:///p/with%20space",
        "parsed_cmd": [
            { "type": "read", "cmd": "cat a", "name": "a", "path": "/p/a" },
            { "type": "list_files", "cmd": "ls" },
            { "type": "search", "cmd": "rg x", "query": "x" },
            { "type": "unknown", "cmd": "true" },
        ],
        "source": "unified_exec_startup",
        "status": "failed",
        "aggregated_output": "a\u{1b}[0m\n",
        "exit_code": 130,
        "duration": { "secs": 1, "nanos": 234_000_000 },
    });
    assert_eq!(words(&command("/bin/bash -lc ls", "/p/with space")), of_command);
    let of_patch = json!({
        "type": "FileChange",
        "id": "call_2",
        "changes": {
            "/p/z": { "type": "add", "content": "one\n" },
            "/p/b": { "type": "update", "unified_diff": "@@ -1 +1 @@\n-a\n+b\n", "move_path": null },
            "/p/m": { "type": "update", "unified_diff": "@@ -1 +1 @@\n-a\n+b\n", "move_path": "/p/n" },
            "/p/a": { "type": "delete", "content": "gone\n" },
        },
        "status": "declined",
    });
    assert_eq!(words(&patch()), of_patch);
    let of_message = json!({
        "type": "UserMessage",
        "id": "u",
        "client_id": "mine",
        "content": [
            { "type": "text", "text": "héllo", "text_elements": [
                { "byte_range": { "start": 0, "end": 2 }, "placeholder": "x" },
                { "byte_range": { "start": 2, "end": 3 }, "placeholder": null },
            ] },
            { "type": "image", "image_url": "data:image/png;base64,AA==", "detail": "high" },
            { "type": "local_image", "path": "/p/i.png" },
            { "type": "skill", "name": "s", "path": "/s/SKILL.md" },
            { "type": "mention", "name": "m", "path": "/m" },
        ],
    });
    assert_eq!(words(&every_part_of_a_message()), of_message);
}

#[test]
fn what_would_read_differently_is_kept_as_it_was_shown() {
    for (line, cwd) in [("echo 'open", "/p"), ("ls  -l", "/p/"), ("a\0b", "relative"), ("", "/p/./q")] {
        let item = command(line, cwd);
        assert_eq!(StoredItem::read(&stored(&item)), Some(item.details.clone()), "{line:?} in {cwd:?}");
    }
}

#[test]
fn parts_that_are_not_known_cost_nothing_else() {
    let read = |item: Value| StoredItem::read(&serde_json::value::to_raw_value(&item).unwrap());
    let smell = json!({ "type": "smell", "of": "roses" });
    let text = json!({ "type": "text", "text": "hi" });
    let message = json!({ "type": "UserMessage", "id": "u", "content": [smell, text], "later": 1 });
    assert_eq!(read(message), Some(said("u", "hi").details));
    assert_eq!(read(json!({ "type": "OfANewerVersion", "id": "n" })), None);
    assert_eq!(read(json!({ "type": "Plan", "id": "without text" })), None);
    assert_eq!(read(json!([])), None);
    let escaped = r#"{ "id": "p", "text": "t", "type": "Pl\u0061n" }"#.to_owned();
    let plan = v2::ThreadItemDetails::Plan { id: "p".into(), text: "t".into() };
    assert_eq!(StoredItem::read(&RawValue::from_string(escaped).unwrap()), Some(plan.clone()));
    let first = r#"{"type":"Pl\u0061n","id":"p","text":"t"}"#.to_owned();
    assert_eq!(StoredItem::read(&RawValue::from_string(first).unwrap()), Some(plan));
}

#[test]
fn what_the_reference_alone_makes_is_shown_whole() {
    let read = |item: Value| {
        let item = StoredItem::read(&serde_json::value::to_raw_value(&item).unwrap()).unwrap();
        serde_json::to_value(item).unwrap()
    };
    let call = json!({
        "type": "McpToolCall", "id": "m", "server": "s", "tool": "t", "arguments": { "a": 1 }, "status": "in_progress",
        "result": { "content": [{ "type": "text", "text": "r" }] }, "duration": { "secs": 1, "nanos": 0 },
    });
    let shown = json!({
        "type": "mcpToolCall", "id": "m", "server": "s", "tool": "t", "arguments": { "a": 1 }, "status": "inProgress",
        "result": { "content": [{ "type": "text", "text": "r" }], "structuredContent": null, "_meta": null },
        "error": null, "durationMs": 1000,
        "appContext": null, "mcpAppUi": null, "pluginId": null, "readOnlyHint": null,
    });
    assert_eq!(read(call), shown);
    let entered = json!({ "type": "EnteredReviewMode", "id": "e", "target": {}, "user_facing_hint": "hint" });
    assert_eq!(read(entered), json!({ "type": "enteredReviewMode", "id": "e", "review": "hint" }));
    let exited = json!({ "type": "ExitedReviewMode", "id": "x", "review_output": null });
    let words = "Reviewer failed to output a response.";
    assert_eq!(read(exited), json!({ "type": "exitedReviewMode", "id": "x", "review": words }));
}
