//! A chat completion that is one body.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    chat::{Called, Order, finish_reason},
    ids::Ids,
    response::Response,
    step::Step,
    wire::{Gone, Wire},
};

/// The message as far as it is.
#[derive(Default)]
struct Message {
    content: String,
    reasoning: String,
    calls: Vec<Value>,
    finish: Option<&'static str>,
}

/// Lives through the steps, then writes the body. What only a stream can show is left out.
pub(super) async fn perform(response: &Response, order: &Order, ids: &Ids, wire: &mut Wire) -> Result<(), Gone> {
    let id = ids.chat();
    let mut message = Message::default();
    for step in response.played() {
        match step {
            Step::Reasoning(text) => message.reasoning.push_str(text),
            Step::Text(text) => message.content.push_str(text),
            Step::Chunks(chunks) => {
                for text in (0..chunks.count).flat_map(|_| chunks.round()) {
                    wire.pause(Duration::from_millis(chunks.delay_ms)).await?;
                    message.content.push_str(text);
                }
            }
            Step::FunctionCall(call) => {
                let called =
                    Called::function(&call.name, &call.arguments_text()).whole(&ids.call(call.call_id.as_ref()));
                message.calls.push(called);
            }
            Step::CustomToolCall(call) => {
                let called = Called::custom(&call.name, &call.input).whole(&ids.call(call.call_id.as_ref()));
                message.calls.push(called);
            }
            Step::DelayMs(pause) => wire.pause(Duration::from_millis(*pause)).await?,
            Step::Incomplete(reason) => message.finish = Some(finish_reason(reason)),
            Step::Cut(true) => return wire.cut().await,
            // A failure is answered before anything is played.
            Step::Failed(_) | Step::Item(_) | Step::Event(_) | Step::Raw(_) | Step::Cut(false) => {}
        }
    }
    let mut body = json!({
        "id": id, "object": "chat.completion", "created": 0, "model": order.model,
        "choices": [message.choice()],
    });
    if let Some(usage) = response.usage {
        body["usage"] = usage.to_chat();
    }
    wire.raw(&body.to_string()).await
}

impl Message {
    fn choice(self) -> Value {
        let ended = if self.calls.is_empty() { "stop" } else { "tool_calls" };
        let content = (!self.content.is_empty() || self.calls.is_empty()).then_some(self.content);
        let mut message = json!({"role": "assistant", "content": content});
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = self.reasoning.into();
        }
        if !self.calls.is_empty() {
            message["tool_calls"] = self.calls.into();
        }
        json!({"index": 0, "message": message, "finish_reason": self.finish.unwrap_or(ended)})
    }
}
