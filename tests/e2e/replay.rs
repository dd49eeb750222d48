//! The reference's recordings, played to the host in strict mode: it says the same in the same order, and asks
//! its backend for the same. What differs is listed in `transcripts/deviations.json`, with the reason; what is
//! not listed fails, and so does what is listed and no longer true.

mod backend;
mod deviations;
mod player;
mod recording;
mod stage;

use std::collections::BTreeSet;

use pretty_assertions::assert_eq;

use recording::Recording;

macro_rules! recordings {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                replay($name).await;
            }
        )*

        const NAMES: &[&str] = &[$($name),*];
    };
}

recordings! {
    the_recording_apply_patch_replays: "apply_patch",
    the_recording_client_tools_replays: "client_tools",
    the_recording_concurrent_refresh_replays: "concurrent_refresh",
    the_recording_external_auth_happy_replays: "external_auth_happy",
    the_recording_forced_workspace_replays: "forced_workspace",
    the_recording_interrupt_replays: "interrupt",
    the_recording_login_methods_while_external_replays: "login_methods_while_external",
    the_recording_logout_during_turn_replays: "logout_during_turn",
    the_recording_no_experimental_replays: "no_experimental",
    the_recording_plain_turn_replays: "plain_turn",
    the_recording_refresh_error_replays: "refresh_error",
    the_recording_refresh_malformed_replays: "refresh_malformed",
    the_recording_refresh_timeout_replays: "refresh_timeout",
    the_recording_retries_replays: "retries",
    the_recording_shell_approval_accept_replays: "shell_approval_accept",
    the_recording_shell_approval_decline_replays: "shell_approval_decline",
    the_recording_steer_replays: "steer",
    the_recording_thread_lifecycle_replays: "thread_lifecycle",
    the_recording_ws_second_connection_replays: "ws_second_connection",
}

/// Plays a recording, and fails with everything that differs and is not listed.
async fn replay(name: &str) {
    let (faults, deviations) = player::play(Recording::read(name)).await;
    let end = deviations.ends_at();
    let unlisted = faults.iter().filter(|fault| end.is_none_or(|end| fault.line < end));
    let mut wrong: Vec<String> = unlisted.map(|fault| format!("{name}.jsonl:{}: {}", fault.line, fault.text)).collect();
    if let Some(end) = end.filter(|end| faults.iter().all(|fault| fault.line != *end)) {
        wrong.push(format!("line {end} does not differ any more. Move or remove its `endsAt` in deviations.json."));
    }
    let outlived = deviations.outlived().map(|entry| entry.id.as_str());
    wrong.extend(outlived.map(|id| format!("`{id}` in deviations.json is not true for {name} any more. Remove it.")));
    assert!(wrong.is_empty(), "differences: {}\n{}", wrong.len(), wrong.join("\n"));
}

/// Changes a recording that replays, and says which lines are wrong then.
async fn faults_of(change: impl Fn(&mut Recording)) -> Vec<usize> {
    let mut recording = Recording::read("login_methods_while_external");
    change(&mut recording);
    let (faults, _) = player::play(recording).await;
    faults.iter().map(|fault| fault.line).collect()
}

#[tokio::test]
async fn a_recording_that_was_changed_does_not_replay() {
    assert_eq!(faults_of(|_| {}).await, [0; 0]);
    let line = |number: usize| number - 1;
    let text = faults_of(|recording| recording.lines[line(11)].message["error"]["message"] = "No.".into()).await;
    assert_eq!(text, [11]);
    let member = faults_of(|recording| recording.lines[line(8)].message["params"]["more"] = true.into()).await;
    assert_eq!(member, [8]);
    let order = faults_of(|recording| recording.lines.swap(line(32), line(33))).await;
    assert_eq!(order.first(), Some(&33));
    let token = |recording: &mut Recording| {
        recording.lines[line(18)].message["request"]["headers"]["authorization"] = "Bearer <token-1>".into();
    };
    assert_eq!(faults_of(token).await, [18]);
    let without = |number| faults_of(move |recording| drop(recording.lines.remove(line(number))));
    assert_eq!(without(42).await, [41], "an answer more than was recorded");
    assert_eq!(without(38).await, [42], "a request more than was recorded");
}

#[test]
fn each_recording_is_replayed_and_each_deviation_says_where_and_why() {
    let files = std::fs::read_dir(recording::folder()).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let recorded: BTreeSet<_> = files.filter_map(|file| Some(file.strip_suffix(".jsonl")?.to_owned())).collect();
    assert_eq!(recorded, NAMES.iter().map(|name| (*name).to_owned()).collect());

    let mut ids = BTreeSet::new();
    for entry in deviations::all() {
        assert!(!entry.files.is_empty() && entry.files.iter().all(|file| recorded.contains(file)), "{}", entry.id);
        assert!(entry.reason.len() > 20, "{} has no reason", entry.id);
        assert!(ids.insert(entry.id.clone()), "{} is there twice", entry.id);
    }
}
