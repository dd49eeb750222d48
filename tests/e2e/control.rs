//! Stopping a turn, adding to it, and shutting down in the middle of it.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_protocol::methods as m;
use valet_protocol::v2::{ThreadItemDetails, TurnStatus};
use valet_sim::{Chunks, Outcome, RecordedRequest, Response, Rule, Script};
use valet_tests::{Direction, TestClient, TestHost};

/// Talks on and on.
fn stalls() -> Response {
    Response::new().chunks(Chunks::repeat("w ", 6000).every(Duration::from_millis(10)))
}

fn script() -> Script {
    Script::new().rule(Rule::when("slow").respond(stalls())).rule(Rule::always().respond("Done."))
}

/// A turn that streams and would not end by itself.
async fn streaming() -> (TestHost, TestClient, String, String) {
    let host = TestHost::start(script()).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let turn_id = parent.start_turn(&thread, "slow please").await;
    parent.wait_for::<m::AgentMessageDelta>().await;
    (host, parent, thread, turn_id)
}

fn texts(request: &RecordedRequest) -> Vec<String> {
    let input = request.body["input"].as_array().unwrap();
    input[3..].iter().map(|item| item["content"][0]["text"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn an_interrupt_is_answered_first_and_ends_the_turn_without_an_error() {
    let (host, mut parent, thread, turn_id) = streaming().await;
    parent.call("turn/interrupt", json!({ "threadId": thread, "turnId": turn_id })).await.unwrap();
    let ended = parent.end_of(&turn_id).await;
    assert_eq!((ended.turn.status, ended.turn.error), (TurnStatus::Interrupted, None));
    assert!(ended.turn.items.is_empty());
    let record = parent.record();
    let after = record.messages().iter().skip_while(|(_, message)| message["method"] != "turn/interrupt");
    let after: Vec<_> = after
        .filter(|(to, _)| *to == Direction::ToClient)
        .map(|(_, message)| message["method"].as_str().unwrap_or("response").to_owned())
        // The backend goes on speaking until the interrupt has come.
        .filter(|method| method != "item/agentMessage/delta")
        .collect();
    assert_eq!(after, ["account/rateLimits/updated", "response", "thread/status/changed", "turn/completed"]);
    let cut = host.sim.wait_for_requests(|request| request.outcome == Outcome::Abandoned, 1).await;
    assert_eq!(cut.len(), 1, "the stream to the backend is closed");
}

#[tokio::test]
async fn what_was_cut_does_not_enter_the_history_and_the_model_is_told() {
    let (host, mut parent, thread, turn_id) = streaming().await;
    parent.call("turn/interrupt", json!({ "threadId": thread, "turnId": turn_id })).await.unwrap();
    parent.end_of(&turn_id).await;
    assert_eq!(parent.turn(&thread, "and now?").await.turn.status, TurnStatus::Completed);
    let posts = host.sim.wait_for_requests(RecordedRequest::is_turn, 2).await;
    let texts = texts(&posts[1]);
    assert_eq!((texts[0].as_str(), texts[2].as_str()), ("slow please", "and now?"));
    assert!(texts[1].starts_with("<turn_aborted>"), "{}", texts[1]);
    assert_eq!(texts.len(), 3);
}

#[tokio::test]
async fn interrupts_that_miss_are_refused_in_the_words_of_the_reference() {
    let host = TestHost::start(script()).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let interrupt = |turn: &str| json!({ "threadId": thread, "turnId": turn });
    let refusal = parent.refused("turn/interrupt", interrupt("nope")).await;
    assert_eq!(refusal.message, "no active turn to interrupt");
    assert_eq!((refusal.code, refusal.kind.as_deref()), (-32600, Some("noActiveTurn")));
    let turn_id = parent.start_turn(&thread, "slow please").await;
    let refusal = parent.refused("turn/interrupt", interrupt("nope")).await;
    assert_eq!(refusal.message, format!("expected active turn id nope but found {turn_id}"));
    assert_eq!(refusal.kind.as_deref(), Some("turnMismatch"));
    parent.call("turn/interrupt", interrupt(&turn_id)).await.unwrap();
    parent.end_of(&turn_id).await;
    let refusal = parent.refused("turn/interrupt", interrupt(&turn_id)).await;
    assert_eq!(refusal.message, "no active turn to interrupt");
}

#[tokio::test]
async fn a_turn_started_during_a_turn_is_added_to_it() {
    let (host, mut parent, thread, turn_id) = streaming().await;
    assert_eq!(parent.start_turn(&thread, "never mind").await, turn_id);
    let ended = parent.end_of(&turn_id).await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    assert_eq!(ended.all::<m::TurnCompleted>().len(), 1);
    let posts = host.sim.wait_for_requests(RecordedRequest::is_turn, 2).await;
    assert_eq!(texts(&posts[1]), ["slow please", "never mind"]);
    let said = ended.all::<m::ItemCompleted>().into_iter().map(|told| told.item.details);
    let said = said.filter(|details| matches!(details, ThreadItemDetails::UserMessage { .. })).count();
    assert_eq!(said, 1, "the added message is an item of the turn");
}

#[tokio::test]
async fn a_turn_on_a_thread_that_is_not_loaded_is_refused() {
    let host = TestHost::start(script()).await;
    let mut parent = host.client().await;
    let missing = "01984de2-8f74-7c91-a3b2-5c5e937cf318";
    let refusal = parent.refused("turn/start", json!({ "threadId": missing, "input": [] })).await;
    assert_eq!(refusal.message, format!("thread not found: {missing}"));
    assert_eq!(refusal.kind.as_deref(), Some("threadNotFound"));
    let refusal = parent.refused("turn/start", json!({ "threadId": "nope", "input": [] })).await;
    assert!(refusal.message.starts_with("invalid thread id: invalid character"), "{}", refusal.message);
}

#[tokio::test]
async fn a_shutdown_interrupts_the_turn_says_so_and_closes_the_connection() {
    let (host, mut parent, _thread, turn_id) = streaming().await;
    host.shutdown().await;
    assert_eq!(parent.end_of(&turn_id).await.turn.status, TurnStatus::Interrupted);
    parent.closed().await;
}

#[tokio::test]
async fn a_turn_goes_on_when_its_client_leaves_and_others_see_its_end() {
    let slow = Response::new().text("Wait").delay(Duration::from_millis(50)).text(" for it.");
    let host = TestHost::start(Script::respond(slow)).await;
    let mut parent = host.parent().await;
    let mut other = host.client().await;
    let thread = parent.thread().await;
    parent.start_turn(&thread, "hello").await;
    drop(parent);
    loop {
        let told = other.wait_for::<m::ThreadStatusChanged>().await;
        if told.status == (valet_protocol::v2::ThreadStatus::Idle {}) {
            break;
        }
    }
    assert_eq!(host.sim.requests().last().unwrap().outcome, Outcome::Finished);
}

#[tokio::test]
async fn t_1_every_request_is_answered_although_the_host_shuts_down_behind_it() {
    let silent = valet_sim::Endpoint { delay_ms: 30_000, ..Default::default() };
    let host = TestHost::start(script().endpoint("GET /backend-api/wham/usage", silent)).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    parent.turn(&thread, "hello").await;
    parent.send_text(r#"{"id":"slow","method":"account/rateLimits/read"}"#);
    for number in 0..500 {
        parent.send_text(&json!({ "id": format!("list {number}"), "method": "thread/list", "params": {} }).to_string());
    }
    let turn = json!({ "threadId": thread, "input": [{ "type": "text", "text": "slow please" }] });
    parent.send_text(&json!({ "id": "turn", "method": "turn/start", "params": turn }).to_string());
    // The host takes messages in order: when this is answered, the others were taken.
    parent.call("thread/loaded/list", json!({})).await.unwrap();
    host.shutdown().await;
    parent.closed().await;
    let record = parent.record();
    let to_client = || record.messages().iter().filter(|(to, _)| *to == Direction::ToClient).map(|(_, m)| m);
    let answered = to_client().filter(|m| m["id"].as_str().is_some_and(|id| id.starts_with("list"))).count();
    assert_eq!(answered, 500);
    let slow = to_client().find(|m| m["id"] == "slow").unwrap();
    assert_eq!(
        (&slow["error"]["message"], &slow["error"]["data"]["kind"]),
        (&json!("server is shutting down"), &json!("shuttingDown"))
    );
    let turn_id = &to_client().find(|m| m["id"] == "turn").unwrap()["result"]["turn"]["id"];
    let ended = to_client().filter(|m| m["method"] == "turn/completed" && m["params"]["turn"]["id"] == *turn_id);
    assert_eq!(ended.count(), 1, "an accepted turn ends");
}

#[tokio::test]
async fn a_local_image_that_is_no_file_fails_in_words_to_the_model_and_not_for_ever() {
    let host = TestHost::start(script()).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let input = json!([{ "type": "localImage", "path": "/dev/zero" }]);
    let started = parent.call("turn/start", json!({ "threadId": thread, "input": input })).await.unwrap();
    let ended = parent.end_of(started["turn"]["id"].as_str().unwrap()).await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    let sent = host.sim.requests().last().unwrap().body["input"].to_string();
    assert!(sent.contains("/dev/zero is not a file"), "{sent}");
}
