//! Tests of the comparison itself: what is changed in a recording does not pass.

use serde_json::json;

use crate::compare::compare;
use crate::deviations::leads_to;
use crate::transcript::{Entry, Transcript};

fn lane(messages: &[serde_json::Value]) -> Transcript {
    let entry = |message: &serde_json::Value| Entry {
        of: message["method"].as_str().unwrap_or("an answer").to_owned(),
        message: message.clone(),
    };
    Transcript([("main".to_owned(), messages.iter().map(entry).collect())].into())
}

/// What is wrong with the comparison; empty when nothing is.
pub(crate) fn faults() -> Vec<String> {
    let said = |thread: &str, text: &str| json!({ "method": "error", "params": { "threadId": thread, "text": text } });
    let done = |thread: &str| json!({ "method": "done", "params": { "threadId": thread } });
    let recorded = lane(&[said("<thread-1>", "in <cwd>"), said("<thread-2>", "b"), done("<thread-1>")]);
    let constants = [("/work".to_owned(), "<cwd>".to_owned())];
    let found = |messages: &[serde_json::Value]| {
        let found = compare(&recorded, &lane(messages), &constants);
        found
            .iter()
            .map(|finding| finding.to_string().lines().next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let cases: [(&str, Vec<serde_json::Value>, &[&str]); 7] = [
        ("the same", vec![said("<thread-1>", "in <cwd>"), said("<thread-2>", "b"), done("<thread-1>")], &[]),
        ("other numbers", vec![said("<thread-2>", "in <cwd>"), said("<thread-1>", "b"), done("<thread-2>")], &[]),
        (
            "another thread",
            vec![said("<thread-1>", "in <cwd>"), said("<thread-2>", "b"), done("<thread-2>")],
            &["[main] done /params/threadId"],
        ),
        (
            "another text",
            vec![said("<thread-1>", "in /else"), said("<thread-2>", "b"), done("<thread-1>")],
            &["[main] error /params/text"],
        ),
        ("one less", vec![said("<thread-1>", "in <cwd>"), said("<thread-2>", "b")], &["[main] done is missing"]),
        (
            "another order",
            vec![said("<thread-1>", "in <cwd>"), done("<thread-1>"), said("<thread-2>", "b")],
            &["[main] done is missing", "[main] done is more than was recorded"],
        ),
        ("nothing", vec![], &["[main] error is missing", "[main] error is missing", "[main] done is missing"]),
    ];
    let mut faults = Vec::new();
    for (what, messages, expected) in cases {
        let mut got = found(&messages);
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        got.sort();
        expected.sort();
        if got != expected {
            faults.push(format!("{what}: expected {expected:?}, got {got:?}"));
        }
    }
    let leads = [("/a/*/c", "/a/0/c", true), ("/a/**", "/a/b/c", true), ("/a", "/a/b", false), ("/a/*", "/a", false)];
    for (pattern, pointer, expected) in leads {
        if leads_to(pattern, pointer) != expected {
            faults.push(format!("{pattern} and {pointer}: expected {expected}"));
        }
    }
    faults
}
