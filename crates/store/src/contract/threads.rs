//! Rules for what is done to a thread as a whole.

use serde_json::Value;
use uuid::Uuid;

use super::{all, head, listed, note, query, texts, thread, user};
use crate::error::StoreError;
use crate::query::Query;
use crate::store::ThreadStore;
use crate::summary::ReadState;

/// The archive is a place of its own, from which a thread comes back as it was.
pub fn an_archived_thread_is_listed_apart_and_not_written(store: &impl ThreadStore) {
    let id = thread(store, &Value::Null, &[user("Hello"), note("a")]);
    let other = thread(store, &Value::Null, &[user("Stay")]);
    store.set_name(&id, "Name").unwrap();
    let archive = Query { archived: true, ..query() };
    let before = store.find(&id).unwrap().unwrap();
    for _ in 0..2 {
        let archived = store.set_archived(&id, true).unwrap();
        assert!(archived.archived && archived.path.is_none() == before.path.is_none());
        assert_eq!(store.find(&id).unwrap(), Some(archived));
        assert_eq!((listed(store, &query()), listed(store, &archive)), (vec![other.clone()], vec![id.clone()]));
    }
    assert!(store.search("hello", &query()).unwrap().data.is_empty());
    assert_eq!(store.search("hello", &archive).unwrap().data.len(), 1);
    assert!(matches!(store.lease(&id).err(), Some(StoreError::Archived(archived)) if archived == id));
    assert_eq!(texts(&all(&*store.lines(&id).unwrap())), ["a"]);
    for _ in 0..2 {
        assert_eq!(store.set_archived(&id, false).unwrap(), before);
        assert_eq!(store.find(&id).unwrap(), Some(before.clone()));
    }
    assert!(listed(store, &archive).is_empty());
    store.lease(&id).unwrap().append(&[note("b")]).unwrap();
}

/// Nothing of a deleted thread is found.
pub fn a_deleted_thread_is_gone(store: &impl ThreadStore) {
    let live = thread(store, &Value::Null, &[user("Hello there")]);
    let archived = thread(store, &Value::Null, &[user("Hello there")]);
    store.set_archived(&archived, true).unwrap();
    for id in [live, archived] {
        store.set_name(&id, "Hello name").unwrap();
        store.delete(&id).unwrap();
        assert!(store.find(&id).unwrap().is_none());
        for archived in [false, true] {
            let query = Query { archived, ..query() };
            assert!(!listed(store, &query).contains(&id));
            assert!(store.search("hello", &query).unwrap().data.iter().all(|found| found.thread.id != id));
        }
        assert!(matches!(store.lease(&id).err(), Some(StoreError::NotFound(_))));
        assert!(matches!(store.delete(&id).err(), Some(StoreError::NotFound(_))));
        let again: Uuid = id.parse().unwrap();
        store.create(again, head(again, &Value::Null)).unwrap().append(&[user("New")]).unwrap();
        assert_eq!(store.find(&id).unwrap().unwrap().name, None);
    }
}

/// A writer need not fear that its thread goes away.
pub fn a_thread_that_is_written_is_neither_moved_nor_deleted(store: &impl ThreadStore) {
    let id = thread(store, &Value::Null, &[user("Hello")]);
    let mut log = store.lease(&id).unwrap();
    assert!(matches!(store.set_archived(&id, true).err(), Some(StoreError::Leased { .. })));
    assert!(matches!(store.delete(&id).err(), Some(StoreError::Leased { .. })));
    log.append(&[note("a")]).unwrap();
    drop(log);
    assert_eq!(texts(&all(&*store.lines(&id).unwrap())), ["a"]);
    store.set_archived(&id, true).unwrap();
    store.set_archived(&id, false).unwrap();
    drop(store.lease(&id).unwrap());
    store.delete(&id).unwrap();
}

/// A thread may be named as often as one likes, also while it is written.
pub fn the_last_name_counts(store: &impl ThreadStore) {
    let id = thread(store, &Value::Null, &[user("Hello")]);
    let log = store.lease(&id).unwrap();
    for name in ["One", "Zwei \"größer\"\n"] {
        store.set_name(&id, name).unwrap();
        assert_eq!(store.find(&id).unwrap().unwrap().name.as_deref(), Some(name));
        assert_eq!(store.list(&query()).unwrap().data[0].name.as_deref(), Some(name));
    }
    drop(log);
}

/// What is unread is told with the thread.
pub fn what_is_unread_is_kept(store: &impl ThreadStore) {
    let id = thread(store, &Value::Null, &[user("Hello")]);
    let mut log = store.lease(&id).unwrap();
    for (turn, revision) in [(Some("turn"), "1"), (None, "2")] {
        let state = ReadState { first_unread: turn.map(str::to_owned), revision: revision.to_owned() };
        store.set_read_state(&id, &state).unwrap();
        log.append(&[note("a")]).unwrap();
        assert_eq!(store.find(&id).unwrap().unwrap().read_state.as_ref(), Some(&state));
        assert_eq!(store.list(&query()).unwrap().data[0].read_state, Some(state));
    }
}

/// Every question about a thread that is not there is answered in the same way.
pub fn unknown_threads_are_not_found(store: &impl ThreadStore) {
    let state = ReadState { first_unread: None, revision: String::new() };
    for id in [Uuid::now_v7().to_string(), Uuid::new_v4().to_string(), "../../etc/passwd".to_owned(), String::new()] {
        assert!(store.find(&id).unwrap().is_none());
        let errors = [
            store.lease(&id).err(),
            store.lines(&id).err(),
            store.set_archived(&id, true).err(),
            store.set_archived(&id, false).err(),
            store.delete(&id).err(),
            store.set_name(&id, "Name").err(),
            store.set_read_state(&id, &state).err(),
        ];
        for error in errors {
            assert!(matches!(&error, Some(StoreError::NotFound(named)) if *named == id), "{error:?}");
        }
    }
    assert!(listed(store, &query()).is_empty());
}

/// A thread that is stored is leased, not made.
pub fn a_thread_is_not_made_twice(store: &impl ThreadStore) {
    let name = thread(store, &Value::Null, &[note("a")]);
    let id: Uuid = name.parse().unwrap();
    assert!(matches!(store.create(id, head(id, &Value::Null)).err(), Some(StoreError::Exists(there)) if there == name));
    store.set_archived(&name, true).unwrap();
    assert!(matches!(store.create(id, head(id, &Value::Null)).err(), Some(StoreError::Exists(there)) if there == name));
    store.set_archived(&name, false).unwrap();
    assert_eq!(texts(&all(&*store.lines(&name).unwrap())), ["a"]);
    drop(store.lease(&name).unwrap());
}
