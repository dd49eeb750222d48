//! Turns as a log tells them.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::v2;

use super::super::turns::Turns;
use super::{Log, answered, said, turn};

fn read(log: &Log) -> Vec<v2::Turn> {
    Turns::all(log, None).unwrap()
}

/// The ids of the items of each turn.
fn ids(turns: &[v2::Turn]) -> Vec<(&str, Vec<&str>)> {
    turns.iter().map(|turn| (turn.id.as_str(), turn.items.iter().filter_map(v2::ThreadItem::id).collect())).collect()
}

fn one_turn(ended: &v2::Turn) -> Log {
    let mut log = Log::new();
    log.begin(&ended.id);
    ended.items.iter().for_each(|item| log.item(&ended.id, item));
    log.ended(ended);
    log
}

#[test]
fn a_turn_comes_out_of_the_log_as_clients_were_told_of_it() {
    let items = || vec![said("u", "a"), answered("m", "b")];
    let error = v2::TurnError {
        message: "no".into(),
        codex_error_info: Some(v2::CodexErrorInfo::HttpConnectionFailed { http_status_code: Some(502) }),
        additional_details: Some("refresh_timeout".into()),
        misalignment: None,
    };
    let infos = [v2::CodexErrorInfo::UsageLimitExceeded, v2::CodexErrorInfo::Unknown(json!("ofANewerVersion"))];
    let failed = |error| v2::Turn { status: v2::TurnStatus::Failed, error: Some(error), ..turn("t", items()) };
    let mut turns = vec![turn("t", items()), failed(error.clone())];
    turns.extend(infos.map(|info| failed(v2::TurnError { codex_error_info: Some(info), ..error.clone() })));
    turns.push(v2::Turn { status: v2::TurnStatus::Interrupted, ..turn("t", items()) });
    for ended in turns {
        assert_eq!(read(&one_turn(&ended)), [ended]);
    }
}

#[test]
fn a_turn_that_nobody_works_on_any_more_was_interrupted() {
    let mut log = Log::new();
    log.begin("t");
    log.item("t", &said("u", "a"));
    let left = v2::Turn { completed_at: None, duration_ms: None, ..turn("t", vec![said("u", "a")]) };
    assert_eq!(read(&log), [v2::Turn { status: v2::TurnStatus::Interrupted, ..left.clone() }]);
    let running = v2::Turn { status: v2::TurnStatus::InProgress, ..left };
    assert_eq!(Turns::all(&log, Some("t")).unwrap(), [running]);
}

#[test]
fn damaged_and_unknown_lines_are_passed_over() {
    let whole = one_turn(&turn("t", vec![said("u", "a"), answered("m", "b")]));
    let mut log = Log::default();
    for line in whole.0.lines() {
        log.text(line);
        log.text("{\"timestamp\":\"2026-11-21T17:00:0");
        log.text("");
        log.text("[1]");
        log.text("null");
        log.value("of a newer version", &json!({ "turn_id": "t" }));
        log.value("event_msg", &json!({ "type": "of_a_newer_version", "turn_id": "t", "item": 5, "error": [] }));
        log.value("event_msg", &json!({ "type": "item_completed", "turn_id": "t", "item": { "type": "Plan" } }));
        log.value("event_msg", &json!("text"));
    }
    log.0.push_str("{\"timestamp\":\"2026-11-21T17:00:00.000Z\",\"type\":\"event_msg\",\"payload\":{\"type\":\"tu");
    assert_eq!(read(&log), read(&whole));
}

#[test]
fn a_failure_of_a_form_that_is_not_known_is_still_one() {
    let mut log = Log::new();
    log.begin("t");
    log.value("event_msg", &json!({ "type": "task_complete", "turn_id": "t", "error": { "odd": 1 } }));
    let turn = read(&log).remove(0);
    assert_eq!(
        (turn.status, turn.error.map(|error| error.message)),
        (v2::TurnStatus::Failed, Some("{\"odd\":1}".into()))
    );
}

#[test]
fn the_members_of_a_line_may_come_in_any_order() {
    let whole = one_turn(&turn("t", vec![said("u", "a"), answered("m", "b")]));
    let mut log = Log::default();
    for line in whole.0.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let (kind, payload) = (&line["type"], &line["payload"]);
        log.text(&format!(r#"{{ "payload": {payload}, "type" : {kind}, "timestamp": "" }}"#));
        log.text(r#"{"timestamp":"","payload":{"type":"message","says":"task_started"},"type":"response_item"}"#);
    }
    assert_eq!(read(&log), read(&whole));
}

#[test]
fn an_item_that_is_told_again_takes_the_place_of_the_first() {
    let mut log = Log::new();
    log.begin("t");
    [said("u", "a"), answered("m", "b"), said("s", "c"), answered("m", "d")]
        .iter()
        .for_each(|item| log.item("t", item));
    assert_eq!(read(&log)[0].items, [said("u", "a"), answered("m", "d"), said("s", "c")]);
}

#[test]
fn an_item_may_come_after_its_turn() {
    let mut log = one_turn(&turn("t", vec![said("u", "a")]));
    log.begin("next");
    log.item("t", &answered("late", "b"));
    assert_eq!(ids(&read(&log)), [("t", vec!["u", "late"]), ("next", vec![])]);
}

#[test]
fn a_turn_is_known_though_its_beginning_is_damaged() {
    let whole = one_turn(&turn("t", vec![said("u", "a")]));
    let without: Vec<&str> = whole.0.lines().filter(|line| !line.contains("task_started")).collect();
    assert_eq!(read(&Log(without.join("\n") + "\n")), read(&whole));
}

fn legacy(events: &[Value]) -> Log {
    let mut log = Log::default();
    log.value("session_meta", &json!({ "id": super::THREAD }));
    events.iter().for_each(|event| log.value("event_msg", event));
    log
}

#[test]
fn logs_of_older_programs_have_a_turn_for_each_message_of_a_person() {
    let log = legacy(&[
        json!({ "type": "user_message", "message": "a", "images": ["data:x"], "local_images": ["/i.png"] }),
        json!({ "type": "agent_reasoning", "text": "r" }),
        json!({ "type": "agent_reasoning", "text": "s" }),
        json!({ "type": "agent_message", "message": "b", "phase": null }),
        json!({ "type": "user_message", "message": "c", "images": null }),
    ]);
    let turns = read(&log);
    assert_eq!(ids(&turns), [("rollout-1", vec!["item-1", "item-2", "item-3"]), ("rollout-5", vec!["item-4"])]);
    let text = v2::UserInput::Text { text: "a".into(), text_elements: Vec::new() };
    let url = v2::UserInput::Image { url: "data:x".into(), detail: None };
    let local = v2::UserInput::LocalImage { path: "/i.png".into(), detail: None };
    let v2::ThreadItemDetails::UserMessage { content, .. } = &turns[0].items[0].details else { panic!("no message") };
    assert_eq!(content, &[text, url, local]);
    let v2::ThreadItemDetails::Reasoning { summary, .. } = &turns[0].items[1].details else { panic!("no reasoning") };
    assert_eq!(summary, &["r", "s"]);
    assert_eq!(turns[0].status, v2::TurnStatus::Completed);
    assert_eq!(turns[0].root_turn_id, None);
}

#[test]
fn logs_of_older_programs_may_have_turns_and_take_them_back() {
    let mut events = Vec::new();
    for id in ["s", "t", "u"] {
        events.push(json!({ "type": "task_started", "turn_id": id, "root_turn_id": id, "started_at": 5 }));
        events.push(json!({ "type": "user_message", "message": "a" }));
        events.push(json!({ "type": "user_message", "message": "b" }));
        if id != "u" {
            events.push(json!({ "type": "task_complete", "turn_id": id, "started_at": 5, "completed_at": 6 }));
        }
    }
    let turns = read(&legacy(&events));
    let items = [vec!["item-1", "item-2"], vec!["item-3", "item-4"], vec!["item-5", "item-6"]];
    assert_eq!(ids(&turns), ["s", "t", "u"].into_iter().zip(items.clone()).collect::<Vec<_>>());
    assert_eq!(turns[2].status, v2::TurnStatus::Interrupted);
    events.push(json!({ "type": "thread_rolled_back", "num_turns": 2 }));
    assert_eq!(ids(&read(&legacy(&events))), [("s", items[0].clone())]);
}
