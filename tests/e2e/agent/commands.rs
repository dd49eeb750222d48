//! Commands of the model: what is shown, what the model is given back, and what runs at the same time.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_sim::Response;

use super::{Bench, command, command_with, confined, model, one_call, one_command};

#[tokio::test]
async fn what_a_command_prints_is_streamed_and_is_the_same_in_its_item() {
    let script = "for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.02; done";
    let mut bench = Bench::start(confined(), one_command(script)).await;
    bench.turn().await;
    let item = bench.item("commandExecution");
    assert_eq!(item["aggregatedOutput"], bench.printed());
    assert_eq!(bench.printed().lines().count(), 6);
    assert!(bench.told("item/commandExecution/outputDelta").len() > 1, "it is told piece by piece");
    assert_eq!((&item["status"], &item["exitCode"]), (&json!("completed"), &json!(0)));
    assert_eq!((&item["source"], &item["cwd"]), (&json!("unifiedExecStartup"), &json!(bench.path(""))));
    assert_eq!(item["command"], format!("/bin/sh -c '{script}'"));
    assert!(item["durationMs"].as_i64().unwrap() > 0 && item["processId"].is_string());
    let output = bench.output();
    assert!(output.contains("Process exited with code 0\n"), "{output}");
    assert!(output.ends_with(&format!("Output:\n{}", bench.printed())), "{output}");
}

#[tokio::test]
async fn a_command_that_fails_says_its_code_and_the_turn_goes_on() {
    let mut bench = Bench::start(confined(), one_command("echo no >&2; exit 3")).await;
    bench.turn().await;
    let item = bench.item("commandExecution");
    assert_eq!((&item["status"], &item["exitCode"]), (&json!("failed"), &json!(3)));
    assert_eq!(item["aggregatedOutput"], "no\n");
    assert!(bench.output().contains("Process exited with code 3\n"));
}

#[tokio::test]
async fn what_is_no_text_is_shown_in_the_same_way_in_pieces_and_as_a_whole() {
    let mut bench = Bench::start(confined(), one_command(r"printf 'a\377b\342\202'")).await;
    bench.turn().await;
    assert_eq!(bench.item("commandExecution")["aggregatedOutput"], "a\u{FFFD}b\u{FFFD}");
    assert_eq!(bench.printed(), "a\u{FFFD}b\u{FFFD}");
}

#[tokio::test]
async fn the_model_is_given_the_beginning_and_the_end_of_much_output_and_people_all_of_it() {
    let arguments = command_with("seq 10000", json!({ "max_output_tokens": 50 }));
    let mut bench = Bench::start(confined(), one_call("exec_command", arguments)).await;
    bench.turn().await;
    let whole: String = (1..=10_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(bench.item("commandExecution")["aggregatedOutput"], whole);
    let output = bench.output();
    let (head, text) = output.split_once("Output:\n").unwrap();
    assert!(head.contains(&format!("Original token count: {}\n", whole.len().div_ceil(4))), "{head}");
    assert!(text.starts_with("1\n2\n3\n") && text.ends_with("9999\n10000\n"), "{text}");
    assert!(text.contains("bytes are left out here") && text.len() < 300, "{text}");
}

#[tokio::test]
async fn neither_people_nor_the_model_get_more_than_the_budget_and_the_cut_is_marked() {
    let arguments = command_with("yes | head -c 3000000", json!({ "max_output_tokens": 1_000_000_000 }));
    let mut bench = Bench::start(confined(), one_call("exec_command", arguments)).await;
    bench.turn().await;
    for text in [bench.item("commandExecution")["aggregatedOutput"].as_str().unwrap(), &bench.output()] {
        assert!(text.len() < 1_100_000 && text.contains("bytes are left out here"), "{}", text.len());
    }
    let printed = bench.printed().len();
    assert!((1024 * 1024..1_100_000).contains(&printed), "who watches is spared the rest, not {printed} bytes");
}

#[tokio::test]
async fn two_commands_of_one_response_run_at_the_same_time() {
    let waits = |mine: &str, other: &str| {
        let wait =
            format!("touch {mine}; n=0; while [ ! -e {other} ] && [ $n -lt 500 ]; do sleep 0.02; n=$((n+1)); done");
        command(&format!("{wait}; test -e {other}"))
    };
    let both = Response::new()
        .function_call("exec_command", waits("one", "two"))
        .function_call("exec_command", waits("two", "one"));
    let mut bench = Bench::start(confined(), model([both])).await;
    bench.turn().await;
    let statuses: Vec<Value> = bench.items("commandExecution").iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, ["completed", "completed"]);
    assert_eq!(bench.posts().len(), 2, "the answers go back together");
    assert_eq!(bench.outputs().len(), 2);
}

#[tokio::test]
async fn a_command_runs_where_the_model_says() {
    let arguments = command_with("pwd", json!({ "workdir": "below" }));
    let mut bench = Bench::start(confined(), one_call("exec_command", arguments)).await;
    bench.write("below/file", "");
    bench.turn().await;
    let below = bench.path("below");
    assert_eq!(bench.item("commandExecution")["cwd"], json!(below));
    assert_eq!(bench.printed(), format!("{}\n", below.display()));
}

#[tokio::test]
async fn a_command_that_cannot_start_says_why() {
    let missing = [("No such file", json!({ "workdir": "missing" })), ("not found", json!({ "shell": "/missing" }))];
    for (words, more) in missing {
        let arguments = command_with("true", more);
        let mut bench = Bench::start(confined(), one_call("exec_command", arguments)).await;
        bench.turn().await;
        let item = bench.item("commandExecution");
        assert_eq!(item["status"], "failed", "{item}");
        let output = bench.output();
        assert!(output.contains(words), "{output}");
    }
}

#[tokio::test]
async fn arguments_that_cannot_be_read_are_answered_in_words() {
    let call = |name: &str| Response::new().function_call(name, json!({ "wrong": true }));
    let names = ["exec_command", "write_stdin", "view_image", "update_plan"];
    let mut bench = Bench::start(confined(), model(names.map(call))).await;
    bench.turn().await;
    for output in bench.outputs() {
        let output = output.as_str().unwrap().to_owned();
        assert!(output.starts_with("failed to parse function arguments: missing field"), "{output}");
    }
}

#[tokio::test]
async fn an_image_is_shown_to_the_model_and_what_is_none_is_said() {
    let look = |path: &str| Response::new().function_call("view_image", json!({ "path": path }));
    let mut bench = Bench::start(confined(), model([look("dot.png"), look("dot.txt"), look("missing.png")])).await;
    std::fs::write(bench.path("dot.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    bench.write("dot.txt", "text");
    bench.turn().await;
    let outputs = bench.outputs();
    assert_eq!(outputs[0], json!([{ "type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=" }]));
    assert!(outputs[1].as_str().unwrap().contains("is not a PNG"), "{}", outputs[1]);
    assert!(outputs[2].as_str().unwrap().starts_with("cannot read the image"), "{}", outputs[2]);
    let paths: Vec<Value> = bench.items("imageView").iter().map(|item| item["path"].clone()).collect();
    assert_eq!(paths, ["dot.png", "dot.txt", "missing.png"].map(|name| json!(bench.path(name))));
}
