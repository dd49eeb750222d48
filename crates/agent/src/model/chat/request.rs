//! The body of `POST /chat/completions`. It holds what every server knows, and of the rest only what somebody has
//! asked for: many servers refuse a member that they do not know.

use serde::Serialize;
use serde_json::{Value, json};

use super::{messages, tools};
use crate::history::History;
use crate::settings::Settings;

#[derive(Serialize)]
pub(in crate::model) struct Body<'a> {
    model: &'a str,
    messages: Vec<Value>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// The body of a request, to be written.
pub(in crate::model) fn body<'a>(settings: &'a Settings, history: &History, offered: &[Value]) -> Body<'a> {
    let response_format = settings.output_schema.as_ref().map(|schema| {
        let schema = json!({ "name": "codex_output_schema", "strict": true, "schema": schema });
        json!({ "type": "json_schema", "json_schema": schema })
    });
    Body {
        model: &settings.model,
        messages: messages::of(history),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
        tools: offered.iter().filter_map(tools::function).collect(),
        reasoning_effort: settings.effort.as_deref(),
        verbosity: settings.verbosity.as_deref(),
        service_tier: settings.service_tier.as_deref(),
        response_format,
    }
}
