//! What a turn's stream is made of, and how it ends.

use std::time::{Duration, Instant};

use anyhow::Result;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_sim::{Chunks, Outcome, Response, Rule, Script, Sim, Usage};

use crate::support::{Client, kinds};

const FOREVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn the_default_script_greets_in_word_deltas() -> Result<()> {
    let client = Client::new(&Sim::start(Script::default()).await?)?;
    let events = client.events("hello").await?;
    assert_eq!(
        kinds(&events),
        [
            "response.created",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let numbers: Vec<_> = events.iter().filter_map(|event| event["sequence_number"].as_u64()).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
    let deltas: Vec<_> = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(deltas, ["Hello ", "from ", "the ", "sim."]);
    let message = json!({
        "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "Hello from the sim.", "annotations": []}],
    });
    assert_eq!(events[events.len() - 2]["item"], message);
    assert_eq!(
        events[events.len() - 1]["response"],
        json!({
            "id": "resp_1", "object": "response", "status": "completed", "output": [message],
            "usage": {
                "input_tokens": 100, "input_tokens_details": {"cached_tokens": 10},
                "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 5},
                "total_tokens": 120,
            },
        })
    );
    Ok(())
}

#[tokio::test]
async fn a_response_may_hold_reasoning_text_and_calls() -> Result<()> {
    let response = Response::new()
        .reasoning("**Thinking** hard")
        .text("Now a call.")
        .function_call("exec_command", json!({"cmd": "ls"}))
        .custom_tool_call("apply_patch", "*** Begin Patch")
        .item(json!({"type": "web_search_call", "id": "ws_1"}))
        .usage(None)
        .end_turn(false);
    let client = Client::new(&Sim::start(Script::respond(response)).await?)?;
    let events = client.events("go").await?;
    let done: Vec<_> = events.iter().filter(|event| event["type"] == "response.output_item.done").collect();
    let indexes: Vec<_> = done.iter().filter_map(|event| event["output_index"].as_u64()).collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4]);
    assert_eq!(
        done[0]["item"],
        json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "opaque",
            "summary": [{"type": "summary_text", "text": "**Thinking** hard"}]})
    );
    assert_eq!(
        done[2]["item"],
        json!({"type": "function_call", "id": "fc_call_1", "call_id": "call_1", "status": "completed",
            "name": "exec_command", "arguments": "{\"cmd\":\"ls\"}"})
    );
    assert_eq!(
        done[3]["item"],
        json!({"type": "custom_tool_call", "id": "ctc_call_2", "call_id": "call_2", "status": "completed",
            "name": "apply_patch", "input": "*** Begin Patch"})
    );
    assert_eq!(done[4]["item"], json!({"type": "web_search_call", "id": "ws_1"}));
    let completed = &events[events.len() - 1]["response"];
    assert_eq!((&completed["usage"], &completed["end_turn"]), (&Value::Null, &json!(false)));
    Ok(())
}

#[tokio::test]
async fn rules_answer_by_the_last_user_message() -> Result<()> {
    let usage = Usage { input_tokens: 7, ..Usage::default() };
    let script = Script::new()
        .rule(Rule::when("files").respond(Response::new().function_call("ls", json!({}))).respond("Two files."))
        .rule(Rule::always().respond(Response::new().text("Else.").usage(usage)));
    let sim = Sim::start(script).await?;
    let client = Client::new(&sim)?;
    for (text, kind) in [("which files?", "function_call"), ("hm", "message"), ("which files?", "message")] {
        let events = client.events(text).await?;
        assert_eq!(events[events.len() - 2]["item"]["type"], kind);
    }
    let rules: Vec<_> = sim.requests().iter().map(|request| request.rule).collect();
    assert_eq!(rules, [Some(0), Some(1), Some(0)]);
    assert_eq!(sim.requests()[0].user_text(), "which files?");
    Ok(())
}

#[tokio::test]
async fn a_plain_answer_has_the_scripted_status_headers_and_body() -> Result<()> {
    let limit = json!({"error": {"type": "usage_limit_reached", "plan_type": "pro", "resets_at": 1_800_000_000}});
    let script = Script::responses([
        Response::status(429).body(limit.clone()).header("x-codex-primary-used-percent", "100"),
        Response::status(503).body("busy"),
        Response::status(500),
    ]);
    let client = Client::new(&Sim::start(script).await?)?;
    let response = client.turn("key", "hi").await?;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["x-codex-primary-used-percent"], "100");
    assert_eq!(response.json::<Value>().await?, limit);
    let response = client.turn("key", "hi").await?;
    assert_eq!((response.status().as_u16(), response.text().await?.as_str()), (503, "busy"));
    let response = client.turn("key", "hi").await?;
    assert_eq!(response.json::<Value>().await?["error"]["message"], "Scripted status 500.");
    Ok(())
}

#[tokio::test]
async fn a_failed_or_incomplete_response_has_no_completed_event() -> Result<()> {
    let script = Script::responses([
        Response::new().text("Hm").failed("rate_limit_exceeded", "slow down"),
        Response::new().incomplete("max_output_tokens"),
        Response::new().event(json!({"type": "response.failed", "response": {"id": "x"}})),
    ]);
    let client = Client::new(&Sim::start(script).await?)?;
    let events = client.events("hi").await?;
    let last = &events[events.len() - 1];
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["error"], json!({"code": "rate_limit_exceeded", "message": "slow down"}));
    let events = client.events("hi").await?;
    assert_eq!(kinds(&events), ["response.created", "response.incomplete"]);
    assert_eq!(events[1]["response"]["incomplete_details"], json!({"reason": "max_output_tokens"}));
    assert_eq!(kinds(&client.events("hi").await?), ["response.created", "response.failed"]);
    Ok(())
}

#[tokio::test]
async fn a_bare_response_is_exactly_its_steps() -> Result<()> {
    let given = [json!({"type": "response.custom", "n": 1}), json!({"type": "error"})];
    let script = Script::responses([
        Response::events(given.clone()),
        Response::new().raw(": comment\n\ndata: [DONE]\n\n").bare(),
    ]);
    let client = Client::new(&Sim::start(script).await?)?;
    assert_eq!(client.events("hi").await?, given);
    assert_eq!(client.turn("key", "hi").await?.text().await?, ": comment\n\ndata: [DONE]\n\n");
    Ok(())
}

#[tokio::test]
async fn a_cut_stream_delivers_what_came_before_and_breaks_off() -> Result<()> {
    let sim = Sim::start(Script::respond(Response::new().text("Half a").cut())).await?;
    let mut response = Client::new(&sim)?.turn("key", "hi").await?;
    let mut received = Vec::new();
    let error = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received.extend_from_slice(&chunk),
            Ok(None) => anyhow::bail!("the stream ended in good order"),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    let received = String::from_utf8(received)?;
    assert!(received.contains("response.output_item.done"), "{received}");
    assert!(!received.contains("response.completed"), "{received}");
    sim.wait_for_requests(|request| request.outcome == Outcome::Cut, 1).await;
    Ok(())
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed_in_the_stream_and_before_it() -> Result<()> {
    let script =
        Script::responses([Response::new().text("Wait").delay(FOREVER), Response::new().headers_after(FOREVER)]);
    let sim = Sim::start(script).await?;
    let client = Client::new(&sim)?;

    let mut response = client.turn("key", "hi").await?;
    assert!(response.chunk().await?.is_some(), "what came before the pause is sent");
    drop(response);
    sim.wait_for_requests(|request| request.outcome == Outcome::Abandoned, 1).await;

    let waiting = tokio::spawn(async move { client.turn("key", "hi").await.map(drop) });
    let arrived = sim.wait_for_requests(|request| request.is_turn(), 2).await;
    assert_eq!((arrived[1].status, arrived[1].outcome), (None, Outcome::Pending));
    waiting.abort();
    sim.wait_for_requests(|request| request.outcome == Outcome::Abandoned, 2).await;
    Ok(())
}

#[tokio::test]
async fn each_paced_delta_waits_for_its_pause() -> Result<()> {
    let pause = Duration::from_millis(20);
    let chunks = Chunks::words("one two three").every(pause);
    let client = Client::new(&Sim::start(Script::respond(Response::new().chunks(chunks))).await?)?;
    let began = Instant::now();
    let events = client.events("hi").await?;
    assert!(began.elapsed() >= 3 * pause);
    let deltas: Vec<_> = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(deltas, ["one ", "two ", "three"]);
    Ok(())
}

#[tokio::test]
async fn a_hundred_thousand_deltas_come_through() -> Result<()> {
    let script = Script::respond(Response::new().chunks(Chunks::repeat("x", 100_000)));
    let sim = Sim::start(script).await?;
    let events = Client::new(&sim)?.events("load").await?;
    let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
    assert_eq!(deltas.count(), 100_000);
    sim.wait_for_requests(|request| request.outcome == Outcome::Finished, 1).await;
    Ok(())
}

#[tokio::test]
async fn shutdown_cuts_running_streams_and_frees_the_port() -> Result<()> {
    let script = Script::respond(Response::new().text("Wait").delay(FOREVER));
    let sim = Sim::start(script).await?;
    let client = Client::new(&sim)?;
    let mut response = client.turn("key", "hi").await?;
    response.chunk().await?;
    sim.shutdown().await;
    assert!(response.chunk().await.is_err(), "the stream did not complete");
    assert!(client.turn("key", "hi").await.is_err());
    Sim::builder().port(sim.address().port()).start().await?;
    Ok(())
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_sim() -> Result<()> {
    let sim = Sim::start(Script::respond(Response::new().text("Wait").delay(FOREVER))).await?;
    let mut response = Client::new(&sim)?.turn("key", "hi").await?;
    response.chunk().await?;
    drop(sim);
    assert!(response.chunk().await.is_err(), "the stream did not complete");
    Ok(())
}
