//! A client that speaks plain HTTP and reads event streams.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use valet_sim::Sim;

/// A client of one sim.
pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) sim: Sim,
}

impl Client {
    pub(crate) fn new(sim: &Sim) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, sim: sim.clone() })
    }

    /// A turn with this user text and credential, as far as the response headers.
    pub(crate) async fn turn(&self, bearer: &str, text: &str) -> Result<reqwest::Response> {
        let input = json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}]);
        let request = self
            .http
            .post(format!("{}/responses", self.sim.base_url()))
            .bearer_auth(bearer)
            .json(&json!({"model": "gpt-5.5", "stream": true, "input": input}));
        Ok(request.send().await?)
    }

    /// The status of a turn, read to its end.
    pub(crate) async fn turn_status(&self, bearer: &str) -> Result<u16> {
        let response = self.turn(bearer, "hi").await?;
        let status = response.status().as_u16();
        response.bytes().await?;
        Ok(status)
    }

    /// The events of a turn.
    pub(crate) async fn events(&self, text: &str) -> Result<Vec<Value>> {
        parse_events(&self.turn("key", text).await?.text().await?)
    }

    /// Any other call with a JSON answer.
    pub(crate) async fn call(&self, method: &str, path: &str, bearer: Option<&str>) -> Result<(u16, Value)> {
        let mut request = self.http.request(method.parse()?, format!("{}{path}", self.sim.origin()));
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        answer(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<(u16, Value)> {
        self.call("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        answer(self.http.post(format!("{}{path}", self.sim.origin())).json(body)).await
    }

    pub(crate) async fn post_form(&self, path: &str, form: String) -> Result<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.sim.origin()));
        answer(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<(u16, Value)> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    Ok((status, response.json().await.context("the answer is not JSON")?))
}

/// Reads a whole event stream, checking that each `event:` line names its `type`.
pub(crate) fn parse_events(stream: &str) -> Result<Vec<Value>> {
    let mut events = Vec::new();
    for block in stream.split_terminator("\n\n") {
        let (kind, data) = block
            .strip_prefix("event: ")
            .and_then(|block| block.split_once("\ndata: "))
            .with_context(|| format!("not an event: {block:?}"))?;
        let event: Value = serde_json::from_str(data)?;
        anyhow::ensure!(event["type"] == kind, "event {kind} has the type {}", event["type"]);
        events.push(event);
    }
    Ok(events)
}

/// The kinds of the events, repeats folded.
pub(crate) fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<_> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    kinds.dedup();
    kinds
}
