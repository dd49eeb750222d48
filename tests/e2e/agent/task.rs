//! A whole piece of work in a repository: look, change two files, run the tests, report.

use std::process::Command;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_sim::Response;

use super::{Bench, command, confined, model, patch};

const GREET: &str = "greet() {\n    echo \"Hallo, $1\"\n}\n";
const COUNT: &str = "count() {\n    echo $#\n}\n";
const TESTS: &str = ". ./greet.sh\n. ./count.sh\nfailed=0\n\
    [ \"$(greet you)\" = 'Hello, you!' ] && echo ok greet || { echo not ok greet; failed=1; }\n\
    [ \"$(count a b '')\" = 2 ] && echo ok count || { echo not ok count; failed=1; }\nexit $failed\n";

fn run(script: &str) -> Response {
    Response::new().function_call("exec_command", command(script))
}

fn git(bench: &Bench, arguments: &[&str]) -> String {
    let name = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").args(name).args(arguments).current_dir(bench.folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_failing_test_is_mended_and_the_items_tell_the_story() {
    let change = patch(&[
        "*** Update File: greet.sh",
        "@@",
        " greet() {",
        "-    echo \"Hallo, $1\"",
        "+    echo \"Hello, $1!\"",
        "*** Update File: count.sh",
        "@@ count() {",
        "-    echo $#",
        "+    full=0",
        "+    for word; do [ -z \"$word\" ] || full=$((full + 1)); done",
        "+    echo $full",
        " }",
    ]);
    let steps = [
        run("ls").reasoning("**Looking** around"),
        run("cat greet.sh count.sh").function_call("exec_command", command("cat tests.sh")),
        run("sh tests.sh"),
        Response::new().text("Both are wrong.").custom_tool_call("apply_patch", change),
        run("sh tests.sh"),
    ];
    let mut bench = Bench::start(confined(), model(steps)).await;
    for (name, text) in [("greet.sh", GREET), ("count.sh", COUNT), ("tests.sh", TESTS)] {
        bench.write(name, text);
    }
    git(&bench, &["init", "-q"]);
    git(&bench, &["add", "."]);
    git(&bench, &["commit", "-qm", "first"]);
    bench.turn().await;

    assert_eq!(bench.read("greet.sh"), "greet() {\n    echo \"Hello, $1!\"\n}\n");
    assert!(bench.read("count.sh").contains("for word"));
    assert_eq!(git(&bench, &["status", "--porcelain"]), " M count.sh\n M greet.sh\n");
    let tests = Command::new("sh").arg("tests.sh").current_dir(bench.folder.path()).output().unwrap();
    assert_eq!(String::from_utf8(tests.stdout).unwrap(), "ok greet\nok count\n");

    let told = bench.told("item/started").into_iter().map(|told| told["item"]["type"].as_str().unwrap().to_owned());
    let expected = [
        "userMessage",
        "reasoning",
        "commandExecution",
        "commandExecution",
        "commandExecution",
        "commandExecution",
        "agentMessage",
        "fileChange",
        "commandExecution",
        "agentMessage",
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let whole: Vec<Value> = bench.told("item/completed").iter().map(|told| told["item"]["id"].clone()).collect();
    assert_eq!(whole.len(), expected.len());
    let codes: Vec<Value> = bench.items("commandExecution").iter().map(|item| item["exitCode"].clone()).collect();
    assert_eq!(codes, [0, 0, 0, 1, 0]);
    assert_eq!(bench.items("commandExecution")[3]["aggregatedOutput"], "not ok greet\nnot ok count\n");
    assert_eq!(bench.items("commandExecution")[4]["aggregatedOutput"], "ok greet\nok count\n");
    let paths: Vec<Value> =
        bench.item("fileChange")["changes"].as_array().unwrap().iter().map(|change| change["path"].clone()).collect();
    assert_eq!(paths, ["greet.sh", "count.sh"].map(|name| json!(bench.path(name))));

    let diff = bench.told("turn/diff/updated").pop().unwrap()["diff"].as_str().unwrap().to_owned();
    bench.write("turn.diff", &diff);
    git(&bench, &["checkout", "-q", "greet.sh", "count.sh"]);
    git(&bench, &["apply", "turn.diff"]);
    assert!(
        bench.read("greet.sh").contains("Hello") && bench.read("count.sh").contains("for word"),
        "the diff is whole"
    );
}
