//! A client that speaks plain HTTP and reads event streams.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};
use valet_sim::Sim;

/// A client of one sim.
pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) sim: Sim,
}

impl Client {
    pub(crate) fn new(sim: &Sim) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
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

    /// The same with a credential.
    pub(crate) async fn post_as(&self, bearer: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        answer(self.http.post(format!("{}{path}", self.sim.origin())).bearer_auth(bearer).json(body)).await
    }

    pub(crate) async fn post_form(&self, path: &str, form: String) -> Result<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.sim.origin()));
        answer(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
    }

    /// What a browser gets for an address.
    pub(crate) async fn browse(&self, address: &str) -> Result<Page> {
        Page::read(self.http.get(address)).await
    }

    /// What a browser gets for a form.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Result<Page> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(format!("{}{path}", self.sim.origin()));
        Page::read(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
    }

    /// A call to the token endpoint, as a form.
    pub(crate) async fn token(&self, fields: &[(&str, &str)]) -> Result<(u16, Value)> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.post_form("/oauth/token", form).await
    }

    /// A refresh, as JSON.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<(u16, Value)> {
        self.post("/oauth/token", &json!({"grant_type": "refresh_token", "refresh_token": refresh_token})).await
    }
}

/// What a browser sees.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) html: String,
    location: Option<String>,
}

impl Page {
    async fn read(request: reqwest::RequestBuilder) -> Result<Self> {
        let response = request.send().await?;
        let location = response.headers().get("location").and_then(|value| Some(value.to_str().ok()?.to_owned()));
        Ok(Self { status: response.status().as_u16(), location, html: response.text().await? })
    }

    /// Where the browser is sent.
    pub(crate) fn location(&self) -> Result<Url> {
        Ok(Url::parse(self.location.as_deref().with_context(|| format!("not a redirect: {self:?}"))?)?)
    }

    /// The value of a field or button with this name.
    pub(crate) fn value(&self, name: &str) -> Result<&str> {
        let field = format!("name=\"{name}\" value=\"");
        let value = self.html.split_once(&field).and_then(|(_, rest)| rest.split('"').next());
        value.with_context(|| format!("no {name} in {}", self.html))
    }
}

/// The members of an address's query.
pub(crate) fn query(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
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
