//! The same work with a provider that speaks chat completions: what it is sent, and that nobody else can tell.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{CodexErrorInfo, TurnStatus};
use valet_sim::{RecordedRequest, Response, Rule, Script, TokenPolicy};
use valet_tests::{HostBuilder, TestHost};

use super::{Bench, command, confined, model, patch, with_policy};

/// A provider as most are: on this machine or with a key of its own, and without the login.
fn chat(builder: HostBuilder) -> HostBuilder {
    builder.provider("wire_api = \"chat\"").provider("requires_openai_auth = false")
}

/// The same, tried again once.
fn patient() -> HostBuilder {
    chat(confined()).provider("stream_max_retries = 1")
}

/// A script for whoever asks.
fn open(script: Script) -> Script {
    script.tokens(TokenPolicy { anonymous: true, ..TokenPolicy::default() })
}

async fn bench(builder: HostBuilder, responses: impl IntoIterator<Item = Response>) -> Bench {
    Bench::start(builder, open(model(responses))).await
}

/// A chunk as bytes.
fn chunk(delta: Value, finish: Option<&str>) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
    format!("data: {}\n\n", json!({ "object": "chat.completion.chunk", "choices": [choice] }))
}

/// The messages as the model was last given them.
fn messages(bench: &Bench) -> Vec<Value> {
    bench.posts().last().unwrap()["messages"].as_array().unwrap().clone()
}

/// Of these the ones behind the first that the model said.
fn since_the_answer(bench: &Bench) -> Vec<Value> {
    messages(bench).into_iter().skip_while(|message| message["role"] != "assistant").collect()
}

#[tokio::test]
async fn a_turn_asks_for_a_stream_and_tells_reasoning_text_and_usage() {
    let mut bench = bench(chat(confined()), [Response::new().reasoning("Hm, a word.").text("Hello there")]).await;
    let turn = bench.turn().await;
    let request = bench.host.sim.requests().into_iter().find(RecordedRequest::is_turn).unwrap();
    assert_eq!((request.path.as_str(), request.bearer), ("/v1/chat/completions", None));
    let body = &request.body;
    assert_eq!((&body["model"], &body["stream"]), (&json!("gpt-5.5"), &json!(true)));
    assert_eq!(body["stream_options"], json!({ "include_usage": true }));
    let mut members: Vec<&String> = body.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["messages", "model", "stream", "stream_options", "tools"], "nothing that nobody asked for");
    let roles: Vec<&Value> = body["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["system", "user"]);
    assert!(body["messages"][1]["content"].as_str().unwrap().ends_with("\n\ngo"), "{body}");
    let names = body["tools"].as_array().unwrap().iter().map(|tool| (&tool["type"], &tool["function"]["name"]));
    assert!(names.clone().all(|(kind, _)| kind == "function"), "{body}");
    assert!(
        names.clone().any(|(_, name)| name == "exec_command") && names.clone().any(|(_, name)| name == "apply_patch")
    );

    assert_eq!(turn.streamed_text(), "Hello there");
    assert_eq!(bench.item("agentMessage")["text"], "Hello there");
    assert_eq!(bench.item("reasoning")["content"], json!(["Hm, a word."]));
    let told: String = turn.all::<m::ReasoningTextDelta>().into_iter().map(|piece| piece.delta).collect();
    assert_eq!(told, "Hm, a word.");
    let usage = turn.all::<m::ThreadTokenUsageUpdated>().pop().unwrap().token_usage;
    let last = usage.last;
    assert_eq!((last.input_tokens, last.cached_input_tokens), (100, 10));
    assert_eq!((last.output_tokens, last.reasoning_output_tokens, last.total_tokens), (20, 5, 120));
}

#[tokio::test]
async fn calls_whose_fragments_interleave_run_and_each_is_answered() {
    let arguments = [command("echo one").to_string(), command("echo two").to_string()];
    let named = |index: usize, id: &str| json!({ "index": index, "id": id, "type": "function", "function": { "name": "exec_command", "arguments": "" } });
    let mut bytes = chunk(json!({ "role": "assistant", "content": "I look." }), None);
    bytes += &chunk(json!({ "tool_calls": [named(0, "server-a"), named(1, "server-b")] }), None);
    let pieces = arguments.each_ref().map(|text| text.as_bytes().chunks(7).collect::<Vec<_>>());
    for (one, two) in pieces[0].iter().zip(&pieces[1]) {
        for (index, piece) in [(1, two), (0, one)] {
            let piece = std::str::from_utf8(piece).unwrap();
            bytes += &chunk(json!({ "tool_calls": [{ "index": index, "function": { "arguments": piece } }] }), None);
        }
    }
    bytes += &chunk(json!({}), Some("tool_calls"));
    let mut bench = bench(chat(confined()), [Response::new().raw(bytes + "data: [DONE]\n\n").bare()]).await;
    bench.turn().await;
    let ran = bench.items("commandExecution");
    assert_eq!(ran.len(), 2);
    assert_ne!(ran[0]["id"], ran[1]["id"]);
    let told = since_the_answer(&bench);
    assert_eq!(told[0]["content"], "I look.");
    for (index, (id, word)) in [("server-a", "one"), ("server-b", "two")].into_iter().enumerate() {
        let call = &told[0]["tool_calls"][index];
        assert_eq!((&call["id"], &call["function"]["arguments"]), (&json!(id), &json!(arguments[index])));
        let answer = &told[1 + index];
        assert_eq!((&answer["role"], &answer["tool_call_id"]), (&json!("tool"), &json!(id)));
        assert!(answer["content"].as_str().unwrap().ends_with(&format!("Output:\n{word}\n")), "{answer}");
    }
    assert_eq!(told.len(), 3);
}

#[tokio::test]
async fn a_person_is_asked_as_ever() {
    let call = Response::new().function_call("exec_command", command("touch made"));
    let mut bench = bench(chat(with_policy("\"untrusted\"")), [call]).await;
    let turn = bench.begin().await;
    let asked = bench.parent.asked().await;
    assert_eq!(asked.method, "item/commandExecution/requestApproval");
    assert_eq!(asked.params["itemId"], bench.told("item/started").last().unwrap()["item"]["id"]);
    bench.parent.answer(&asked, &json!({ "decision": "accept" }));
    assert_eq!(bench.end(&turn).await.turn.status, TurnStatus::Completed);
    assert!(bench.has("made"));
}

#[tokio::test]
async fn a_patch_comes_as_the_argument_of_a_function_and_goes_back_as_one() {
    let text = patch(&["*** Add File: new", "+added"]);
    let call = Response::new().function_call("apply_patch", json!({ "input": text }));
    let mut bench = bench(chat(confined()), [call]).await;
    bench.turn().await;
    assert_eq!(bench.read("new"), "added\n");
    assert_eq!(bench.item("fileChange")["status"], "completed");
    let told = since_the_answer(&bench);
    let arguments = told[0]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), json!({ "input": text }));
    assert!(told[1]["content"].as_str().unwrap().contains("Success"), "{}", told[1]);
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let function = json!({ "name": "exec_command", "arguments": command("echo one").to_string() });
    let calls = json!([{ "id": "a", "type": "function", "function": function }]);
    let body = |message: Value| {
        let usage = json!({ "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10 });
        json!({ "object": "chat.completion", "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
            "usage": usage })
    };
    let responses = [
        Response::new().body(body(json!({ "role": "assistant", "content": null, "tool_calls": calls }))),
        Response::new().body(body(json!({ "role": "assistant", "content": "All of it." }))),
    ];
    let mut bench = Bench::start(chat(confined()), open(Script::responses(responses))).await;
    let turn = bench.turn().await;
    assert_eq!(turn.streamed_text(), "All of it.");
    assert_eq!(bench.item("commandExecution")["aggregatedOutput"], "one\n");
    let usage = turn.all::<m::ThreadTokenUsageUpdated>().pop().unwrap().token_usage;
    assert_eq!((usage.total.total_tokens, usage.last.input_tokens), (20, 7));
}

#[tokio::test]
async fn what_broke_is_tried_again_once_and_told() {
    let whole = chunk(json!({ "content": "Whole." }), Some("stop"));
    let broken = [
        Response::new().text("Half").cut(),
        Response::new().function_call("exec_command", command("touch made")).cut(),
        Response::new().text("Half").failed("server_error", "lost a worker"),
        Response::new().raw(chunk(json!({ "content": "Half" }), None)).bare(),
        Response::new().raw(": nothing\n\n").bare(),
        Response::new().body(json!({ "error": { "message": "lost a worker", "code": 502 } })),
        Response::status(502),
        Response::status(500),
    ];
    for response in broken {
        let script = open(Script::responses([response.clone(), Response::new().raw(whole.clone()).bare()]));
        let mut bench = Bench::start(patient(), script).await;
        let turn = bench.turn().await;
        let retries: Vec<bool> = turn.all::<m::Error>().iter().map(|error| error.will_retry).collect();
        assert_eq!(retries, [true], "{response:?}");
        assert_eq!(bench.items("agentMessage").pop().unwrap()["text"], "Whole.", "{response:?}");
        assert!(!bench.has("made"), "what is cut runs nothing");
        assert!(!messages(&bench).iter().any(|message| message["role"] == "assistant"));
    }
}

#[tokio::test]
async fn a_stream_that_has_said_why_it_ends_is_whole_without_a_last_word() {
    let text = chunk(json!({ "content": "Whole." }), Some("stop"));
    for response in [Response::new().raw(text.clone()).bare(), Response::new().raw(text).bare().cut()] {
        let mut bench = Bench::start(chat(confined()), open(Script::respond(response))).await;
        assert_eq!(bench.turn().await.streamed_text(), "Whole.");
    }
}

#[tokio::test]
async fn failures_have_the_classes_that_they_have_on_the_other_wire() {
    use CodexErrorInfo as Info;
    let error = |code: Value, message: &str| json!({ "error": { "code": code, "message": message } });
    let too_long = "This model's maximum context length is 4096 tokens.";
    let rows = [
        (Response::status(400).body("raw words"), Info::Other, "raw words"),
        (Response::status(400).body(error(json!(400), too_long)), Info::ContextWindowExceeded, "ran out of room"),
        (Response::status(404).body(error("model_not_found".into(), "none")), Info::ModelNotFound, "none"),
        (Response::status(429).body(error("insufficient_quota".into(), "")), Info::UsageLimitExceeded, "Quota"),
        (Response::new().failed("context_length_exceeded", ""), Info::ContextWindowExceeded, "ran out of room"),
        (Response::new().failed("429", "slow"), Info::RateLimitExceeded, "slow"),
        (
            Response::new().text("Half").incomplete("max_output_tokens"),
            Info::Other,
            "Incomplete response returned, reason: max_output_tokens",
        ),
    ];
    for (response, info, words) in rows {
        let mut bench = bench(chat(confined()), [response.clone()]).await;
        let turn = bench.any_turn().await.turn;
        let error = turn.error.unwrap();
        assert_eq!((turn.status, error.codex_error_info), (TurnStatus::Failed, Some(info)), "{response:?}");
        assert!(error.message.contains(words), "{}", error.message);
    }
    let mut bench = bench(chat(confined()), [Response::new().text("Half").incomplete("max_output_tokens")]).await;
    bench.any_turn().await;
    bench.turn().await;
    assert_eq!(since_the_answer(&bench)[0], json!({ "role": "assistant", "content": "Half" }), "what was said stays");
}

#[tokio::test]
async fn a_conversation_that_is_too_long_is_summed_up_and_goes_on() {
    let refusal =
        json!({ "object": "error", "message": "the request exceeds the available context size", "code": 400 });
    let script = Script::new().rule(Rule::when("Sum up this conversation").respond("All about words.")).rule(
        Rule::always()
            .respond(Response::new().text("First."))
            .respond(Response::status(400).body(refusal))
            .respond("Last."),
    );
    let mut bench = Bench::start(chat(confined()), open(script)).await;
    bench.turn().await;
    assert_eq!(
        bench.any_turn().await.turn.error.unwrap().codex_error_info,
        Some(CodexErrorInfo::ContextWindowExceeded)
    );
    bench.turn().await;
    bench.item("contextCompaction");
    let posts = bench.posts();
    let summing = &posts[posts.len() - 2];
    assert_eq!((summing.get("tools"), summing.get("tool_choice")), (None, None));
    let told = messages(&bench);
    assert_eq!((told.len(), &told[0]["role"], &told[1]["role"]), (2, &json!("system"), &json!("user")));
    assert!(told[1]["content"].as_str().unwrap().contains("All about words."), "{}", told[1]);
}

#[tokio::test]
async fn images_of_a_person_and_of_a_tool_are_shown() {
    const PIXEL: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    let call = Response::new().function_call("view_image", json!({ "path": "pixel.gif" }));
    let mut bench = bench(chat(confined()), [call]).await;
    std::fs::write(bench.path("pixel.gif"), PIXEL).unwrap();
    let image = json!({ "type": "localImage", "path": bench.path("pixel.gif") });
    let params = json!({ "threadId": bench.thread, "input": [{ "type": "text", "text": "go" }, image] });
    let started = bench.parent.call("turn/start", params).await.unwrap();
    bench.end(started["turn"]["id"].as_str().unwrap()).await;
    let told = messages(&bench);
    let shown = |message: &Value| {
        let parts = message["content"].as_array().unwrap();
        parts.last().unwrap()["image_url"]["url"].as_str().unwrap().starts_with("data:image/gif;base64,")
    };
    let roles: Vec<&Value> = told.iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "user"]);
    assert!(shown(&told[1]) && shown(&told[4]), "{told:?}");
}

#[tokio::test]
async fn what_the_configuration_adds_is_sent_and_an_address_is_told_without_it() {
    let builder = chat(confined())
        .config("model_reasoning_effort = \"high\"")
        .provider("query_params = { api-version = \"2025-01-01\" }")
        .provider("http_headers = { x-title = \"Valet\" }");
    let mut bench = bench(builder, [Response::new().text("A word."), Response::status(418)]).await;
    bench.turn().await;
    let request = bench.host.sim.requests().into_iter().find(RecordedRequest::is_turn).unwrap();
    assert_eq!(request.path, "/v1/chat/completions?api-version=2025-01-01");
    assert_eq!(request.header("x-title"), Some("Valet"));
    assert_eq!(request.body["reasoning_effort"], "high");
    let error = bench.any_turn().await.turn.error.unwrap();
    assert!(error.message.ends_with("/v1/chat/completions"), "{}", error.message);
}

#[tokio::test]
async fn an_api_key_is_sent_and_a_chatgpt_login_is_refused_in_words() {
    let builder = TestHost::builder().provider("wire_api = \"chat\"").provider("requires_openai_auth = true");
    let host = builder.script(Script::text("A word.")).start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    let input = json!([{ "type": "text", "text": "hello" }]);
    let refusal = parent.refused("turn/start", json!({ "threadId": thread, "input": input })).await;
    assert!(refusal.message.contains("speaks chat completions, which no ChatGPT login is good for"), "{refusal:?}");
    assert!(!host.sim.requests().iter().any(RecordedRequest::is_turn), "nobody was told the token");
    parent.call("account/logout", json!({})).await.unwrap();
    parent.call("account/login/start", json!({ "type": "apiKey", "apiKey": "sk-key" })).await.unwrap();
    assert_eq!(parent.turn(&thread, "hello").await.turn.status, TurnStatus::Completed);
    assert!(host.sim.requests().iter().any(|request| request.is_turn() && request.bearer.is_some()));
}
