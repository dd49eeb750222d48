//! What a writer may rely on: all or nothing, whatever the disk, other programs and dying processes do.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::StoreError;
use crate::files::Files;
use crate::line::{NewLine, Position};
use crate::log::{Direction, ThreadLog};

fn note(text: &str) -> NewLine {
    NewLine::new("note", &json!({"text": text})).unwrap()
}

fn head(id: Uuid) -> NewLine {
    NewLine::new("session_meta", &json!({"id": id})).unwrap()
}

fn home() -> (tempfile::TempDir, Files) {
    let home = tempfile::tempdir().unwrap();
    let files = Files::new(home.path().to_owned());
    (home, files)
}

/// A thread with a few notes, and its file.
fn thread(files: &Files, notes: &[&str]) -> (String, PathBuf) {
    let id = Uuid::now_v7();
    let mut log = files.create(id, head(id)).unwrap();
    log.append(&notes.iter().map(|text| note(text)).collect::<Vec<_>>()).unwrap();
    (id.to_string(), log.path().unwrap().to_owned())
}

fn values(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ordinals(path: &Path) -> Vec<u64> {
    values(path).iter().map(|line| line["ordinal"].as_u64().unwrap()).collect()
}

fn texts(path: &Path) -> Vec<String> {
    let notes = values(path).into_iter().filter(|line| line["type"] == "note");
    notes.map(|line| line["payload"]["text"].as_str().unwrap().to_owned()).collect()
}

fn add(path: &Path, text: &str) {
    File::options().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn nothing_is_stored_before_something_is_said() {
    let (home, files) = home();
    let id = Uuid::now_v7();
    let mut log = files.create(id, head(id)).unwrap();
    log.append(&[]).unwrap();
    log.truncate(Position::START).unwrap();
    assert_eq!(log.lines().end().unwrap(), Position::START);
    assert!(!home.path().join("sessions").exists());
    log.append(&[note("a"), note("b")]).unwrap();
    let path = log.path().unwrap();
    assert_eq!((ordinals(path), texts(path)), (vec![0, 1, 2], vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(files.find(&id.to_string(), None).unwrap().unwrap().path, path);
    drop(log);
    assert!(matches!(files.create(id, head(id)), Err(StoreError::Exists(_))));
}

#[cfg(unix)]
#[test]
fn what_is_stored_is_for_nobody_else_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let (home, files) = home();
    let (_, path) = thread(&files, &["a"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&home.path().join("sessions"))), (0o600, 0o700));
}

#[test]
fn numbers_go_on_and_time_does_not_go_back() {
    let (_home, files) = home();
    let (id, path) = thread(&files, &["a"]);
    add(&path, "{\"timestamp\":\"2100-01-01T00:00:00.500Z\",\"ordinal\":7,\"type\":\"later\",\"payload\":{}}\n");
    add(&path, "no JSON\n");
    add(&path, "{\"timestamp\":\"\",\"type\":\"without a number\",\"payload\":{}}\n");
    let mut log = files.lease(&id, None).unwrap();
    log.append(&[note("b")]).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["ordinal"], &last["timestamp"]), (&json!(8), &json!("2100-01-01T00:00:00.500Z")));
    assert!(text.contains("\nno JSON\n"));
}

#[test]
fn an_older_log_without_numbers_stays_without_them() {
    let (_home, files) = home();
    let (id, path) = thread(&files, &["a"]);
    fs::write(&path, "{\"timestamp\":\"\",\"type\":\"session_meta\",\"payload\":{}}\n").unwrap();
    files.lease(&id, None).unwrap().append(&[note("b")]).unwrap();
    assert_eq!(values(&path)[1].get("ordinal"), None);
}

#[test]
fn what_is_torn_is_cut_off_and_what_only_lacks_its_end_is_kept() {
    let (_home, files) = home();
    let (id, path) = thread(&files, &["a"]);
    add(&path, "{\"timestamp\":\"\",\"ordinal\":2,\"type\":\"note\",\"payload\":{\"text\":\"b\"");
    assert_eq!(
        files.lines(&id, None).unwrap().end().unwrap().0,
        fs::read_to_string(&path).unwrap().find("{\"timestamp\":\"\"").unwrap() as u64
    );
    files.lease(&id, None).unwrap().append(&[note("c")]).unwrap();
    assert_eq!((ordinals(&path), texts(&path)), (vec![0, 1, 2], vec!["a".to_owned(), "c".to_owned()]));
    add(&path, "{\"timestamp\":\"\",\"ordinal\":3,\"type\":\"note\",\"payload\":{\"text\":\"d\"}}");
    files.lease(&id, None).unwrap().append(&[note("e")]).unwrap();
    assert_eq!(
        (ordinals(&path), texts(&path)),
        (vec![0, 1, 2, 3, 4], ["a", "c", "d", "e"].map(str::to_owned).to_vec())
    );
}

#[test]
fn a_log_that_died_with_its_first_line_is_damaged() {
    let (_home, files) = home();
    let (id, path) = thread(&files, &["a"]);
    fs::write(&path, "{\"timest").unwrap();
    assert!(matches!(files.lease(&id, None), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_file_that_was_deleted_or_replaced_is_said_to_be() {
    let (_home, files) = home();
    let (id, path) = thread(&files, &["a"]);
    let mut log = files.lease(&id, None).unwrap();
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).unwrap();
    let gone = log.append(&[note("b")]).unwrap_err().to_string();
    assert!(gone.contains(path.to_str().unwrap()) && gone.contains("deleted or replaced"), "{gone}");
    assert!(log.truncate(Position::START).is_err());
    fs::write(&path, "").unwrap();
    assert!(log.append(&[note("b")]).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    fs::rename(&aside, &path).unwrap();
    log.append(&[note("c")]).unwrap();
    assert_eq!((ordinals(&path), texts(&path)), (vec![0, 1, 2], vec!["a".to_owned(), "c".to_owned()]));
}

#[test]
fn a_log_is_taken_back_to_the_beginning_of_a_line() {
    let (_home, files) = home();
    let (id, path) = thread(&files, &["a", "b", "c"]);
    let mut log = files.lease(&id, None).unwrap();
    let lines = log.lines().read(Position::START, Direction::Forward, usize::MAX).unwrap();
    assert!(log.truncate(Position(lines[2].at.0 + 1)).is_err());
    log.truncate(Position(u64::MAX)).unwrap();
    assert_eq!(texts(&path).len(), 3);
    log.truncate(lines[2].at).unwrap();
    log.append(&[note("d")]).unwrap();
    assert_eq!((ordinals(&path), texts(&path)), (vec![0, 1, 2], vec!["a".to_owned(), "d".to_owned()]));
}

#[test]
fn an_archived_thread_moves_and_is_not_written() {
    let (home, files) = home();
    let (id, path) = thread(&files, &["a"]);
    let reader = files.lines(&id, Some(&path)).unwrap();
    let place = files.set_archived(&id, true, Some(&path)).unwrap();
    assert_eq!(place.path.parent(), Some(home.path().join("archived_sessions").as_path()));
    assert_eq!(files.set_archived(&id, true, Some(&path)).unwrap(), place);
    assert!(matches!(files.lease(&id, Some(&path)), Err(StoreError::Archived(_))));
    assert_eq!(reader.read(Position::START, Direction::Forward, usize::MAX).unwrap().len(), 2);
    assert_eq!(files.set_archived(&id, false, None).unwrap().path, path);
    let log = files.lease(&id, None).unwrap();
    assert!(matches!(files.set_archived(&id, true, None), Err(StoreError::Leased { .. })));
    assert!(matches!(files.delete(&id, None), Err(StoreError::Leased { .. })));
    drop(log);
    files.set_name(&id, "Name").unwrap();
    files.delete(&id, None).unwrap();
    assert!(!path.exists() && files.names().unwrap().is_empty());
    assert!(matches!(files.delete(&id, None), Err(StoreError::NotFound(_))));
}

/// Which test runs in a process of its own, with a small disk.
#[cfg(unix)]
const ROOM: &str = "A_SMALL_DISK";

/// Runs this test once more, in a process that may write `blocks` of 512 or 1024 bytes to a file.
#[cfg(unix)]
fn with_room_for(blocks: u32, test: &str) -> bool {
    if std::env::var_os(ROOM).is_some() {
        return true;
    }
    let name = format!("files::log::tests::{test}");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" --exact {name} --nocapture 2>&1 | cat");
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(ROOM, "1")
        .output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(said.contains("1 passed"), "{said}");
    false
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_log_as_it_was() {
    if !with_room_for(8, "a_full_disk_leaves_the_log_as_it_was") {
        return;
    }
    let (_home, files) = home();
    let (id, path) = thread(&files, &["a"]);
    let mut log = files.lease(&id, None).unwrap();
    let before = fs::read_to_string(&path).unwrap();
    let error = log.append(&[note("fits"), note(&"x".repeat(20_000))]).unwrap_err().to_string();
    assert!(error.starts_with("cannot append to ") && error.contains(path.to_str().unwrap()), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    log.append(&[note("b")]).unwrap();
    assert_eq!((ordinals(&path), texts(&path)), (vec![0, 1, 2], vec!["a".to_owned(), "b".to_owned()]));
}

#[cfg(unix)]
#[test]
fn a_thread_that_could_not_be_stored_leaves_no_file() {
    if !with_room_for(8, "a_thread_that_could_not_be_stored_leaves_no_file") {
        return;
    }
    let (_home, files) = home();
    let id = Uuid::now_v7();
    let mut log = files.create(id, head(id)).unwrap();
    for _ in 0..2 {
        log.append(&[note(&"x".repeat(20_000))]).unwrap_err();
    }
    let path = log.path().unwrap().to_owned();
    assert_eq!(fs::read(&path).unwrap(), b"");
    drop(log);
    assert!(!path.exists());
    let mut log = files.create(id, head(id)).unwrap();
    log.append(&[note("a")]).unwrap();
    assert_eq!(ordinals(&path), [0, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_last_bytes_lose_every_whole_line_survives(
        lives in prop::collection::vec((prop::collection::vec("\\PC{0,40}", 1..5), 0_u64..120), 1..6)
    ) {
        let (_home, files) = home();
        let id = Uuid::now_v7();
        let mut log = Some(files.create(id, head(id)).unwrap());
        let mut whole = Vec::new();
        for (said, lost) in lives {
            let mut log = log.take().map_or_else(|| files.lease(&id.to_string(), None), Ok).unwrap();
            log.append(&said.iter().map(|text| note(text)).collect::<Vec<_>>()).unwrap();
            let path = log.path().unwrap().to_owned();
            drop(log);
            let text = fs::read(&path).unwrap();
            let first = memchr::memchr(b'\n', &text).unwrap() + 1;
            let kept = text.len().saturating_sub(usize::try_from(lost).unwrap()).max(first);
            fs::write(&path, &text[..kept]).unwrap();
            // A line is whole with its last bracket, though its line feed is gone.
            whole = text.split_inclusive(|byte| *byte == b'\n').scan(0, |end, line| {
                *end += line.len();
                (*end - 1 <= kept).then(|| line.to_vec())
            }).collect();
            files.lease(&id.to_string(), None).unwrap();
            prop_assert_eq!(fs::read(&path).unwrap(), whole.concat());
        }
        let path = files.find(&id.to_string(), None).unwrap().unwrap().path;
        prop_assert_eq!(ordinals(&path), (0..whole.len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn backward_is_forward_turned_round(
        lengths in prop::collection::vec(0_usize..300, 1..40),
        budgets in prop::collection::vec(0_usize..2000, 1..8),
        torn in 0_usize..3,
    ) {
        let (_home, files) = home();
        let (id, path) = thread(&files, &["a"]);
        let text: String = lengths.iter().map(|length| "x".repeat(*length) + "\n").collect();
        add(&path, &(text + &"y".repeat(torn)));
        let lines = files.lines(&id, None).unwrap();
        let all = |direction: Direction, mut from: Position| {
            let mut all = Vec::new();
            for budget in budgets.iter().cycle() {
                let some = lines.read(from, direction, *budget).unwrap();
                let Some(last) = some.last() else { break };
                let size: u64 = some.iter().map(|line| line.next.0 - line.at.0).sum();
                assert!(some.len() == 1 || size <= *budget as u64);
                from = if direction == Direction::Forward { last.next } else { last.at };
                all.extend(some);
            }
            all
        };
        let forward = all(Direction::Forward, Position::START);
        let mut backward = all(Direction::Backward, lines.end().unwrap());
        backward.reverse();
        prop_assert_eq!(&forward, &backward);
        prop_assert_eq!(forward.len(), lengths.len() + 2);
        prop_assert!(forward.windows(2).all(|pair| pair[0].next == pair[1].at));
    }
}
