//! Other programs and other hosts use the same home.

use std::fs;

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_store::generator::Generator;
use valet_store::{Direction, Position, Query, ReadState, StoreError, ThreadStore};

use super::home::*;

#[test]
fn a_new_thread_of_another_program_is_in_the_next_list() {
    let home = Home::new();
    let store = home.store();
    assert!(list(&store).is_empty());
    let (first, path) = home.foreign("2026/01/02", &["Hello"]);
    assert_eq!(ids(&store), [first.as_str()]);
    assert_eq!(list(&store)[0].path.as_deref(), path.to_str());
    let (second, _) = home.foreign("2026/01/03", &["Hello"]);
    let (third, _) = home.foreign("2026/01/03", &["Hello"]);
    assert_eq!(ids(&store), [first, second, third]);
}

#[test]
fn what_another_program_appends_is_in_the_next_list() {
    let home = Home::new();
    let store = home.store();
    let (_, path) = home.foreign("2026/01/02", &["Hello"]);
    let before = list(&store).remove(0);
    append(&path, &user("a needle"));
    let after = list(&store).remove(0);
    assert!(after.updated_at_ms >= before.updated_at_ms);
    assert_eq!(found(&store, "NEEDLE"), [after.id]);
}

#[cfg(unix)]
#[test]
fn a_list_says_when_the_folders_of_the_threads_cannot_be_read() {
    let home = Home::new();
    let store = home.store();
    home.foreign("2026/01/02", &["Hello"]);
    assert_eq!(list(&store).len(), 1);
    let sessions = home.path().join("sessions");
    fs::rename(&sessions, home.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(&sessions, &sessions).unwrap();
    let error = store.list(&all()).unwrap_err();
    assert!(matches!(&error, StoreError::Io { .. }), "{error}");
}

#[test]
fn a_silent_thread_is_listed_when_somebody_speaks_in_it() {
    let home = Home::new();
    let store = home.store();
    let (id, path) = home.foreign("2026/01/02", &[]);
    assert!(list(&store).is_empty());
    append(&path, &user("Hello"));
    assert_eq!(ids(&store), [id]);
}

#[test]
fn old_threads_that_changed_are_found_by_the_sweep() {
    let home = Home::new();
    let (id, path) = home.foreign("2020/01/02", &["Hello"]);
    for day in ["2026/01/01", "2026/01/02", "2026/01/03"] {
        for _ in 0..40 {
            home.foreign(day, &["Hello"]);
        }
    }
    let store = home.store();
    store.settle().unwrap();
    append(&path, &user("later"));
    let (old, _) = home.foreign("2020/01/02", &["Hello too"]);
    store.settle().unwrap();
    assert_eq!(found(&store, "later"), [id]);
    assert!(ids(&store).contains(&old));
}

#[test]
fn a_thread_whose_file_is_gone_is_listed_no_more() {
    let home = Home::new();
    let store = home.store();
    let (first, path) = home.foreign("2026/01/02", &["Hello one"]);
    let (second, _) = home.foreign("2026/01/02", &["Hello two"]);
    assert_eq!(ids(&store), [first.clone(), second.clone()]);
    fs::remove_file(path).unwrap();
    assert_eq!(ids(&store), [second.as_str()]);
    assert_eq!(store.find(&first).unwrap(), None);
    assert_eq!(found(&store, "hello"), [second]);
    fs::remove_dir_all(home.path().join("sessions")).unwrap();
    assert!(list(&store).is_empty());
}

#[test]
fn a_file_that_was_replaced_is_read_anew() {
    let home = Home::new();
    let store = home.store();
    let (id, path) = home.foreign("2026/01/02", &["the first text, which is long"]);
    assert_eq!(found(&store, "first"), [id.as_str()]);
    store.settle().unwrap();
    fs::remove_file(&path).unwrap();
    append(&path, &meta(&id));
    append(&path, &user("another"));
    assert_eq!(list(&store)[0].preview, "another");
    assert!(found(&store, "first").is_empty());
    assert_eq!(found(&store, "another"), [id]);
}

#[test]
fn a_thread_that_another_program_archives_keeps_what_is_unread() {
    let home = Home::new();
    let store = home.store();
    let (id, path) = home.foreign("2026/01/02", &["Hello"]);
    let state = ReadState { first_unread: Some("turn".to_owned()), revision: "1".to_owned() };
    store.set_read_state(&id, &state).unwrap();
    let archive = home.path().join("archived_sessions");
    fs::create_dir(&archive).unwrap();
    fs::rename(&path, archive.join(path.file_name().unwrap())).unwrap();
    assert!(list(&store).is_empty());
    let archived = store.list(&Query { archived: true, ..all() }).unwrap().data.remove(0);
    assert_eq!((archived.id, archived.read_state), (id, Some(state)));
}

#[test]
fn a_name_given_by_another_program_counts_and_goes() {
    let home = Home::new();
    let store = home.store();
    let (id, _) = home.foreign("2026/01/02", &["Hello"]);
    assert_eq!(list(&store)[0].name, None);
    let names = home.path().join("session_index.jsonl");
    append(&names, &json!({"id": id, "thread_name": "Größe", "updated_at": "2026-01-02T03:04:05Z"}));
    assert_eq!(list(&store)[0].name.as_deref(), Some("Größe"));
    let named = Query { text: Some("GRÖSSE".to_owned()), ..all() };
    assert!(store.list(&named).unwrap().data.is_empty());
    let named = Query { text: Some("gRÖß".to_owned()), ..all() };
    assert_eq!(store.list(&named).unwrap().data.len(), 1);
    fs::remove_file(names).unwrap();
    assert_eq!(list(&store)[0].name, None);
}

#[test]
fn two_stores_in_one_home_see_each_others_threads_at_once() {
    let home = Home::new();
    let (one, two) = (home.store(), home.store());
    for number in 0..20 {
        let text = format!("needle{number}");
        let (writer, reader) = if number % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let id = own(writer, &text);
        assert_eq!(list(reader)[0].id, list(writer)[0].id);
        assert_eq!(found(reader, &text), [id.as_str()]);
        writer.set_name(&id, &text).unwrap();
        assert_eq!(reader.find(&id).unwrap().unwrap().name, Some(text));
        let mut log = reader.lease(&id).unwrap();
        log.append(&[line(&format!("answer{number}"))]).unwrap();
        assert_eq!(found(writer, &format!("answer{number}")), [id]);
    }
    let gone = list(&one).remove(0).id;
    one.delete(&gone).unwrap();
    assert!(!ids(&two).contains(&gone));
}

#[test]
fn stores_that_write_at_once_do_not_fail() {
    let home = Home::new();
    let stores = [home.store(), home.store(), home.store()];
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| {
                for number in 0..20 {
                    let id = own(store, &format!("text {number}"));
                    assert!(ids(store).contains(&id));
                    assert!(found(store, "text").contains(&id));
                }
            });
        }
    });
    assert_eq!(ids(&stores[0]).len(), 60);
    assert_eq!(list(&stores[1]), list(&home.store()));
}

#[test]
fn a_list_does_not_fail_while_another_process_keeps_the_index() {
    let home = Home::new();
    let store = home.store();
    let first = own(&store, "Hello");
    assert_eq!(ids(&store), [first.as_str()]);
    let mut other = rusqlite::Connection::open(home.index()).unwrap();
    let writing = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let second = own(&store, "Hello");
    assert_eq!(ids(&store), [first.as_str()]);
    drop(writing);
    assert_eq!(ids(&store), [first, second]);
}

#[test]
fn two_hosts_may_make_the_index_at_once() {
    let home = Home::new();
    let until = chrono::DateTime::from_timestamp(1_795_000_000, 0).unwrap();
    Generator { threads: 600, seed: 3, until, days: 3 }.write(home.path()).unwrap();
    let stores = [home.store(), home.store()];
    std::thread::scope(|scope| {
        let lists = stores.each_ref().map(|store| scope.spawn(|| list(store)));
        let [one, two] = lists.map(|list| list.join().unwrap());
        assert!(one.len() > 500);
        assert_eq!(one, two);
    });
}

#[test]
fn a_fork_shows_how_its_history_began_and_keeps_it_alive() {
    let home = Home::new();
    let store = home.store();
    let (base, path) = home.foreign("2026/01/03", &["How it began", "and went on"]);
    let end = fs::metadata(&path).unwrap().len();
    // The day before: a sweep comes there later.
    let (fork, path) = home.foreign("2026/01/02", &[]);
    let mut head = meta(&fork);
    head["payload"]["history_base"] = json!({"thread_id": base, "end_ordinal_exclusive": 3, "end_byte_offset": end});
    fs::write(&path, format!("{head}\n")).unwrap();
    let thread = store.find(&fork).unwrap().unwrap();
    assert_eq!(thread.preview, "How it began");
    assert_eq!(ids(&store), [base.clone(), fork.clone()]);
    let named = Query { text: Some("began".to_owned()), ..all() };
    assert_eq!(store.list(&named).unwrap().data.len(), 2);
    assert!(matches!(store.delete(&base), Err(StoreError::Referenced { id, .. }) if id == base));
    let mut log = store.lease(&base).unwrap();
    let head_end = log.lines().read(Position::START, Direction::Forward, 0).unwrap()[0].next;
    assert!(matches!(log.truncate(head_end), Err(StoreError::Referenced { doing: "revert", .. })));
    drop(log);
    store.delete(&fork).unwrap();
    store.delete(&base).unwrap();
    assert!(list(&store).is_empty());
}
