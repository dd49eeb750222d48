//! A provider that speaks chat completions and has a key of its own, as somebody would set it up: a file, a variable,
//! and the real binary over stdio.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_client::{AppServer, Client, Handlers, Notifications};
use valet_protocol::{ServerNotificationMethod, methods as m, v2};
use valet_sim::{RecordedRequest, Response, Script, Sim, TokenPolicy};

use crate::support::valet;

async fn told<N: ServerNotificationMethod>(told: &mut Notifications, wanted: impl Fn(&N::Params) -> bool) -> N::Params {
    tokio::time::timeout(Duration::from_secs(20), told.wait_for::<N>(wanted)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_turn_with_a_command_and_a_retry_over_chat_completions() {
    let call = json!({ "cmd": "echo by-$((1 + 1))", "login": false, "shell": "/bin/sh" });
    let responses = [
        Response::new().text("I look.").function_call("exec_command", call),
        Response::new().text("Half of it").cut(),
        Response::new().text("All of it."),
    ];
    let tokens = TokenPolicy { api_keys: Some(vec!["a-key".to_owned()]), ..TokenPolicy::default() };
    let sim = Sim::start(Script::responses(responses).tokens(tokens)).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let config = format!(
        "model = \"local-model\"\nmodel_provider = \"local\"\napproval_policy = \"never\"\n\
         sandbox_mode = \"danger-full-access\"\n[model_providers.local]\nname = \"Local\"\nbase_url = \"{}\"\n\
         wire_api = \"chat\"\nenv_key = \"LOCAL_MODEL_KEY\"\n",
        sim.base_url(),
    );
    std::fs::write(home.path().join("config.toml"), config).unwrap();
    let mut command = valet(home.path(), &["app-server", "--strict-config"]);
    let server = AppServer::spawn(command.env("LOCAL_MODEL_KEY", "a-key")).unwrap();
    let (client, mut notifications) = Client::new(server.link, Handlers::new());
    client.initialize("parent", "1", true).await.unwrap();
    let thread = client.request::<m::ThreadStart>(v2::ThreadStartParams::default()).await.unwrap().thread.id;
    let input = vec![v2::UserInput::Text { text: "hello".to_owned(), text_elements: Vec::new() }];
    let params = v2::TurnStartParams { thread_id: thread, input, ..Default::default() };
    client.request::<m::TurnStart>(params).await.unwrap();

    let shown = |told: &v2::ItemCompletedNotification| serde_json::to_value(&told.item).unwrap();
    let is_command = |told: &v2::ItemCompletedNotification| shown(told)["type"] == "commandExecution";
    let ran = shown(&told::<m::ItemCompleted>(&mut notifications, is_command).await);
    assert_eq!(ran["aggregatedOutput"], "by-2\n");
    assert!(told::<m::Error>(&mut notifications, |_| true).await.will_retry, "what is cut is tried again");
    let ended = told::<m::TurnCompleted>(&mut notifications, |_| true).await.turn;
    assert_eq!((ended.status, ended.error), (v2::TurnStatus::Completed, None));

    let posts: Vec<Value> =
        sim.requests().into_iter().filter(RecordedRequest::is_turn).map(|request| request.body).collect();
    assert_eq!(posts.len(), 3);
    assert_eq!(posts[1]["messages"], posts[2]["messages"], "the half is not told to the model");
    let last = posts[2]["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(last["role"], "tool");
    drop((client, notifications));
    assert!(server.process.wait(Duration::from_secs(20)).await.unwrap().success());
}
