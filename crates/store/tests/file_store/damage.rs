//! The index is never the truth: whatever happens to it, the same threads are found.

use std::fs;
use std::io::Write;

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_store::{FileStore, Query, ReadState, Summary, ThreadStore};

use super::home::*;

/// A home with some threads, and what its list shows.
fn some() -> (Home, Vec<Summary>) {
    let home = Home::new();
    let store = home.store();
    for number in 0..5 {
        let id = own(&store, &format!("text {number}"));
        store.set_name(&id, &format!("name {number}")).unwrap();
        home.foreign("2026/01/02", &["foreign text"]);
    }
    let threads = list(&store);
    assert_eq!(threads.len(), 10);
    store.settle().unwrap();
    (home, threads)
}

/// A new store shows what the old one showed.
fn check(home: &Home, expected: &[Summary]) {
    let store = home.store();
    assert_eq!(list(&store), expected);
    assert_eq!((found(&store, "foreign text").len(), found(&store, "text 3").len()), (5, 1));
    store.settle().unwrap();
    assert_eq!((found(&store, "foreign text").len(), found(&store, "text 3").len()), (5, 1));
}

#[test]
fn a_store_touches_nothing_before_it_is_used() {
    let home = Home::new();
    drop(home.store());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    let nowhere = home.path().join("nowhere");
    drop(FileStore::open(&nowhere));
    assert!(!nowhere.exists());
}

#[test]
fn a_missing_index_is_made_anew() {
    let (home, threads) = some();
    fs::remove_file(home.index()).unwrap();
    check(&home, &threads);
    assert!(home.index().exists());
}

#[test]
fn an_index_that_is_no_database_is_made_anew() {
    let (home, threads) = some();
    for garbage in [vec![b'x'; 100_000], b"SQLite format 3\0".to_vec(), vec![0; 4096]] {
        fs::write(home.index(), garbage).unwrap();
        check(&home, &threads);
    }
}

#[test]
fn an_index_of_another_version_is_made_anew() {
    let (home, threads) = some();
    let database = rusqlite::Connection::open(home.index()).unwrap();
    database.execute_batch("DROP TABLE threads; PRAGMA user_version = 999").unwrap();
    drop(database);
    check(&home, &threads);
    fs::remove_file(home.index()).unwrap();
    rusqlite::Connection::open(home.index()).unwrap().execute_batch("CREATE TABLE threads (other)").unwrap();
    check(&home, &threads);
}

#[test]
fn an_index_with_a_damaged_middle_is_made_anew() {
    let (home, threads) = some();
    let mut bytes = fs::read(home.index()).unwrap();
    let (from, to) = (4096, bytes.len());
    bytes[from..to].fill(0xA5);
    fs::write(home.index(), bytes).unwrap();
    check(&home, &threads);
}

#[test]
fn stores_that_find_the_index_damaged_at_once_share_the_new_one() {
    let (home, threads) = some();
    // What only an index in the home can keep.
    let state = ReadState { first_unread: Some("turn".to_owned()), revision: "1".to_owned() };
    for _ in 0..10 {
        fs::write(home.index(), [b'x'; 100_000]).unwrap();
        let stores = [home.store(), home.store(), home.store()];
        std::thread::scope(|scope| {
            for store in &stores {
                scope.spawn(|| assert_eq!(list(store), threads));
            }
        });
        stores[0].set_read_state(&threads[0].id, &state).unwrap();
        for store in &stores {
            assert_eq!(store.find(&threads[0].id).unwrap().unwrap().read_state.as_ref(), Some(&state));
        }
    }
}

#[test]
fn an_index_that_is_removed_under_a_store_is_not_missed() {
    let (home, threads) = some();
    let store = home.store();
    assert_eq!(list(&store), threads);
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(home.path().join(format!("valet-index.sqlite{suffix}")));
    }
    let new = own(&store, "after that");
    assert!(ids(&store).contains(&new));
    assert_eq!(found(&store, "after that"), [new.as_str()]);
    assert!(ids(&home.store()).contains(&new));
}

#[test]
fn a_home_that_takes_no_index_is_listed_all_the_same() {
    let (home, threads) = some();
    fs::remove_file(home.index()).unwrap();
    // Not even root can open this.
    fs::create_dir(home.index()).unwrap();
    check(&home, &threads);
    let store = home.store();
    let id = own(&store, "new");
    assert_eq!(list(&store).len(), 11);
    assert_eq!(found(&store, "new"), [id.as_str()]);
    store.delete(&id).unwrap();
    assert_eq!(list(&store), threads);
}

#[test]
fn damaged_logs_harm_no_others() {
    let home = Home::new();
    let (good, _) = home.foreign("2026/01/02", &["Hello"]);
    let (odd, path) = home.foreign("2026/01/02", &["Hello"]);
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    file.write_all(b"\xff\xfe\0\n[1,2\n\n{\"type\":\"event_msg\",\"payload\":7}\n").unwrap();
    append(&path, &json!({"timestamp": "?", "type": "from_the_future", "payload": {"text": "Hello"}}));
    append(&path, &user("the last line"));
    file.write_all(b"{\"timestamp\":\"2026").unwrap();
    let folder = path.parent().unwrap();
    let name = |id: &str| folder.join(format!("rollout-2026-01-02T01-02-03-{id}.jsonl"));
    fs::write(name("01a1ff14-d5f4-7343-be12-000000000001"), "").unwrap();
    fs::write(name("01a1ff14-d5f4-7343-be12-000000000002"), [0xff; 100]).unwrap();
    append(&name("01a1ff14-d5f4-7343-be12-000000000003"), &user("no head"));
    fs::create_dir(name("01a1ff14-d5f4-7343-be12-000000000004")).unwrap();
    fs::write(folder.join("rollout-x.jsonl"), "x").unwrap();
    fs::write(home.path().join("sessions/2026/notes"), "x").unwrap();
    let store = home.store();
    for _ in 0..2 {
        store.settle().unwrap();
        assert_eq!(ids(&store), [good.clone(), odd.clone()]);
        assert_eq!(found(&store, "the last line"), [odd.as_str()]);
    }
    // What was torn is whole now.
    file.write_all(b"-01-02T03:04:06Z\",\"type\":\"note\",\"payload\":1}\n").unwrap();
    append(&path, &user("after it"));
    assert_eq!(found(&store, "after it"), [odd]);
}

#[test]
fn a_log_of_very_much_text_is_searched_to_its_end() {
    let home = Home::new();
    let (id, path) = home.foreign("2026/01/02", &["Hello"]);
    for number in 0..7 {
        append(&path, &user(&format!("{} marker{number}x", "word ".repeat(150_000))));
    }
    let store = home.store();
    assert_eq!(found(&store, "marker6x"), [id.as_str()]);
    store.settle().unwrap();
    assert_eq!(found(&store, "marker0x"), [id.as_str()]);
    assert_eq!(store.list(&Query { text: Some("marker6x".to_owned()), ..all() }).unwrap().data, []);
}

#[cfg(unix)]
#[test]
fn what_is_stored_is_for_its_owner_alone_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    // As an older program may have left it.
    fs::write(home.index(), "").unwrap();
    let store = home.store();
    own(&store, "a secret");
    list(&store);
    for suffix in ["", "-wal", "-shm"] {
        let path = home.path().join(format!("valet-index.sqlite{suffix}"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{suffix}");
    }
}
