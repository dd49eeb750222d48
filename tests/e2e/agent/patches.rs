//! `apply_patch`: what changes, what is shown, and who is asked.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::v2::TurnStatus;
use valet_sim::{Response, Script};
use valet_tests::Asked;

use super::{Bench, confined, holds, model, patch, with_policy};

fn one_patch(lines: &[&str]) -> Script {
    model([Response::new().custom_tool_call("apply_patch", patch(lines))])
}

/// A patch that adds a file there.
fn adds(path: &str) -> Script {
    one_patch(&[&format!("*** Add File: {path}"), "+new"])
}

async fn asked(builder: valet_tests::HostBuilder, script: Script) -> (Bench, String, Asked) {
    let mut bench = Bench::start(builder, script).await;
    let turn = bench.begin().await;
    let asked = bench.parent.asked().await;
    assert_eq!(asked.method, "item/fileChange/requestApproval");
    (bench, turn, asked)
}

#[tokio::test]
async fn files_are_added_changed_moved_and_deleted_and_the_turn_shows_one_diff() {
    let lines = [
        "*** Add File: new/file",
        "+added",
        "*** Update File: changed",
        "@@",
        " one",
        "-two",
        "+2",
        "*** Update File: moved",
        "*** Move to: here/moved",
        "@@",
        "-old",
        "+young",
        "*** Delete File: gone",
    ];
    let mut bench = Bench::start(confined(), one_patch(&lines)).await;
    for (name, text) in [("changed", "one\ntwo\n"), ("moved", "old\n"), ("gone", "gone\n")] {
        bench.write(name, text);
    }
    bench.turn().await;
    assert_eq!((bench.read("new/file"), bench.read("changed")), ("added\n".to_owned(), "one\n2\n".to_owned()));
    assert_eq!(bench.read("here/moved"), "young\n");
    assert!(!bench.has("moved") && !bench.has("gone"));
    let item = bench.item("fileChange");
    assert_eq!(item["status"], "completed");
    let kinds: Vec<&Value> = item["changes"].as_array().unwrap().iter().map(|change| &change["kind"]).collect();
    let here = json!(bench.path("here/moved"));
    assert_eq!(
        kinds,
        [
            &json!({ "type": "add" }),
            &json!({ "type": "update", "move_path": null }),
            &json!({ "type": "update", "move_path": here }),
            &json!({ "type": "delete" })
        ]
    );
    let output = bench.output();
    assert!(output.starts_with("Exit code: 0\nWall time: 0 seconds\nOutput:\nSuccess. Updated the following files:\n"));
    assert!(output.contains("A new/file\n") && output.contains("D gone\n"), "{output}");
    let diffs = bench.told("turn/diff/updated");
    assert_eq!(diffs.first().unwrap()["diff"], diffs.last().unwrap()["diff"]);
    let diff = diffs[0]["diff"].as_str().unwrap();
    for part in ["+++ b/new/file\n", "-two\n+2\n", "rename to here/moved\n", "deleted file mode"] {
        assert!(diff.contains(part), "{part} is missing in\n{diff}");
    }
}

#[tokio::test]
async fn two_patches_of_a_turn_make_one_diff() {
    let step = |from: &str, to: &str| {
        let lines = ["*** Update File: file", "@@", &format!("-{from}"), &format!("+{to}")];
        Response::new().custom_tool_call("apply_patch", patch(&lines))
    };
    let mut bench = Bench::start(confined(), model([step("one", "two"), step("two", "three")])).await;
    bench.write("file", "one\n");
    bench.turn().await;
    let last = bench.told("turn/diff/updated").pop().unwrap();
    let diff = last["diff"].as_str().unwrap();
    assert!(diff.contains("-one\n+three\n") && !diff.contains("two"), "{diff}");
}

#[tokio::test]
async fn a_patch_that_does_not_fit_changes_nothing_and_says_why() {
    let fits = ["*** Update File: file", "@@", "-one", "+two"];
    let misfits: [&[&str]; 4] = [
        &["*** Update File: missing", "@@", "-a", "+b"],
        &["*** Update File: other", "@@", "-nowhere", "+b"],
        &["*** Delete File: missing"],
        &["*** Frobnicate: file"],
    ];
    for misfit in misfits {
        let mut bench = Bench::start(confined(), one_patch(&[&fits[..], misfit].concat())).await;
        bench.write("file", "one\n");
        bench.write("other", "text\n");
        bench.turn().await;
        assert_eq!(bench.read("file"), "one\n", "{misfit:?}");
        assert!(bench.output().starts_with("apply_patch verification failed: "), "{}", bench.output());
        assert!(bench.told("turn/diff/updated").is_empty());
    }
}

#[tokio::test]
async fn a_patch_that_leaves_the_folder_asks_first() {
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().canonicalize().unwrap().join("file");
    for (decision, written, status) in
        [("accept", true, "completed"), ("decline", false, "declined"), ("nonsense", false, "failed")]
    {
        let _ = std::fs::remove_file(&path);
        let (mut bench, turn, asked) = asked(with_policy("\"on-request\""), adds(path.to_str().unwrap())).await;
        assert!(!path.exists());
        bench.parent.answer(&asked, &json!({ "decision": decision }));
        assert_eq!(bench.end(&turn).await.turn.status, TurnStatus::Completed);
        assert_eq!((path.exists(), &bench.item("fileChange")["status"]), (written, &json!(status)));
        assert_eq!(bench.flags(), [json!([]), json!(["waitingOnApproval"]), json!([])]);
        match decision {
            "accept" => assert!(bench.output().starts_with("Exit code: 0\n")),
            "decline" => assert_eq!(bench.output(), "patch rejected by user"),
            _ => assert_eq!(bench.output(), "patch rejected: approval request failed"),
        }
    }
}

#[tokio::test]
async fn ways_out_of_the_folder_are_seen() {
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().canonicalize().unwrap();
    for path in ["../sideways", ".git/hooks/post-commit", "link/file", "below/../../sideways"] {
        let mut bench = Bench::start(with_policy("\"never\""), adds(path)).await;
        bench.write(".git/HEAD", "ref: refs/heads/main\n");
        std::fs::create_dir(bench.path("below")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&out, bench.path("link")).unwrap();
        bench.turn().await;
        let output = bench.output();
        assert_eq!(
            output, "patch rejected: writing outside of the project; rejected by user approval settings",
            "{path}"
        );
        assert_eq!(bench.item("fileChange")["status"], "declined", "{path}");
        assert!(!bench.has(path) && !out.join("file").exists(), "{path}");
    }
}

#[tokio::test]
async fn a_move_out_of_the_folder_is_one_way_out_too() {
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().join("file");
    let lines = ["*** Update File: file", &format!("*** Move to: {}", to.display()), "@@", "-one", "+two"];
    let mut bench = Bench::start(with_policy("\"never\""), one_patch(&lines)).await;
    bench.write("file", "one\n");
    bench.turn().await;
    assert!(bench.output().starts_with("patch rejected: "), "{}", bench.output());
    assert!(!to.exists() && bench.read("file") == "one\n");
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_nothing_does_not_lead_a_patch_out_of_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    let nothing = outside.path().join("file");
    let mut bench = Bench::start(with_policy("\"never\""), adds("link")).await;
    std::os::unix::fs::symlink(&nothing, bench.path("link")).unwrap();
    bench.turn().await;
    assert!(!nothing.exists(), "{}", bench.output());
}

#[cfg(unix)]
#[tokio::test]
async fn a_hard_link_does_not_lead_a_patch_out_of_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("file");
    std::fs::write(&file, "one\n").unwrap();
    let lines = ["*** Update File: linked", "@@", "-one", "+two"];
    let mut bench = Bench::start(with_policy("\"never\""), one_patch(&lines)).await;
    std::fs::hard_link(&file, bench.path("linked")).unwrap();
    bench.turn().await;
    assert_eq!(bench.read("linked"), "two\n");
    assert!(holds(&file, "one\n"), "what is outside is as it was");
}

#[tokio::test]
async fn where_nothing_may_be_written_every_patch_asks() {
    let builder = with_policy("\"on-request\"").with("sandbox_mode=\"read-only\"");
    let (mut bench, turn, asked) = asked(builder, adds("file")).await;
    bench.parent.answer(&asked, &json!({ "decision": "accept" }));
    bench.end(&turn).await;
    assert_eq!(bench.read("file"), "new\n");
}

#[tokio::test]
async fn a_patch_that_is_cancelled_ends_the_turn_with_its_item_whole() {
    let (mut bench, turn, asked) = asked(with_policy("\"untrusted\""), adds("file")).await;
    bench.parent.answer(&asked, &json!({ "decision": "cancel" }));
    assert_eq!(bench.end(&turn).await.turn.status, TurnStatus::Interrupted);
    assert_eq!(bench.item("fileChange")["status"], "declined");
    assert!(!bench.has("file"));
    bench.turn().await;
    assert!(bench.output().ends_with("aborted by user"));
}

#[tokio::test]
async fn an_interrupt_while_a_patch_waits_leaves_no_item_open() {
    let (mut bench, turn, _asked) = asked(with_policy("\"untrusted\""), adds("file")).await;
    bench.interrupt(&turn).await;
    assert_eq!(bench.item("fileChange")["status"], "declined");
    assert!(!bench.has("file"));
}

#[tokio::test]
async fn patches_of_files_that_were_accepted_for_the_session_ask_no_more_and_others_do() {
    let patches = [
        patch(&["*** Add File: one", "+new"]),
        patch(&["*** Update File: one", "-new", "+newer"]),
        patch(&["*** Add File: two", "+new"]),
    ];
    let patches = patches.map(|patch| Response::new().custom_tool_call("apply_patch", patch));
    let (mut bench, turn, asked) = asked(with_policy("\"untrusted\""), model(patches)).await;
    bench.parent.answer(&asked, &json!({ "decision": "acceptForSession" }));
    let other = bench.parent.asked().await;
    assert_eq!((bench.read("one").as_str(), bench.has("two")), ("newer\n", false));
    bench.parent.answer(&other, &json!({ "decision": "decline" }));
    bench.end(&turn).await;
    assert!(!bench.has("two") && !bench.parent.was_asked());
}
