//! What the backend's failures look like to a client.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{CodexErrorInfo, ThreadStatus, TurnStatus};
use valet_sim::{RecordedRequest, Response, Rule, Script, TokenPolicy};
use valet_tests::TestHost;

const HIGH_DEMAND: &str = "We’re currently experiencing high demand, which may cause temporary errors.";

fn error_body(code: &str) -> Value {
    json!({ "error": { "code": code, "type": code, "message": "the backend's words" } })
}

fn status(status: u16) -> Option<CodexErrorInfo> {
    Some(CodexErrorInfo::HttpConnectionFailed { http_status_code: Some(status) })
}

#[tokio::test]
async fn each_failure_of_the_backend_has_the_words_and_the_class_of_the_specification() {
    use CodexErrorInfo as Info;
    let failed = |code: &str| Response::new().failed(code, "the backend's words");
    let rows: Vec<(Response, Option<Info>, &str)> = vec![
        (Response::status(500), Some(Info::InternalServerError), HIGH_DEMAND),
        (Response::status(400).body("raw words"), Some(Info::Other), "raw words"),
        (
            Response::status(403).body(error_body("x")),
            status(403),
            "unexpected status 403 Forbidden: the backend's words, url: ",
        ),
        (Response::status(503).body("plain"), status(503), "unexpected status 503 Service Unavailable: plain, url: "),
        (Response::status(404).body(error_body("model_not_found")), Some(Info::ModelNotFound), "the backend's words"),
        (
            Response::status(429).body("{}"),
            Some(Info::ResponseTooManyFailedAttempts { http_status_code: Some(429) }),
            "exceeded retry limit, last status: 429 Too Many Requests",
        ),
        (
            Response::status(429).body(
                json!({ "error": { "type": "usage_limit_reached", "plan_type": "pro", "resets_at": 1_800_000_000 } }),
            ),
            Some(Info::UsageLimitExceeded),
            "You’ve hit your usage limit. Visit https://chatgpt.com/settings/usage to purchase more credits or try again at Jan ",
        ),
        (
            Response::status(429).body(error_body("usage_not_included")),
            Some(Info::UsageLimitExceeded),
            "To use Codex with your ChatGPT plan, upgrade to Plus",
        ),
        (
            Response::status(503).body(error_body("server_is_overloaded")),
            Some(Info::ServerOverloaded),
            "Selected model is at capacity.",
        ),
        (failed("context_length_exceeded"), Some(Info::ContextWindowExceeded), "Codex ran out of room"),
        (failed("insufficient_quota"), Some(Info::UsageLimitExceeded), "Quota exceeded."),
        (failed("rate_limit_exceeded"), Some(Info::RateLimitExceeded), "rate limit exceeded: the backend's words"),
        (failed("cyber_policy"), Some(Info::CyberPolicy), "the backend's words"),
        (failed("something"), Some(Info::Other), "stream disconnected before completion: the backend's words"),
        (
            Response::new().incomplete("max_output_tokens"),
            Some(Info::Other),
            "Incomplete response returned, reason: max_output_tokens",
        ),
        (Response::new().text("half").cut(), Some(Info::Other), "stream disconnected before completion: "),
        (
            Response::new().raw("data: nonsense\n\n").bare(),
            Some(Info::Other),
            "stream disconnected before completion: stream closed before response.completed",
        ),
    ];
    let responses: Vec<Response> = rows.iter().map(|(response, _, _)| response.clone()).collect();
    let host = TestHost::start(Script::responses(responses)).await;
    let mut parent = host.parent().await;
    for (response, info, message) in rows {
        let thread = parent.thread().await;
        let ended = parent.turn(&thread, "hello").await;
        let error = ended.turn.error.clone().unwrap_or_else(|| panic!("{response:?} fails the turn"));
        assert_eq!(
            (ended.turn.status.clone(), error.codex_error_info.clone()),
            (TurnStatus::Failed, info),
            "{response:?}"
        );
        assert!(error.message.starts_with(message), "{:?} does not start with {message:?}", error.message);
        assert_eq!(ended.all::<m::Error>().len(), 1);
        let told = ended.story();
        let end = ["thread/status/changed", "error", "thread/readState/changed", "turn/completed"];
        assert_eq!(told[told.len() - 4..], end, "{response:?}");
        assert_eq!(ended.all::<m::ThreadStatusChanged>().pop().unwrap().status, ThreadStatus::SystemError {});
    }
}

#[tokio::test]
async fn each_retry_is_told_and_the_turn_completes_when_one_works() {
    let script = Script::responses([Response::status(500), Response::status(500), Response::new().text("Recovered.")]);
    let host = TestHost::builder().script(script).provider("stream_max_retries = 2").start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let ended = parent.turn(&thread, "hello").await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    let told: Vec<_> = ended.all::<m::Error>();
    assert!(told.iter().all(|error| error.will_retry));
    let messages: Vec<_> = told.iter().map(|error| error.error.message.as_str()).collect();
    assert_eq!(messages, ["Reconnecting... 1/2", "Reconnecting... 2/2"]);
    assert_eq!(told[0].error.additional_details.as_deref(), Some(HIGH_DEMAND));
    let info = CodexErrorInfo::ResponseStreamDisconnected { http_status_code: None };
    assert_eq!(told[0].error.codex_error_info, Some(info));
}

#[tokio::test]
async fn a_stream_cut_in_mid_message_is_tried_again_and_only_the_whole_one_is_kept() {
    let message = json!({ "type": "message", "id": "msg_cut", "role": "assistant", "content": [] });
    let half = Response::new()
        .event(json!({ "type": "response.output_item.added", "item": message }))
        .event(json!({ "type": "response.output_text.delta", "item_id": "msg_cut", "delta": "half" }))
        .cut();
    let script = Script::responses([half, Response::new().text("Whole.")]);
    let host = TestHost::builder().script(script).provider("stream_max_retries = 1").start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let ended = parent.turn(&thread, "hello").await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    assert_eq!(ended.streamed_text(), "halfWhole.");
    let completed: Vec<_> = ended.all::<m::ItemCompleted>().into_iter().map(|told| told.item).collect();
    assert!(completed.iter().all(|item| item.id() != Some("msg_cut")), "what was cut never completes");
    parent.turn(&thread, "again").await;
    let input = host.sim.requests().last().unwrap().body["input"].to_string();
    assert!(input.contains("Whole.") && !input.contains("msg_cut"));
}

#[tokio::test]
async fn h_7_a_message_that_was_shown_as_whole_is_not_said_twice() {
    let script = Script::responses([Response::new().text("Whole.").cut(), Response::new().text("Again.")]);
    let host = TestHost::builder().script(script).provider("stream_max_retries = 1").start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let ended = parent.turn(&thread, "hello").await;
    assert_eq!((ended.turn.status.clone(), ended.streamed_text().as_str()), (TurnStatus::Failed, "Whole."));
    assert_eq!(host.sim.requests().into_iter().filter(RecordedRequest::is_turn).count(), 1);
}

#[tokio::test]
async fn h_7_reasoning_that_was_shown_as_whole_is_not_shown_twice() {
    let script = Script::responses([Response::new().reasoning("Why.").cut(), Response::new().text("Again.")]);
    let host = TestHost::builder().script(script).provider("stream_max_retries = 1").start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    assert_eq!(parent.turn(&thread, "hello").await.turn.status, TurnStatus::Failed);
    assert_eq!(host.sim.requests().into_iter().filter(RecordedRequest::is_turn).count(), 1);
}

#[tokio::test]
async fn an_item_that_has_begun_ends_in_whatever_form_it_comes_as_whole() {
    let event = |name: &str, item: Value| json!({ "type": format!("response.output_item.{name}"), "item": item });
    let message = |content: Value| json!({ "type": "message", "id": "msg", "role": "assistant", "content": content });
    let reasoning = |summary: Value| json!({ "type": "reasoning", "id": "rs", "summary": summary });
    let response = Response::new()
        .event(event("added", reasoning(json!([]))))
        .event(event("done", reasoning(json!(null))))
        .event(event("added", message(json!([]))))
        .event(event("done", message(json!("Hello."))));
    let host = TestHost::start(Script::respond(response)).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let ended = parent.turn(&thread, "hello").await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    let items: Vec<_> = ended.all::<m::ItemCompleted>().into_iter().map(|told| json!(told.item)).collect();
    let shown: Vec<_> = items.iter().map(|item| (item["id"].as_str().unwrap(), &item["text"])).collect();
    assert_eq!(shown[shown.len() - 2..], [("rs", &json!(null)), ("msg", &json!("Hello."))]);
}

#[tokio::test]
async fn what_the_filter_has_ended_is_asked_again_in_other_words() {
    let script = Script::responses([Response::new().incomplete("content_filter"), Response::new().text("Otherwise.")]);
    let host = TestHost::builder().script(script).provider("stream_max_retries = 1").start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let ended = parent.turn(&thread, "hello").await;
    assert_eq!(ended.turn.status, TurnStatus::Completed);
    assert_eq!(ended.all::<m::Error>().len(), 1);
    let asked: Vec<_> = host.sim.requests().into_iter().filter(RecordedRequest::is_turn).collect();
    let [first, second] = [&asked[0], &asked[1]].map(|request| request.body["input"].as_array().unwrap());
    assert_eq!(second[..first.len()], first[..]);
    assert_eq!(second.len(), first.len() + 1);
    assert_eq!(second[first.len()]["role"], "developer");
}

#[tokio::test]
async fn a_failed_turn_leaves_the_thread_usable() {
    let script = Script::new()
        .rule(Rule::when("bad").respond(Response::status(400).body("no")))
        .rule(Rule::always().respond("Fine."));
    let host = TestHost::start(script).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    assert_eq!(parent.turn(&thread, "bad").await.turn.status, TurnStatus::Failed);
    assert_eq!(parent.turn(&thread, "good").await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn a_backend_that_is_silent_past_the_idle_limit_fails_the_turn() {
    let silent = Response::new().text("w0 ").delay(std::time::Duration::from_secs(60)).text("never");
    let host =
        TestHost::builder().script(Script::respond(silent)).provider("stream_idle_timeout_ms = 100").start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let error = parent.turn(&thread, "hello").await.turn.error.unwrap();
    assert_eq!(error.message, "stream disconnected before completion: idle timeout waiting for SSE");
}

#[tokio::test]
async fn a_backend_that_cannot_be_reached_fails_the_turn_and_names_the_layer() {
    let host = TestHost::start(Script::new()).await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    host.sim.shutdown().await;
    let error = parent.turn(&thread, "hello").await.turn.error.unwrap();
    assert!(error.message.to_lowercase().contains("connect"), "{}", error.message);
}

#[tokio::test]
async fn what_a_person_can_mend_is_told_with_the_failure_but_not_in_strict_mode() {
    let rows = [
        ("", "; log in with `account/login/start`, or lend a token"),
        (
            "requires_openai_auth = false",
            "; `model_providers.sim` has no `env_key`, and no `requires_openai_auth = true`",
        ),
        // Every process has it, and it is no key.
        ("env_key = \"PATH\"", "; check the key in the variable `PATH`"),
    ];
    for (line, remedy) in rows {
        for strict in [false, true] {
            let tokens = TokenPolicy { api_keys: Some(Vec::new()), ..TokenPolicy::default() };
            let host = TestHost::builder().script(Script::text("Hello.").tokens(tokens)).provider(line);
            let host = host.with(if strict { "valet.compat=strict" } else { "valet.compat=default" }).start().await;
            let mut client = host.client().await;
            let thread = client.thread().await;
            let error = client.turn(&thread, "hello").await.turn.error.unwrap();
            assert_eq!(error.codex_error_info, status(401), "{line}");
            assert_eq!(error.additional_details.as_deref(), (!strict).then_some("authRequired"), "{line}");
            assert_eq!(error.message.ends_with(remedy), !strict, "{line}: {}", error.message);
        }
    }
}

#[tokio::test]
async fn an_address_at_which_there_is_no_model_is_told_with_its_key() {
    for (over, strict) in [("valet.compat=default", false), ("valet.compat=strict", true)] {
        let host = TestHost::builder().script(Script::respond(Response::status(404))).with(over).start().await;
        let mut parent = host.parent().await;
        let thread = parent.thread().await;
        let error = parent.turn(&thread, "hello").await.turn.error.unwrap();
        assert_eq!(error.codex_error_info, status(404));
        assert_eq!(
            error.message.ends_with("; check `model_providers.sim.base_url` and the model"),
            !strict,
            "{}",
            error.message
        );
    }
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_told_with_the_key_of_its_address() {
    // Nobody listens on port 0.
    for (over, strict) in [("valet.compat=default", false), ("valet.compat=strict", true)] {
        let host =
            TestHost::builder().with("model_providers.sim.base_url=http://127.0.0.1:0/v1").with(over).start().await;
        let mut parent = host.parent().await;
        let thread = parent.thread().await;
        let error = parent.turn(&thread, "hello").await.turn.error.unwrap();
        assert_eq!(error.codex_error_info, Some(CodexErrorInfo::Other));
        let remedy = "; check `model_providers.sim.base_url`, the network and the proxy";
        assert_eq!(error.message.ends_with(remedy), !strict, "{}", error.message);
    }
}
