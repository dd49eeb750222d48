//! What every store must do, as a suite of tests: [`contract_tests!`](crate::contract_tests) puts them into a test
//! module. Each rule gets a store of its own.
#![expect(clippy::unwrap_used, reason = "tests, though they are not compiled as such")]

mod lists;
mod logs;
mod threads;

use serde_json::{Value, json};
use uuid::Uuid;

pub use self::lists::*;
pub use self::logs::*;
pub use self::threads::*;
use crate::line::{Line, NewLine, Position};
use crate::log::{Direction, Lines};
use crate::query::Query;
use crate::store::ThreadStore;

/// A test for each rule of the contract. `$make` returns a store that implements [`ThreadStore`], and what must live
/// as long as it does.
#[macro_export]
macro_rules! contract_tests {
    ($make:expr) => {
        $crate::contract_tests! { $make =>
            a_thread_is_stored_with_its_first_lines
            lines_are_numbered_in_order
            lines_are_read_from_any_place_in_either_direction
            what_is_not_understood_is_kept_as_it_came
            a_thread_has_one_writer_and_others_learn_who
            a_log_can_be_taken_back
            readers_see_whole_lines_while_somebody_writes
            a_summary_tells_what_was_said
            threads_in_which_nobody_spoke_are_not_listed
            pages_have_no_gap_and_nothing_twice
            lists_are_sorted_by_each_key
            lists_hold_what_is_asked_for
            others_threads_are_hidden
            a_text_is_found_in_any_case
            an_archived_thread_is_listed_apart_and_not_written
            a_deleted_thread_is_gone
            a_thread_that_is_written_is_neither_moved_nor_deleted
            the_last_name_counts
            what_is_unread_is_kept
            unknown_threads_are_not_found
            a_thread_is_not_made_twice
        }
    };
    ($make:expr => $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                let (store, _kept) = $make();
                $crate::contract::$rule(&store);
            }
        )*
    };
}

fn note(text: &str) -> NewLine {
    NewLine::new("note", &json!({"text": text})).unwrap()
}

/// The first line of a thread, with what `more` says instead.
fn head(id: Uuid, more: &Value) -> NewLine {
    let mut meta = json!({
        "id": id, "session_id": id, "timestamp": "2026-01-02T03:04:05.678Z", "cwd": "/work", "originator": "client",
        "cli_version": "1.0.0", "source": "cli", "model_provider": "local", "history_mode": "paginated",
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        meta[name] = value.clone();
    }
    NewLine::new("session_meta", &meta).unwrap()
}

fn user(text: &str) -> NewLine {
    message("UserMessage", "text", text)
}

fn agent(text: &str) -> NewLine {
    message("AgentMessage", "Text", text)
}

fn message(kind: &str, block: &str, text: &str) -> NewLine {
    let item = json!({"type": kind, "id": Uuid::now_v7(), "content": [{"type": block, "text": text}]});
    event("item_completed", &json!({"thread_id": "", "turn_id": "", "item": item}))
}

fn event(kind: &str, more: &Value) -> NewLine {
    let mut event = more.clone();
    event["type"] = json!(kind);
    NewLine::new("event_msg", &event).unwrap()
}

/// A thread that nobody writes.
fn thread(store: &impl ThreadStore, more: &Value, lines: &[NewLine]) -> String {
    let id = Uuid::now_v7();
    store.create(id, head(id, more)).unwrap().append(lines).unwrap();
    id.to_string()
}

/// A walk with this budget comes past each line once, in either direction.
pub(crate) fn check_walks(lines: &dyn Lines, whole: &[Line], budget: usize) {
    for (direction, mut from) in [(Direction::Forward, Position::START), (Direction::Backward, lines.end().unwrap())] {
        let mut walked = Vec::new();
        loop {
            let part = lines.read(from, direction, budget).unwrap();
            let Some(last) = part.last() else { break };
            assert!(part.len() == 1 || part.iter().map(|line| line.text.len() + 1).sum::<usize>() <= budget);
            from = if direction == Direction::Forward { last.next } else { last.at };
            walked.extend(part);
        }
        if direction == Direction::Backward {
            walked.reverse();
        }
        assert_eq!(walked, whole);
    }
}

fn all(lines: &dyn Lines) -> Vec<Line> {
    lines.read(Position::START, Direction::Forward, usize::MAX).unwrap()
}

fn texts(lines: &[Line]) -> Vec<String> {
    let notes = lines.iter().map(|line| line.envelope().unwrap()).filter(|line| line.kind == "note");
    notes
        .map(|note| serde_json::from_str::<Value>(note.payload.get()).unwrap()["text"].as_str().unwrap().to_owned())
        .collect()
}

fn query() -> Query {
    Query { limit: 100, ..Query::default() }
}

/// The ids in a list.
fn listed(store: &impl ThreadStore, query: &Query) -> Vec<String> {
    store.list(query).unwrap().data.into_iter().map(|thread| thread.id).collect()
}
