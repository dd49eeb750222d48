//! Threads and the wire that their provider speaks: what goes on over chat completions, and what changes over.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::v2::TurnStatus;
use valet_sim::{Response, TokenPolicy};
use valet_tests::TestHost;

use super::{Bench, model};

/// The first day on the Responses API, and a provider `chat` from the second on.
async fn bench(responses: impl IntoIterator<Item = Response>) -> Bench {
    let tokens = TokenPolicy { anonymous: true, ..TokenPolicy::default() };
    let bench = Bench::on(TestHost::start(model(responses).tokens(tokens)).await).await;
    let path = bench.host.home().join("config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let chat = format!(
        "[model_providers.chat]\nbase_url = \"{}\"\nwire_api = \"chat\"\nstream_max_retries = 0\n\
         request_max_retries = 0\n",
        bench.host.sim.base_url()
    );
    std::fs::write(path, text + &chat).unwrap();
    bench
}

fn call(word: &str) -> Response {
    let arguments = json!({ "cmd": format!("echo {word}"), "login": false, "shell": "/bin/sh" });
    Response::new().reasoning(format!("About {word}.")).function_call("exec_command", arguments)
}

/// The roles of the messages as the model was last given them.
fn roles(bench: &Bench) -> String {
    let posts = bench.posts();
    let messages = posts.last().unwrap()["messages"].as_array().unwrap();
    messages.iter().map(|message| message["role"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn last_messages(bench: &Bench) -> Vec<Value> {
    bench.posts().last().unwrap()["messages"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_thread_changes_over_to_chat_completions_and_back_with_all_that_was_said_and_done() {
    let bench = bench([call("one"), "First.".into(), call("two"), "Second.".into(), "Third.".into()]).await;
    let mut bench = bench.restarted().await;
    let thread = bench.talk(&["hello"]).await;

    let mut bench = bench.restarted().await;
    bench.resume_with(&thread, json!({ "modelProvider": "chat" })).await;
    bench.say(&thread, "more").await;
    assert_eq!(roles(&bench), "system user assistant tool assistant user assistant tool");
    let told = last_messages(&bench);
    let (call, answer) = (&told[2]["tool_calls"][0], &told[3]);
    assert_eq!(call["id"], answer["tool_call_id"]);
    assert!(answer["content"].as_str().unwrap().ends_with("one\n"), "{answer}");
    assert_eq!((&told[4]["content"], &told[2].get("reasoning_content")), (&json!("First."), &None));
    assert_eq!(told[6]["reasoning_content"], "About two.", "the model goes on from what it thought");

    let mut bench = bench.restarted().await;
    bench.resume_with(&thread, json!({ "modelProvider": "sim" })).await;
    bench.say(&thread, "and more").await;
    let kinds: Vec<Value> = bench
        .input()
        .into_iter()
        .filter(|item| item["role"] != "developer")
        .map(|item| item.get("role").unwrap_or(&item["type"]).clone())
        .collect();
    let exchange = ["function_call", "function_call_output", "assistant"];
    assert_eq!(kinds, [&["user", "user"], &exchange[..], &["user"], &exchange[..], &["user"]].concat());
    let of_chat = bench.input().into_iter().filter(|item| item.get("chat_member").is_some()).count();
    assert_eq!(of_chat, 0, "what another provider thought is of no use to this one");
}

#[tokio::test]
async fn a_thread_on_chat_completions_goes_on_the_next_day_with_the_same_messages() {
    let mut bench = bench([call("one"), "First.".into(), "Second.".into()]).await.restarted().await;
    let started = bench.call("thread/start", json!({ "modelProvider": "chat" })).await;
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    bench.say(&thread, "hello").await;
    let before = last_messages(&bench);
    let mut bench = bench.restarted().await;
    bench.resume(&thread).await;
    let turns = bench.turns(&thread).await;
    let kinds: Vec<&str> =
        turns[0]["items"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["userMessage", "reasoning", "commandExecution", "agentMessage"]);
    bench.say(&thread, "more").await;
    let after = last_messages(&bench);
    let mut expected = before.clone();
    // It was of use in the turn that it was thought in.
    expected[2].as_object_mut().unwrap().remove("reasoning_content");
    assert_eq!(after[..before.len()], expected);
    let rest = [json!({ "role": "assistant", "content": "First." }), json!({ "role": "user", "content": "more" })];
    assert_eq!(after[before.len()..], rest);
}

#[tokio::test]
async fn a_turn_that_was_cut_leaves_messages_that_can_be_sent() {
    let mut bench = bench([call("one"), Response::new().text("Half").cut()]).await.restarted().await;
    let started = bench.call("thread/start", json!({ "modelProvider": "chat" })).await;
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.parent.turn(&thread, "hello").await.turn.status, TurnStatus::Failed);
    let mut bench = bench.restarted().await;
    bench.resume(&thread).await;
    bench.say(&thread, "more").await;
    assert_eq!(roles(&bench), "system user assistant tool user");
}
