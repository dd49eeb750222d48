//! Rules for the log of one thread.

use std::thread;

use serde_json::Value;

use uuid::Uuid;

use super::{all, check_walks, head, note, query, texts, thread, user};
use crate::error::StoreError;
use crate::line::{NewLine, Position};
use crate::log::Direction;
use crate::store::ThreadStore;

/// A thread comes to be with the first append, not before.
pub fn a_thread_is_stored_with_its_first_lines(store: &impl ThreadStore) {
    let id = Uuid::now_v7();
    let name = id.to_string();
    let mut log = store.create(id, head(id, &Value::Null)).unwrap();
    log.append(&[]).unwrap();
    assert_eq!(log.lines().end().unwrap(), Position::START);
    assert!(store.find(&name).unwrap().is_none());
    assert!(matches!(store.lines(&name).err(), Some(StoreError::NotFound(_))));
    log.append(&[user("Hello")]).unwrap();
    assert_eq!(store.find(&name).unwrap().unwrap().preview, "Hello");
    assert_eq!(all(&*log.lines()).len(), 2);
    assert_eq!(all(&*store.lines(&name).unwrap()), all(&*log.lines()));
    drop(log);
    let other = Uuid::now_v7();
    drop(store.create(other, head(other, &Value::Null)).unwrap());
    assert!(matches!(store.lease(&other.to_string()).err(), Some(StoreError::NotFound(_))));
    store.create(other, head(other, &Value::Null)).unwrap();
}

/// Lines get their numbers in order, across writers, and times that do not go back.
pub fn lines_are_numbered_in_order(store: &impl ThreadStore) {
    let id = thread(store, &Value::Null, &[note("a"), note("b")]);
    for text in ["c", "d"] {
        store.lease(&id).unwrap().append(&[note(text), note("and more")]).unwrap();
    }
    let lines = all(&*store.lines(&id).unwrap());
    assert_eq!(texts(&lines), ["a", "b", "c", "and more", "d", "and more"]);
    let envelopes: Vec<_> = lines.iter().map(|line| line.envelope().unwrap()).collect();
    assert!(envelopes.iter().map(|line| line.ordinal).eq((0..7).map(Some)));
    assert!(envelopes.is_sorted_by_key(|line| &line.timestamp));
    assert_eq!(envelopes[0].kind, "session_meta");
}

/// Any walk over a log with any budget comes past each line once.
pub fn lines_are_read_from_any_place_in_either_direction(store: &impl ThreadStore) {
    let notes: Vec<_> = (0..40).map(|size| note(&"x".repeat(size * size * size * 4))).collect();
    let id = thread(store, &Value::Null, &notes);
    let lines = store.lines(&id).unwrap();
    let whole = all(&*lines);
    assert_eq!(whole.len(), 41);
    let end = lines.end().unwrap();
    assert!(whole.windows(2).all(|pair| pair[0].next == pair[1].at) && whole[40].next == end);
    for budget in [0, 1, 5000, 300_000, usize::MAX] {
        check_walks(&*lines, &whole, budget);
    }
    for place in 1..40 {
        let after = lines.read(whole[place].at, Direction::Forward, usize::MAX).unwrap();
        let mut before = lines.read(whole[place].at, Direction::Backward, usize::MAX).unwrap();
        before.reverse();
        assert_eq!([before, after].concat(), whole);
    }
    let beyond = Position(u64::MAX);
    assert_eq!(lines.read(beyond, Direction::Forward, 1).unwrap(), []);
    assert_eq!(lines.read(beyond, Direction::Backward, 1).unwrap(), [whole[40].clone()]);
}

/// A line from the future, or with unusual JSON in it, comes back as it was.
pub fn what_is_not_understood_is_kept_as_it_came(store: &impl ThreadStore) {
    let strange = r#"{"b":1.10,"a":"\u00e9\ud83d\ude00","a":[1e400,{}], "n":123456789012345678901234567890}"#;
    let payload = serde_json::value::RawValue::from_string(strange.to_owned()).unwrap();
    let id =
        thread(store, &Value::Null, &[NewLine { kind: "from_the_future".into(), payload: payload.into() }, user("Hi")]);
    let lines = all(&*store.lines(&id).unwrap());
    let envelope = lines[1].envelope().unwrap();
    assert_eq!((&*envelope.kind, envelope.payload.get()), ("from_the_future", strange));
    assert_eq!(store.find(&id).unwrap().unwrap().preview, "Hi");
}

/// A lease ends with its log, and not before.
pub fn a_thread_has_one_writer_and_others_learn_who(store: &impl ThreadStore) {
    let id = Uuid::now_v7();
    let name = id.to_string();
    let refused = |log: Result<Box<dyn crate::ThreadLog>, StoreError>| match log.err() {
        Some(StoreError::Leased { id, holder: Some(holder) }) => {
            assert_eq!((&id, holder.pid), (&name, std::process::id()));
            assert!(holder.since > 1_700_000_000);
        }
        other => panic!("not refused as leased: {other:?}"),
    };
    let mut log = store.create(id, head(id, &Value::Null)).unwrap();
    refused(store.create(id, head(id, &Value::Null)));
    log.append(&[note("a")]).unwrap();
    refused(store.lease(&name));
    drop(log);
    let mut log = store.lease(&name).unwrap();
    refused(store.lease(&name));
    log.append(&[note("b")]).unwrap();
    log.sync();
    assert_eq!(texts(&all(&*store.lines(&name).unwrap())), ["a", "b"]);
}

/// What is taken back is gone for every reader, and its numbers are free again.
pub fn a_log_can_be_taken_back(store: &impl ThreadStore) {
    let id = thread(store, &Value::Null, &[user("First"), note("a"), note("b")]);
    let mut log = store.lease(&id).unwrap();
    let lines = all(&*log.lines());
    assert!(log.truncate(Position(lines[2].at.0 + 1)).is_err(), "no line begins there");
    log.truncate(log.lines().end().unwrap()).unwrap();
    assert_eq!(all(&*log.lines()), lines);
    log.truncate(lines[2].at).unwrap();
    assert_eq!(store.lines(&id).unwrap().end().unwrap(), lines[2].at);
    log.append(&[note("c")]).unwrap();
    log.append(&[user("Second")]).unwrap();
    let now = all(&*log.lines());
    assert_eq!(now[..2], lines[..2]);
    assert_eq!(texts(&now), ["c"]);
    assert!(now.iter().map(|line| line.envelope().unwrap().ordinal).eq((0..4).map(Some)));
    log.truncate(now[1].at).unwrap();
    log.append(&[user("Third")]).unwrap();
    assert_eq!(store.find(&id).unwrap().unwrap().preview, "Third");
    assert!(store.search("First", &query()).unwrap().data.is_empty(), "what was taken back is still found");
}

/// Several threads are written at once, and one of them is read meanwhile.
pub fn readers_see_whole_lines_while_somebody_writes(store: &impl ThreadStore) {
    let ids: Vec<String> = (0..3).map(|_| thread(store, &Value::Null, &[note("start")])).collect();
    thread::scope(|scope| {
        let write = |id: &str| {
            let mut log = store.lease(id).unwrap();
            for number in 0..200 {
                log.append(&[note(&"x".repeat(number)), note("y")]).unwrap();
            }
        };
        let writers: Vec<_> = ids.iter().map(|id| scope.spawn(move || write(id))).collect();
        let lines = store.lines(&ids[0]).unwrap();
        let mut from = Position::START;
        while !writers[0].is_finished() {
            for line in lines.read(from, Direction::Forward, 10_000).unwrap() {
                assert!(line.envelope().is_some(), "torn: {}", line.text);
                from = line.next;
            }
        }
    });
    for id in ids {
        assert_eq!(all(&*store.lines(&id).unwrap()).len(), 402);
    }
}
