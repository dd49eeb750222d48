//! The main job: a lent token, a refusal, a refresh, an answer.

use pretty_assertions::assert_eq;
use valet_protocol::methods as m;
use valet_protocol::v2;
use valet_sim::{Response, Script, TokenPolicy};
use valet_tests::TestHost;

fn refuse_first_token(script: Script) -> Script {
    script.tokens(TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() })
}

#[tokio::test]
async fn a_refused_token_is_refreshed_and_the_turn_goes_on() {
    let host = TestHost::start(refuse_first_token(Script::text("Hello from the backend."))).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let turn = parent.turn(&thread, "hello").await;
    assert_eq!(turn.turn.status, v2::TurnStatus::Completed);
    assert_eq!(turn.streamed_text(), "Hello from the backend.");
    let posts: Vec<_> = host.sim.requests().into_iter().filter(valet_sim::RecordedRequest::is_turn).collect();
    assert_eq!(posts.iter().map(|post| post.status).collect::<Vec<_>>(), [Some(401), Some(200)]);
    assert!(posts[0].bearer != posts[1].bearer);
    assert_eq!(posts[0].body, posts[1].body);
}

#[tokio::test]
async fn the_second_turn_uses_the_refreshed_token_and_asks_nobody() {
    let host = TestHost::start(refuse_first_token(Script::text("Hello."))).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    parent.turn(&thread, "first").await;
    parent.stop_answering();
    let second = parent.turn(&thread, "second").await;
    assert_eq!(second.turn.status, v2::TurnStatus::Completed);
    assert!(!parent.was_asked());
}

#[tokio::test]
async fn events_of_a_turn_come_in_the_order_of_the_reference() {
    let response = Response::new().reasoning("**Thinking** about it").text("Hello there.");
    let host = TestHost::start(Script::respond(response)).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let turn = parent.turn(&thread, "hello").await;
    assert_eq!(
        turn.story(),
        [
            "thread/status/changed",
            "turn/started",
            "item/started",
            "item/completed",
            "item/started",
            "item/reasoning/summaryPartAdded",
            "item/reasoning/summaryTextDelta",
            "item/completed",
            "item/started",
            "item/agentMessage/delta",
            "item/completed",
            "thread/tokenUsage/updated",
            "account/rateLimits/updated",
            "thread/readState/changed",
            "thread/status/changed",
            "turn/completed",
        ]
    );
    assert_eq!(turn.turn.items_view, v2::TurnItemsView::Summary);
    assert_eq!(turn.turn.items.len(), 1);
    assert_eq!(turn.turn.items[0], turn.all::<m::ItemCompleted>().pop().unwrap().item);
}

#[tokio::test]
async fn usage_adds_up_over_the_thread() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    parent.turn(&thread, "first").await;
    let second = parent.turn(&thread, "second").await;
    let usage = second.all::<m::ThreadTokenUsageUpdated>().pop().unwrap().token_usage;
    assert_eq!((usage.last.total_tokens, usage.total.total_tokens), (120, 240));
    assert_eq!((usage.total.cached_input_tokens, usage.total.reasoning_output_tokens), (20, 10));
    assert_eq!(usage.model_context_window, Some(258_400));
}

#[tokio::test]
async fn the_whole_history_is_sent_each_time_and_items_of_the_model_go_back_verbatim() {
    let unknown = serde_json::json!({ "type": "hologram", "id": "h_1", "depth": 3 });
    let response = Response::new().reasoning("Hm").item(unknown.clone()).text("Hello.");
    let host = TestHost::start(Script::respond(response)).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    parent.turn(&thread, "first").await;
    parent.turn(&thread, "second").await;
    let posts = host.sim.wait_for_requests(valet_sim::RecordedRequest::is_turn, 2).await;
    let first = posts[0].body["input"].as_array().unwrap();
    let second = posts[1].body["input"].as_array().unwrap();
    assert_eq!(&second[..first.len()], &first[..], "the prefix is stable, so that the backend's cache hits");
    let kinds: Vec<_> = second[first.len()..].iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "hologram", "message", "message"]);
    assert_eq!(second[first.len() + 1], unknown);
    assert_eq!(second[first.len()]["encrypted_content"], "opaque");
    assert_eq!(posts[1].body["prompt_cache_key"], thread.as_str());
}

#[tokio::test]
async fn who_answers_in_the_place_of_the_model_that_was_asked_is_told_once() {
    let other = || Response::new().header("openai-model", "gpt-5.2");
    let host = TestHost::start(Script::responses([other().text("One.").end_turn(false), other().text("Two.")])).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let told = parent.turn(&thread, "hello").await.all::<m::ModelRerouted>();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].from_model.as_str(), told[0].to_model.as_str()), ("gpt-5.5", "gpt-5.2"));
}
