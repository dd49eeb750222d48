//! Turns the steps of a response into the events of the Responses API. The other wire is in `chat`.
//! Framing, pauses and the connection itself are in `wire`.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    ids::Ids,
    response::Response,
    step::{Step, words},
    wire::{Gone, Wire},
};

/// Plays a response to its end. `Gone` means that the client did not hear all of it.
pub(crate) async fn perform(response: &Response, ids: &Ids, wire: Wire) -> Result<(), Gone> {
    let mut stage = Stage { wire, ids, id: ids.response(), output: Vec::new(), ended: response.bare };
    if !response.bare {
        let created = json!({"response": {
            "id": stage.id, "object": "response", "status": "in_progress", "output": [],
        }});
        stage.wire.event("response.created", &created).await?;
    }
    for step in response.played() {
        stage.play(step).await?;
    }
    if !stage.ended {
        stage.complete(response).await?;
    }
    stage.wire.flush().await
}

/// One response in the course of being played.
struct Stage<'a> {
    wire: Wire,
    ids: &'a Ids,
    id: String,
    /// The items so far. Their number is the next `output_index`.
    output: Vec<Value>,
    /// Whether a closing event is not wanted any more.
    ended: bool,
}

/// The fields of a delta. A type of its own, because streams for load are made of these.
#[derive(Serialize)]
struct TextDelta<'a> {
    item_id: &'a str,
    output_index: usize,
    content_index: usize,
    delta: &'a str,
}

impl Stage<'_> {
    async fn play(&mut self, step: &Step) -> Result<(), Gone> {
        match step {
            Step::Reasoning(summary) => self.reasoning(summary).await,
            Step::Text(text) => {
                let deltas: Vec<_> = words(text).collect();
                self.message(&deltas, 1, Duration::ZERO).await
            }
            Step::Chunks(chunks) => {
                let pause = Duration::from_millis(chunks.delay_ms);
                self.message(&chunks.round(), chunks.count, pause).await
            }
            Step::FunctionCall(call) => {
                let call_id = self.ids.call(call.call_id.as_ref());
                self.function_call(&call_id, &call.name, &call.arguments_text()).await
            }
            Step::CustomToolCall(call) => {
                let call_id = self.ids.call(call.call_id.as_ref());
                self.custom_tool_call(&call_id, &call.name, &call.input).await
            }
            Step::DelayMs(pause) => self.wire.pause(Duration::from_millis(*pause)).await,
            Step::Item(item) => {
                self.item_added(item).await?;
                self.item_done(item.clone()).await
            }
            Step::Event(event) => {
                let kind = event["type"].as_str().unwrap_or_default();
                self.ended |= matches!(kind, "response.completed" | "response.failed" | "response.incomplete");
                self.wire.verbatim(event).await
            }
            Step::Raw(text) => self.wire.raw(text).await,
            Step::Failed(failure) => {
                let error = json!({"code": failure.code, "message": failure.message});
                self.close("failed", json!({"error": error, "usage": null})).await
            }
            Step::Incomplete(reason) => {
                let details = json!({"reason": reason});
                self.close("incomplete", json!({"incomplete_details": details, "usage": null})).await
            }
            Step::Cut(true) => self.wire.cut().await,
            Step::Cut(false) => Ok(()),
        }
    }

    async fn message(&mut self, deltas: &[&str], count: u32, pause: Duration) -> Result<(), Gone> {
        let id = self.ids.message();
        let index = self.output.len();
        let item = |status, content: Value| json!({"type": "message", "id": id, "role": "assistant", "status": status, "content": content});
        let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});

        self.item_added(&item("in_progress", json!([]))).await?;
        let added = json!({"item_id": id, "output_index": index, "content_index": 0, "part": part("")});
        self.wire.event("response.content_part.added", &added).await?;
        for _ in 0..count {
            for delta in deltas {
                self.wire.pause(pause).await?;
                let delta = TextDelta { item_id: &id, output_index: index, content_index: 0, delta };
                self.wire.event("response.output_text.delta", &delta).await?;
            }
        }
        let text = deltas.concat().repeat(usize::try_from(count).unwrap_or(usize::MAX));
        let done = json!({"item_id": id, "output_index": index, "content_index": 0, "text": text});
        self.wire.event("response.output_text.done", &done).await?;
        let done = json!({"item_id": id, "output_index": index, "content_index": 0, "part": part(&text)});
        self.wire.event("response.content_part.done", &done).await?;
        self.item_done(item("completed", json!([part(&text)]))).await
    }

    async fn reasoning(&mut self, text: &str) -> Result<(), Gone> {
        let id = self.ids.reasoning();
        let index = self.output.len();
        self.item_added(&json!({"type": "reasoning", "id": id, "summary": []})).await?;
        let part = json!({"type": "summary_text", "text": ""});
        let added = json!({"item_id": id, "output_index": index, "summary_index": 0, "part": part});
        self.wire.event("response.reasoning_summary_part.added", &added).await?;
        for delta in words(text) {
            let delta = json!({"item_id": id, "output_index": index, "summary_index": 0, "delta": delta});
            self.wire.event("response.reasoning_summary_text.delta", &delta).await?;
        }
        let summary = json!([{"type": "summary_text", "text": text}]);
        self.item_done(json!({"type": "reasoning", "id": id, "summary": summary, "encrypted_content": "opaque"})).await
    }

    async fn function_call(&mut self, call_id: &str, name: &str, arguments: &str) -> Result<(), Gone> {
        let id = format!("fc_{call_id}");
        let index = self.output.len();
        let item = |status, arguments: &str| {
            json!({
                "type": "function_call", "id": id, "call_id": call_id,
                "name": name, "arguments": arguments, "status": status,
            })
        };

        self.item_added(&item("in_progress", "")).await?;
        let delta = json!({"item_id": id, "output_index": index, "delta": arguments});
        self.wire.event("response.function_call_arguments.delta", &delta).await?;
        let done = json!({"item_id": id, "output_index": index, "arguments": arguments});
        self.wire.event("response.function_call_arguments.done", &done).await?;
        self.item_done(item("completed", arguments)).await
    }

    async fn custom_tool_call(&mut self, call_id: &str, name: &str, input: &str) -> Result<(), Gone> {
        let id = format!("ctc_{call_id}");
        let item = |status, input: &str| {
            json!({
                "type": "custom_tool_call", "id": id, "call_id": call_id,
                "name": name, "input": input, "status": status,
            })
        };
        self.item_added(&item("in_progress", "")).await?;
        self.item_done(item("completed", input)).await
    }

    async fn item_added(&mut self, item: &Value) -> Result<(), Gone> {
        let fields = json!({"output_index": self.output.len(), "item": item});
        self.wire.event("response.output_item.added", &fields).await
    }

    async fn item_done(&mut self, item: Value) -> Result<(), Gone> {
        let fields = json!({"output_index": self.output.len(), "item": item});
        self.output.push(item);
        self.wire.event("response.output_item.done", &fields).await
    }

    async fn complete(&mut self, response: &Response) -> Result<(), Gone> {
        let usage = response.usage.map_or(Value::Null, |usage| usage.to_wire());
        let mut fields = json!({"usage": usage});
        if let Some(end_turn) = response.end_turn {
            fields["end_turn"] = end_turn.into();
        }
        self.close("completed", fields).await
    }

    /// Sends `response.<status>` with these fields besides the usual ones.
    async fn close(&mut self, status: &str, mut fields: Value) -> Result<(), Gone> {
        self.ended = true;
        fields["id"] = self.id.clone().into();
        fields["object"] = "response".into();
        fields["status"] = status.into();
        fields["output"] = std::mem::take(&mut self.output).into();
        self.wire.event(&format!("response.{status}"), &json!({"response": fields})).await
    }
}
