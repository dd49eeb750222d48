//! The loop with a response that wants something done: when it goes on, and what the model is given back.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods::{ItemCompleted, TurnStarted};
use valet_protocol::v2::TurnStatus;
use valet_sim::{RecordedRequest, Response, Script};
use valet_tests::TestHost;

async fn two_posts(first: Response) -> Vec<RecordedRequest> {
    let host = TestHost::start(Script::responses([first, Response::new().text("Done.")])).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let ended = parent.turn(&thread, "hello").await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    assert!(ended.streamed_text().ends_with("Done."));
    host.sim.requests().into_iter().filter(RecordedRequest::is_turn).collect()
}

#[tokio::test]
async fn a_response_with_text_and_a_call_goes_on_after_the_call_in_either_order() {
    let call = json!({ "cmd": "echo mixed", "login": false });
    let orders = [
        Response::new().text("Let me look.").function_call("exec_command", call.clone()),
        Response::new().function_call("exec_command", call.clone()).text("I am looking."),
        Response::new().function_call("exec_command", call),
    ];
    for response in orders {
        let posts = two_posts(response).await;
        assert_eq!(posts.len(), 2);
        let input = posts[1].body["input"].as_array().unwrap();
        let output = input.iter().find(|item| item["type"] == "function_call_output").unwrap();
        let call = input.iter().find(|item| item["type"] == "function_call").unwrap();
        assert_eq!(output["call_id"], call["call_id"]);
        let output = output["output"].as_str().unwrap();
        assert!(output.contains("Process exited with code 0") && output.ends_with("Output:\nmixed\n"), "{output}");
    }
}

#[tokio::test]
async fn a_custom_tool_call_gets_an_output_of_its_own_type() {
    let posts = two_posts(Response::new().custom_tool_call("apply_patch", "*** Begin Patch")).await;
    let input = posts[1].body["input"].as_array().unwrap();
    let output = input.last().unwrap();
    assert_eq!(output["type"], "custom_tool_call_output");
    let output = output["output"].as_str().unwrap();
    assert!(output.starts_with("apply_patch verification failed: the patch must end"), "{output}");
}

#[tokio::test]
async fn a_response_that_does_not_end_the_turn_is_followed_by_another_request() {
    assert_eq!(two_posts(Response::new().text("First.").end_turn(false)).await.len(), 2);
}

#[tokio::test]
async fn a_cut_stream_runs_no_tool() {
    let cut = Response::new().function_call("exec_command", json!({ "cmd": "true" })).cut();
    let host = TestHost::start(Script::respond(cut)).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    assert_eq!(parent.turn(&thread, "hello").await.turn.status, TurnStatus::Failed);
    assert_eq!(host.sim.requests().into_iter().filter(RecordedRequest::is_turn).count(), 1);
}

#[tokio::test]
async fn a_tool_that_nobody_has_is_refused_in_words_and_the_model_goes_on() {
    let posts = two_posts(Response::new().function_call("hologram", json!({}))).await;
    let output = posts[1].body["input"].as_array().unwrap().last().unwrap();
    assert_eq!(output["output"], "unsupported call: hologram");
}

#[tokio::test]
async fn a_command_of_the_person_is_a_turn_without_the_model_which_is_told_of_it_in_the_next() {
    let host = TestHost::start(Script::text("I see.")).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let params = json!({ "threadId": thread, "command": "echo one-$((1 + 1))" });
    parent.call("thread/shellCommand", params).await.unwrap();
    let turn = parent.wait_for::<TurnStarted>().await.turn.id;
    let ended = parent.end_of(&turn).await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    assert!(!host.sim.requests().iter().any(RecordedRequest::is_turn));
    let told = ended.all::<ItemCompleted>();
    let item = serde_json::to_value(&told[0].item).unwrap();
    assert_eq!((&item["source"], &item["status"]), (&json!("userShell"), &json!("completed")));
    assert_eq!((&item["aggregatedOutput"], &item["exitCode"]), (&json!("one-2\n"), &json!(0)));
    // Nobody can come back to it.
    assert_eq!(item["processId"], Value::Null);
    parent.turn(&thread, "hello").await;
    let post = host.sim.requests().into_iter().find(RecordedRequest::is_turn).unwrap();
    assert!(post.body["input"].to_string().contains("one-2"), "{}", post.body);
}
