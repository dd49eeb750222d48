//! What the model is given: the opening, a prefix that does not change, and what one account leaves to another.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_sim::{Response, TokenRequest};

use super::{Bench, command, confined, model};

fn count(input: &[Value], text: &str) -> usize {
    input.iter().filter(|item| item.to_string().contains(text)).count()
}

#[tokio::test]
async fn every_request_begins_with_the_one_before_it() {
    let run =
        |script: &str| Response::new().reasoning("Hm.").text("Look.").function_call("exec_command", command(script));
    let mut bench = Bench::start(confined(), model([run("echo one"), run("echo two")])).await;
    bench.turn().await;
    bench.turn().await;
    let posts = bench.posts();
    assert_eq!(posts.len(), 4);
    for pair in posts.windows(2) {
        let [before, after] = [&pair[0]["input"], &pair[1]["input"]].map(|input| input.as_array().unwrap());
        assert!(after.len() > before.len());
        assert_eq!(after[..before.len()], before[..]);
        for key in ["model", "tools", "prompt_cache_key", "reasoning", "include", "parallel_tool_calls"] {
            assert_eq!(pair[0][key], pair[1][key], "{key}");
        }
    }
    assert_eq!(posts[0]["prompt_cache_key"], json!(bench.thread));
    let roles: Vec<&Value> = posts[0]["input"].as_array().unwrap().iter().map(|item| &item["role"]).collect();
    assert_eq!(roles, ["developer", "developer", "user", "user"]);
}

#[tokio::test]
async fn the_instructions_of_the_project_are_told_once_outermost_first() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("part")).unwrap();
    std::fs::create_dir(root.join(".git")).unwrap();
    std::fs::write(root.join("AGENTS.md"), "Outer rule.").unwrap();
    std::fs::write(root.join("part/AGENTS.md"), "Inner rule.").unwrap();
    let mut bench = Bench::start(confined(), model([])).await;
    let started = bench.parent.call("thread/start", json!({ "cwd": root.join("part") })).await.unwrap();
    assert_eq!(started["instructionSources"], json!([root.join("AGENTS.md"), root.join("part/AGENTS.md")]));
    bench.thread = started["thread"]["id"].as_str().unwrap().to_owned();
    bench.turn().await;
    bench.turn().await;
    let input = bench.input();
    assert_eq!((count(&input, "Outer rule."), count(&input, "Inner rule.")), (1, 1));
    assert!(input[2]["content"][0]["text"].as_str().unwrap().contains("Outer rule.\n\nInner rule."));
}

#[tokio::test]
async fn the_model_is_told_where_it_works_and_again_when_that_has_changed() {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(confined(), model([])).await;
    bench.turn().await;
    assert_eq!(count(&bench.input(), "<environment_context>"), 1);
    let cwd = format!("<cwd>{}</cwd>", bench.path("").display());
    assert!(count(&bench.input(), &cwd) == 1, "{:?}", bench.input());
    let turn = bench.begin_with(json!({ "cwd": elsewhere.path(), "approvalPolicy": "never" })).await;
    bench.end(&turn).await;
    let input = bench.input();
    assert_eq!(count(&input, "<environment_context>"), 2);
    let last = input[input.len() - 2]["content"][0]["text"].as_str().unwrap();
    assert!(
        last.contains(elsewhere.path().to_str().unwrap()) && last.contains("<approvals>never</approvals>"),
        "{last}"
    );
}

#[tokio::test]
async fn the_model_is_told_when_it_may_do_more_than_before() {
    let mut bench = Bench::start(confined(), model([])).await;
    bench.turn().await;
    assert_eq!(count(&bench.input(), "They have no network."), 1);
    let turn = bench.begin_with(json!({ "sandboxPolicy": { "type": "dangerFullAccess" } })).await;
    bench.end(&turn).await;
    assert_eq!(count(&bench.input(), "Commands run without a sandbox."), 1);
    let told = bench.input().len();
    bench.turn().await;
    assert_eq!(bench.input().len(), told + 2, "an answer and a question, and nothing twice");
}

fn thinks() -> Response {
    let reasoning =
        json!({ "type": "reasoning", "id": "rs_of_one", "summary": [], "encrypted_content": "secret of one" });
    let unknown = json!({ "type": "hologram_call", "id": "hg_of_one", "beam": { "z": 1, "a": [2] } });
    Response::new().item(reasoning).item(unknown).text("Thought.")
}

#[tokio::test]
async fn reasoning_and_unknown_items_go_back_as_they_came() {
    let mut bench = Bench::start(confined(), model([thinks()])).await;
    bench.turn().await;
    bench.parent.lend(TokenRequest::default()).await;
    bench.turn().await;
    let input = bench.input();
    let reasoning = input.iter().find(|item| item["type"] == "reasoning").unwrap();
    assert_eq!((&reasoning["encrypted_content"], &reasoning["id"]), (&json!("secret of one"), &json!("rs_of_one")));
    let unknown = input.iter().find(|item| item["type"] == "hologram_call").unwrap();
    assert_eq!(*unknown, json!({ "type": "hologram_call", "id": "hg_of_one", "beam": { "z": 1, "a": [2] } }));
}

#[tokio::test]
async fn another_account_gets_the_words_without_the_secrets_and_ids_of_the_first() {
    let mut bench = Bench::start(confined(), model([thinks()])).await;
    bench.turn().await;
    bench.parent.lend(TokenRequest::account("acct-2")).await;
    bench.turn().await;
    let input = bench.input();
    assert_eq!((count(&input, "secret of one"), count(&input, "_of_one")), (0, 0));
    assert_eq!((count(&input, "Thought."), count(&input, "hologram_call")), (1, 1));
    // The first is the host's own, and says nothing of anybody.
    let (old, new) = input[1..].split_at(input.len() - 2);
    assert!(old.iter().all(|item| item.get("id").is_none()), "{old:?}");
    assert!(new[0]["id"].is_string());
    bench.parent.lend(TokenRequest::default()).await;
    bench.turn().await;
    assert_eq!(count(&bench.input(), "secret of one"), 0, "what is gone does not come back");
}
