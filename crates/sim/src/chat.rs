//! Turns the steps of a response into chat completions: a stream of chunks, or one body. The other wire is in
//! `responses`.
//! Framing, pauses and the connection itself are in `wire`.

mod whole;

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    ids::Ids,
    response::Response,
    step::{Step, words},
    wire::{Gone, Wire},
};

/// Characters of a call's arguments in one chunk.
const FRAGMENT: usize = 8;

/// What the client wants to have.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) model: String,
    /// Chunks, or one body.
    pub(crate) stream: bool,
    /// Whether the last chunk has the token counts.
    pub(crate) include_usage: bool,
}

impl Order {
    pub(crate) fn of_body(body: &Value) -> Self {
        Self {
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            stream: body["stream"] == true,
            include_usage: body["stream_options"]["include_usage"] == true,
        }
    }
}

/// Plays a response to its end. `Gone` means that the client did not hear all of it.
pub(crate) async fn perform(response: &Response, order: &Order, ids: &Ids, mut wire: Wire) -> Result<(), Gone> {
    if !order.stream {
        whole::perform(response, order, ids, &mut wire).await?;
        return wire.flush().await;
    }
    let mut stage = Stage { wire, ids, id: ids.chat(), order, calls: 0, finish: None, failed: false };
    if !response.bare {
        stage.delta(json!({"role": "assistant", "content": ""})).await?;
    }
    for step in response.played() {
        stage.play(step).await?;
    }
    if !response.bare && !stage.failed {
        stage.complete(response).await?;
    }
    stage.wire.flush().await
}

/// One completion in the course of being played.
struct Stage<'a> {
    wire: Wire,
    ids: &'a Ids,
    id: String,
    order: &'a Order,
    /// Their number is the next index of a call.
    calls: usize,
    /// Why it ended before its end.
    finish: Option<&'static str>,
    failed: bool,
}

impl Stage<'_> {
    async fn play(&mut self, step: &Step) -> Result<(), Gone> {
        match step {
            Step::Reasoning(text) => {
                for word in words(text) {
                    self.delta(json!({"reasoning_content": word})).await?;
                }
                Ok(())
            }
            Step::Text(text) => {
                for word in words(text) {
                    self.delta(json!({"content": word})).await?;
                }
                Ok(())
            }
            Step::Chunks(chunks) => {
                let (round, pause) = (chunks.round(), Duration::from_millis(chunks.delay_ms));
                for _ in 0..chunks.count {
                    for text in &round {
                        self.wire.pause(pause).await?;
                        self.delta(json!({"content": text})).await?;
                    }
                }
                Ok(())
            }
            Step::FunctionCall(call) => {
                let id = self.ids.call(call.call_id.as_ref());
                self.call(&id, Called::function(&call.name, &call.arguments_text())).await
            }
            Step::CustomToolCall(call) => {
                let id = self.ids.call(call.call_id.as_ref());
                self.call(&id, Called::custom(&call.name, &call.input)).await
            }
            Step::DelayMs(pause) => self.wire.pause(Duration::from_millis(*pause)).await,
            Step::Event(event) => self.data(event).await,
            Step::Raw(text) => self.wire.raw(text).await,
            Step::Failed(failure) => {
                self.failed = true;
                self.data(&json!({"error": {"code": failure.code, "message": failure.message}})).await
            }
            Step::Incomplete(reason) => {
                self.finish = Some(finish_reason(reason));
                Ok(())
            }
            Step::Cut(true) => self.wire.cut().await,
            // Chat completions have no items.
            Step::Item(_) | Step::Cut(false) => Ok(()),
        }
    }

    /// A call in fragments: first its name, then its text piece by piece.
    async fn call(&mut self, id: &str, called: Called<'_>) -> Result<(), Gone> {
        let index = self.calls;
        self.calls += 1;
        let mut first = called.opening(id);
        first["index"] = index.into();
        self.delta(json!({"tool_calls": [first]})).await?;
        let text: Vec<_> = called.text.chars().collect();
        for fragment in text.chunks(FRAGMENT) {
            let fragment = called.fragment(&String::from_iter(fragment), index);
            self.delta(json!({"tool_calls": [fragment]})).await?;
        }
        Ok(())
    }

    async fn complete(&mut self, response: &Response) -> Result<(), Gone> {
        let finish = self.finish.unwrap_or(if self.calls == 0 { "stop" } else { "tool_calls" });
        self.chunk(json!([{"index": 0, "delta": {}, "finish_reason": finish}]), &Value::Null).await?;
        if self.order.include_usage
            && let Some(usage) = response.usage
        {
            self.chunk(json!([]), &usage.to_chat()).await?;
        }
        self.wire.raw("data: [DONE]\n\n").await
    }

    async fn delta(&mut self, delta: Value) -> Result<(), Gone> {
        self.chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), &Value::Null).await
    }

    async fn chunk(&mut self, choices: Value, usage: &Value) -> Result<(), Gone> {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": 0, "model": self.order.model,
            "choices": choices,
        });
        if self.order.include_usage {
            chunk["usage"] = usage.clone();
        }
        self.data(&chunk).await
    }

    async fn data(&mut self, value: &Value) -> Result<(), Gone> {
        self.wire.raw(&format!("data: {value}\n\n")).await
    }
}

/// What is called, with its name and its text.
struct Called<'a> {
    kind: &'static str,
    /// What the text is called.
    field: &'static str,
    name: &'a str,
    text: &'a str,
}

impl<'a> Called<'a> {
    fn function(name: &'a str, text: &'a str) -> Self {
        Self { kind: "function", field: "arguments", name, text }
    }

    fn custom(name: &'a str, text: &'a str) -> Self {
        Self { kind: "custom", field: "input", name, text }
    }

    /// The call without its text.
    fn opening(&self, id: &str) -> Value {
        json!({"id": id, "type": self.kind, (self.kind): {"name": self.name, (self.field): ""}})
    }

    /// The whole call.
    fn whole(&self, id: &str) -> Value {
        let mut call = self.opening(id);
        call[self.kind][self.field] = self.text.into();
        call
    }

    fn fragment(&self, text: &str, index: usize) -> Value {
        json!({"index": index, (self.kind): {(self.field): text}})
    }
}

/// What the Responses API calls the reason of an incomplete response.
fn finish_reason(reason: &str) -> &'static str {
    if reason == "content_filter" { "content_filter" } else { "length" }
}
