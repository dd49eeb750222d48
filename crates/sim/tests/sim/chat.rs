//! Chat completions, from the same scripts as turns.

use anyhow::{Context as _, Result};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_sim::{Chunks, Response, Rule, Script, Sim, TokenPolicy};

use crate::support::Client;

const PATH: &str = "/v1/chat/completions";

async fn start(response: impl Into<Response>) -> Result<Client> {
    Client::new(&Sim::start(Script::new().rule(Rule::when("hi").respond(response))).await?)
}

fn body(text: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "system", "content": "no"}, {"role": "user", "content": text}]})
}

/// A streamed completion, read to its end.
async fn stream(client: &Client, usage: bool) -> Result<String> {
    let mut body = body("hi");
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": usage});
    let url = format!("{}{PATH}", client.sim.origin());
    let response =
        reqwest::Client::builder().no_proxy().build()?.post(url).bearer_auth("key").json(&body).send().await?;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    Ok(response.text().await?)
}

/// A completion as one body.
async fn whole(client: &Client) -> Result<(u16, Value)> {
    client.post_as("key", PATH, &body("hi")).await
}

/// The chunks before `[DONE]`.
fn chunks(stream: &str) -> Result<Vec<Value>> {
    let stream = stream.strip_suffix("data: [DONE]\n\n").context("not done")?;
    let data = stream.split_terminator("\n\n").map(|block| block.strip_prefix("data: ").context("not data"));
    data.map(|data| Ok(serde_json::from_str(data?)?)).collect()
}

/// What the choices say, chunk by chunk.
fn deltas(chunks: &[Value]) -> Vec<Value> {
    chunks.iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect()
}

#[tokio::test]
async fn a_message_is_a_role_its_words_and_a_reason_to_finish() -> Result<()> {
    let client = start(Response::new().reasoning("Hm").text("Hello there")).await?;
    let chunks = chunks(&stream(&client, false).await?)?;
    assert_eq!(
        deltas(&chunks),
        [
            json!({"role": "assistant", "content": ""}),
            json!({"reasoning_content": "Hm"}),
            json!({"content": "Hello "}),
            json!({"content": "there"}),
            json!({}),
        ]
    );
    let reasons: Vec<_> = chunks.iter().map(|chunk| chunk["choices"][0]["finish_reason"].clone()).collect();
    assert_eq!(reasons, [json!(null), json!(null), json!(null), json!(null), json!("stop")]);
    assert_eq!((&chunks[0]["object"], &chunks[0]["model"]), (&json!("chat.completion.chunk"), &json!("m")));
    assert_eq!(chunks[0].get("usage"), None);
    assert_eq!(client.sim.requests()[0].user_text(), "hi");
    assert!(client.sim.requests()[0].is_turn());
    Ok(())
}

#[tokio::test]
async fn token_counts_are_the_last_chunk_when_they_are_wanted() -> Result<()> {
    let chunks = chunks(&stream(&start("Hello").await?, true).await?)?;
    let (last, others) = chunks.split_last().context("no chunks")?;
    assert_eq!(last["choices"], json!([]));
    assert_eq!(
        last["usage"],
        json!({
            "prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 10},
            "completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 120,
        })
    );
    assert!(others.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
    Ok(())
}

#[tokio::test]
async fn calls_come_in_fragments() -> Result<()> {
    let response = Response::new()
        .function_call("exec_command", json!({"cmd": "ls"}))
        .custom_tool_call("apply_patch", "*** Begin Patch");
    let chunks = chunks(&stream(&start(response).await?, false).await?)?;
    let calls: Vec<_> =
        deltas(&chunks).into_iter().filter_map(|delta| delta.get("tool_calls").map(|calls| calls[0].clone())).collect();
    assert_eq!(
        calls,
        [
            json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "exec_command", "arguments": ""}}),
            json!({"index": 0, "function": {"arguments": "{\"cmd\":\""}}),
            json!({"index": 0, "function": {"arguments": "ls\"}"}}),
            json!({"index": 1, "id": "call_2", "type": "custom", "custom": {"name": "apply_patch", "input": ""}}),
            json!({"index": 1, "custom": {"input": "*** Begi"}}),
            json!({"index": 1, "custom": {"input": "n Patch"}}),
        ]
    );
    assert_eq!(chunks.last().context("no chunks")?["choices"][0]["finish_reason"], "tool_calls");
    Ok(())
}

#[tokio::test]
async fn without_a_stream_it_is_one_body() -> Result<()> {
    let response = Response::new()
        .reasoning("Hm")
        .chunks(Chunks::repeat("ab", 2))
        .function_call("exec_command", json!({"cmd": "ls"}));
    let (status, body) = whole(&start(response).await?).await?;
    assert_eq!(status, 200);
    assert_eq!(
        body["choices"],
        json!([{"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": "abab", "reasoning_content": "Hm",
            "tool_calls": [{"id": "call_1", "type": "function",
                "function": {"name": "exec_command", "arguments": "{\"cmd\":\"ls\"}"}}],
        }}])
    );
    assert_eq!((&body["object"], &body["usage"]["total_tokens"]), (&json!("chat.completion"), &json!(120)));
    Ok(())
}

#[tokio::test]
async fn completions_end_badly_as_scripted() -> Result<()> {
    let failed = Response::new().text("a").failed("server_is_overloaded", "Busy.");
    let text = stream(&start(failed.clone()).await?, false).await?;
    assert!(
        text.ends_with("data: {\"error\":{\"code\":\"server_is_overloaded\",\"message\":\"Busy.\"}}\n\n"),
        "{text}"
    );
    let (status, body) = whole(&start(failed).await?).await?;
    assert_eq!((status, &body["error"]["code"]), (500, &json!("server_is_overloaded")));

    let client = start(Response::new().text("a").incomplete("max_output_tokens")).await?;
    let chunks = chunks(&stream(&client, false).await?)?;
    assert_eq!(chunks.last().context("no chunks")?["choices"][0]["finish_reason"], "length");
    assert_eq!(whole(&client).await?.1["choices"][0]["finish_reason"], "length");

    let client = start(Response::new().text("a").cut()).await?;
    assert!(stream(&client, false).await.is_err() && whole(&client).await.is_err());
    let client = start(Response::status(429).body(json!({"error": "slow down"}))).await?;
    assert_eq!(whole(&client).await?, (429, json!({"error": "slow down"})));
    Ok(())
}

#[tokio::test]
async fn a_bare_stream_is_what_the_script_says() -> Result<()> {
    let odd = "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}}]}\n\n";
    assert_eq!(stream(&start(Response::new().raw(odd).bare()).await?, false).await?, odd);
    Ok(())
}

#[tokio::test]
async fn the_credential_comes_first_here_as_well() -> Result<()> {
    let api_keys = Some(vec!["other".to_owned()]);
    let script = Script::text("one").tokens(TokenPolicy { api_keys, ..TokenPolicy::default() });
    let client = Client::new(&Sim::start(script).await?)?;
    let (status, body) = whole(&client).await?;
    assert_eq!((status, &body["error"]["code"]), (401, &json!("invalid_api_key")));
    Ok(())
}
