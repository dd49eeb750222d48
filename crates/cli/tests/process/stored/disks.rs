//! Disks that are full, or take nothing: the turn says so and ends, nothing that was reported is missing, and with
//! room again everything goes on. The disks are made in a mount namespace of the host's own, and go with it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pretty_assertions::assert_eq;
use valet_protocol::{methods as m, v2};
use valet_sim::{Chunks, Response, Rule, Script};

use super::{Host, backend, home, is_whole, messages, point_at, resuming, rollouts};
use valet_tests::skip;

use crate::support::{VALET, in_time};

/// Whether a process without privileges may mount something for itself here.
fn can_mount() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
    let can = unshare.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !can {
        skip("this system lets nobody mount a disk of their own");
    }
    can
}

/// A host whose home was mounted by these commands.
async fn host_on(home: &Path, mount: &str) -> Host {
    let mut command = Command::new("unshare");
    let script = format!("{mount} && exec \"$VALET\" app-server");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-e", "-c", &script]);
    command.env("VALET", VALET).env("VALET_HOME", home).env_remove("CODEX_HOME").env_remove("VALET_LOG");
    command.current_dir("/");
    Host::spawn(&mut command).await
}

/// What mounts an empty disk of this size over the home, with what was in it.
fn tiny_disk(size: &str) -> String {
    format!(
        "config=$(cat \"$VALET_HOME/config.toml\") && mount -t tmpfs -o size={size} none \"$VALET_HOME\" && \
         echo \"$config\" >\"$VALET_HOME/config.toml\""
    )
}

/// The home as the host sees it.
fn inside(host: &Host, home: &Path) -> PathBuf {
    Path::new(&format!("/proc/{}/root", host.pid())).join(home.strip_prefix("/").unwrap())
}

/// Fills the disk up, but for so many bytes. Returns the file that does it.
fn fill(home: &Path, but: usize) -> PathBuf {
    let path = home.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let len = file.metadata().unwrap().len();
    file.set_len(len - but as u64).unwrap();
    path
}

/// That a turn failed because it cannot be stored, and says what to do.
fn is_not_stored(turn: &v2::Turn) {
    assert_eq!(turn.status, v2::TurnStatus::Failed);
    let message = &turn.error.as_ref().unwrap().message;
    assert!(message.contains("cannot be stored") && message.contains("Make room"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_a_turn_fails_and_with_room_again_the_next_one_works() {
    if !can_mount() {
        return;
    }
    let sim = backend(Script::text("Yes.")).await;
    let home = home(&sim);
    let mut host = host_on(home.path(), &tiny_disk("2m")).await;
    let disk = inside(&host, home.path());
    let id = host.thread().await.id;
    assert_eq!(host.turn(&id, "one").await.status, v2::TurnStatus::Completed);
    assert_eq!(host.listed().await, [id.as_str()]);

    let filler = fill(&disk, 0);
    // The last page of the log has room for something short.
    let long = |text: &str| text.repeat(3000);
    is_not_stored(&host.turn(&id, &long("two ")).await);
    assert_eq!(sim.requests().iter().filter(|request| request.is_turn()).count(), 1, "the model was asked for nothing");
    is_not_stored(&host.turn(&id, &long("three ")).await);
    // What is there can be read and listed all the same, and a thread that is not stored needs no room.
    assert_eq!(messages(&host.read(&id).await.turns)[..2], ["user: one", "agent: Yes."]);
    assert_eq!(host.listed().await, [id.as_str()]);
    assert_eq!(host.found("one").await, [id.as_str()]);
    let params = v2::ThreadStartParams { ephemeral: Some(true), ..Default::default() };
    let other = host.ask::<m::ThreadStart>(params).await.thread.id;
    assert_eq!(host.turn(&other, "one").await.status, v2::TurnStatus::Completed);
    // A new thread finds no room either, and says so.
    let new = host.thread().await.id;
    is_not_stored(&host.turn(&new, "new").await);

    std::fs::remove_file(filler).unwrap();
    assert_eq!(host.turn(&id, "four").await.status, v2::TurnStatus::Completed);
    assert_eq!(host.turn(&new, "newer").await.status, v2::TurnStatus::Completed);
    let statuses = |turns: &[v2::Turn]| turns.iter().map(|turn| turn.status.clone()).collect::<Vec<_>>();
    let (completed, failed) = (v2::TurnStatus::Completed, v2::TurnStatus::Failed);
    let turns = host.read(&id).await.turns;
    assert_eq!(statuses(&turns), [completed.clone(), failed.clone(), failed, completed]);
    assert!(rollouts(&disk).iter().all(|log| is_whole(log)));
    assert_eq!(rollouts(&disk).len(), 2);
    let mut listed = host.listed().await;
    listed.sort();
    assert_eq!(listed, [id.clone(), new]);

    // So says a new host, too.
    let after = tempfile::tempdir().unwrap();
    copy(&disk.join("sessions"), &after.path().join("sessions"));
    point_at(after.path(), &sim);
    let mut next = Host::start(after.path()).await;
    assert_eq!(next.resume(&id).await.turns, turns);
    assert_eq!(next.turn(&id, "five").await.status, v2::TurnStatus::Completed);
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_becomes_full_in_a_turn_holds_what_was_reported_and_nothing_half() {
    if !can_mount() {
        return;
    }
    // The message does not fit on the disk.
    let script = Rule::when("go")
        .respond(Response::new().text("It begins.").function_call("exec_command", serde_json::json!({"cmd": "true"})))
        .respond(Response::new().chunks(Chunks::repeat("a long message ".repeat(100), 300)));
    let sim = backend(Script::new().rule(script)).await;
    let home = home(&sim);
    let mut host = host_on(home.path(), &tiny_disk("2m")).await;
    let disk = inside(&host, home.path());
    let id = host.thread().await.id;
    host.turn(&id, "one").await;
    let filler = fill(&disk, 64 * 1024);
    host.begin(&id, "go").await;
    let mut reported = Vec::new();
    let turn = loop {
        let told = in_time(host.told.next()).await.unwrap();
        if let Some(item) = told.read::<m::ItemCompleted>() {
            reported.push(item.item);
        } else if let Some(ended) = told.read::<m::TurnCompleted>() {
            break ended.turn;
        }
    };
    is_not_stored(&turn);
    assert_eq!(reported.len(), 3, "the question, the first message and the command");
    let stored = |thread: v2::Thread| {
        let items = thread.turns.into_iter().find(|one| one.id == turn.id).unwrap().items;
        items.into_iter().take(3).collect::<Vec<_>>()
    };
    assert_eq!(stored(host.read(&id).await), reported);
    let log = rollouts(&disk).pop().unwrap();
    assert!(is_whole(&log), "nothing is half written");

    // Killed now, it has what was reported; with room, what it said later.
    let after = tempfile::tempdir().unwrap();
    copy(&disk.join("sessions"), &after.path().join("sessions"));
    point_at(after.path(), &sim);
    let mut next = Host::start(after.path()).await;
    assert_eq!(stored(next.resume(&id).await), reported);
    assert_eq!(next.turn(&id, "on").await.status, v2::TurnStatus::Completed);

    std::fs::remove_file(filler).unwrap();
    assert_eq!(host.turn(&id, "on").await.status, v2::TurnStatus::Completed);
    assert_eq!(stored(host.read(&id).await), reported);
    let turns = host.read(&id).await.turns;
    assert_eq!(turns[1].status, v2::TurnStatus::Failed);
    assert!(is_whole(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_can_only_be_read_is_read_and_turns_say_that_they_cannot_be_stored() {
    if !can_mount() {
        return;
    }
    let sim = backend(Script::text("Yes.")).await;
    let home = home(&sim);
    let mut host = Host::start(home.path()).await;
    let id = host.thread().await.id;
    host.turn(&id, "needle").await;
    host.end().await;
    let read_only = "mount --bind \"$VALET_HOME\" \"$VALET_HOME\" && mount -o remount,bind,ro \"$VALET_HOME\"";
    // With the index that was left there, and without one.
    for index in [true, false] {
        if !index {
            std::fs::remove_file(home.path().join("valet-index.sqlite")).unwrap();
        }
        let mut host = host_on(home.path(), read_only).await;
        assert_eq!(host.listed().await, [id.as_str()], "with index: {index}");
        assert_eq!(host.found("needle").await, [id.as_str()]);
        assert_eq!(messages(&host.read(&id).await.turns), ["user: needle", "agent: Yes."]);
        let error = host.refused::<m::ThreadResume>(resuming(&id)).await;
        assert!(error.message.contains("Read-only file system"), "{}", error.message);
        let new = host.thread().await.id;
        is_not_stored(&host.turn(&new, "one").await);
        let name = v2::ThreadSetNameParams { thread_id: id.clone(), name: "a name".to_owned() };
        let error = host.refused::<m::ThreadNameSet>(name).await;
        assert!(error.message.contains("Read-only file system"), "{}", error.message);
        let params = v2::ThreadStartParams { ephemeral: Some(true), ..Default::default() };
        let other = host.ask::<m::ThreadStart>(params).await.thread.id;
        assert_eq!(host.turn(&other, "one").await.status, v2::TurnStatus::Completed);
        host.end().await;
    }
}
