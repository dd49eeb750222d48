//! What is done to a home behind a host's back: files go, the index is garbage, clocks are wrong.

use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use serde_json::Value;
use valet_protocol::{methods as m, v2};
use valet_sim::Script;

use super::{Host, backend, home, is_whole, messages, resuming, rollouts};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_deleted_under_a_host_ends_the_turns_of_its_thread_and_no_others() {
    let sim = backend(Script::text("Yes.")).await;
    let home = home(&sim);
    let mut host = Host::start(home.path()).await;
    let (gone, stays) = (host.thread().await, host.thread().await.id);
    host.turn(&gone.id, "one").await;
    host.turn(&stays, "one").await;
    std::fs::remove_file(gone.path.unwrap()).unwrap();
    let turn = host.turn(&gone.id, "two").await;
    assert_eq!(turn.status, v2::TurnStatus::Failed);
    let message = turn.error.unwrap().message;
    assert!(message.contains("deleted or replaced"), "{message}");
    assert_eq!(host.listed().await, [stays.as_str()]);
    assert_eq!(host.found("one").await, [stays.as_str()]);
    assert_eq!(host.turn(&stays, "two").await.status, v2::TurnStatus::Completed);
    host.end().await;
    let host = Host::start(home.path()).await;
    let error = host.refused::<m::ThreadResume>(resuming(&gone.id)).await;
    assert_eq!(error.message, format!("no rollout found for thread id {}", gone.id));
}

fn index(home: &Path) -> PathBuf {
    home.join("valet-index.sqlite")
}

/// What may become of the index.
const DAMAGE: [fn(&Path); 5] = [
    |home| std::fs::write(index(home), "this is not a database ".repeat(1000)).unwrap(),
    |home| std::fs::remove_file(index(home)).unwrap(),
    |home| std::fs::write(index(home), "").unwrap(),
    // The version of the tables, as the file's head says it: of a program that is newer.
    |home| {
        let mut bytes = std::fs::read(index(home)).unwrap();
        bytes[60..64].copy_from_slice(&4711_u32.to_be_bytes());
        std::fs::write(index(home), bytes).unwrap();
    },
    // All pages but the first.
    |home| {
        let mut bytes = std::fs::read(index(home)).unwrap();
        bytes[4096..].fill(0x5a);
        std::fs::write(index(home), bytes).unwrap();
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_the_index_lists_are_right() {
    let sim = backend(Script::text("Yes.")).await;
    for (number, damage) in DAMAGE.iter().enumerate() {
        let home = home(&sim);
        let mut host = Host::start(home.path()).await;
        let mut ids = Vec::new();
        for word in ["needle0", "needle1"] {
            ids.insert(0, host.thread().await.id);
            host.turn(&ids[0], word).await;
        }
        assert_eq!(host.listed().await, ids);
        // While a host has it open.
        damage(home.path());
        assert_eq!(host.listed().await, ids, "damage {number}, running");
        ids.insert(0, host.thread().await.id);
        assert_eq!(host.turn(&ids[0], "needle2").await.status, v2::TurnStatus::Completed);
        assert_eq!(host.listed().await, ids, "damage {number}, running");
        assert_eq!(host.found("needle2").await, ids[..1], "damage {number}, running");
        assert_eq!(host.found("needle0").await, ids[2..], "damage {number}, running");
        host.end().await;
        // While nobody has.
        let host = Host::start(home.path()).await;
        assert_eq!(host.listed().await, ids);
        host.end().await;
        damage(home.path());
        let mut host = Host::start(home.path()).await;
        assert_eq!(host.listed().await, ids, "damage {number}, at start");
        assert_eq!(host.found("needle1").await, ids[1..2], "damage {number}, at start");
        assert_eq!(host.resume(&ids[1]).await.turns.len(), 1);
        assert_eq!(host.turn(&ids[1], "again").await.status, v2::TurnStatus::Completed);
        host.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_back_changes_no_order_and_takes_no_time_back() {
    let sim = backend(Script::text("Yes.")).await;
    let home = home(&sim);
    let mut host = Host::start(home.path()).await;
    let (id, other) = (host.thread().await.id, host.thread().await.id);
    host.turn(&id, "one").await;
    host.turn(&id, "two").await;
    host.turn(&other, "other").await;
    host.end().await;
    // Seen from the log, now is years ago.
    let log = rollouts(home.path()).into_iter().find(|log| log.to_str().unwrap().contains(&id)).unwrap();
    let ahead = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let time = line["timestamp"].as_str().unwrap().to_owned();
        line["timestamp"] = format!("2099{}", &time[4..]).into();
        for name in ["started_at", "completed_at"] {
            if let Some(time) = line["payload"][name].as_i64() {
                line["payload"][name] = (time + 70 * 365 * 86_400).into();
            }
        }
        line.to_string() + "\n"
    };
    let text: String = std::fs::read_to_string(&log).unwrap().lines().map(ahead).collect();
    std::fs::write(log.with_extension("new"), text).unwrap();
    std::fs::rename(log.with_extension("new"), &log).unwrap();

    let mut host = Host::start(home.path()).await;
    let updated = |rows: Vec<v2::Thread>| rows.into_iter().find(|row| row.id == id).unwrap().updated_at;
    let before = updated(host.rows().await);
    assert!(before > 3_900_000_000, "{before}");
    assert_eq!(host.resume(&id).await.turns.len(), 2);
    assert_eq!(host.turn(&id, "three").await.status, v2::TurnStatus::Completed);
    let said = ["user: one", "agent: Yes.", "user: two", "agent: Yes.", "user: three", "agent: Yes."];
    assert_eq!(messages(&host.read(&id).await.turns), said);
    assert_eq!(host.read(&id).await.updated_at, before);
    assert!(updated(host.rows().await) >= before);
    host.end().await;
    let host = Host::start(home.path()).await;
    assert_eq!(messages(&host.read(&id).await.turns), said);
    assert!(updated(host.rows().await) >= before);
    let by_update = v2::ThreadListParams { sort_key: Some(v2::ThreadSortKey::UpdatedAt), ..Default::default() };
    let rows = host.ask::<m::ThreadList>(by_update).await.data;
    assert_eq!(rows.into_iter().map(|row| row.id).collect::<Vec<_>>(), [id, other]);
    assert!(is_whole(&log));
    let text = std::fs::read_to_string(&log).unwrap();
    let times: Vec<Value> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["timestamp"].clone()).collect();
    assert!(times.is_sorted_by_key(|time| time.as_str().unwrap().to_owned()), "{times:?}");
}
