//! Items that the reference makes and this program does not: read for the wire, so that threads of the reference are
//! shown whole.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;
use valet_protocol::v2;

use super::part::camel;

#[derive(Deserialize)]
struct McpToolCall {
    id: String,
    server: String,
    tool: String,
    arguments: Value,
    status: String,
    result: Option<McpResult>,
    error: Option<Value>,
    duration: Option<Duration>,
}

#[derive(Deserialize)]
struct McpResult {
    content: Vec<Value>,
    #[serde(rename = "structuredContent")]
    structured: Option<Value>,
    #[serde(rename = "_meta")]
    meta: Option<Value>,
}

#[derive(Deserialize)]
struct ImageGeneration {
    id: String,
    status: String,
    result: String,
    revised_prompt: Option<String>,
}

#[derive(Deserialize)]
struct EnteredReviewMode {
    id: String,
    user_facing_hint: String,
}

#[derive(Deserialize)]
struct ExitedReviewMode {
    id: String,
    review_output: Option<ReviewOutput>,
}

#[derive(Deserialize)]
struct ReviewOutput {
    overall_explanation: String,
}

/// The item for the wire. None: it is damaged, or of a kind that is not known.
pub(super) fn read(kind: &str, item: &RawValue) -> Option<v2::ThreadItemDetails> {
    match kind {
        "McpToolCall" => serde_json::from_str(item.get()).ok().map(mcp_tool_call),
        "ImageGeneration" => serde_json::from_str(item.get()).ok().map(image_generation),
        "EnteredReviewMode" => {
            let EnteredReviewMode { id, user_facing_hint } = serde_json::from_str(item.get()).ok()?;
            Some(v2::ThreadItemDetails::EnteredReviewMode { id, review: user_facing_hint })
        }
        "ExitedReviewMode" => {
            let ExitedReviewMode { id, review_output } = serde_json::from_str(item.get()).ok()?;
            let review = review_output.map(|output| output.overall_explanation);
            let review = review.unwrap_or_else(|| "Reviewer failed to output a response.".to_owned());
            Some(v2::ThreadItemDetails::ExitedReviewMode { id, review })
        }
        _ => None,
    }
}

fn mcp_tool_call(call: McpToolCall) -> v2::ThreadItemDetails {
    let result = call.result.map(
        |result| json!({ "content": result.content, "structuredContent": result.structured, "_meta": result.meta }),
    );
    v2::ThreadItemDetails::Unknown(json!({
        "type": "mcpToolCall",
        "id": call.id,
        "server": call.server,
        "tool": call.tool,
        "status": camel(&call.status),
        "arguments": call.arguments,
        "appContext": null,
        "mcpAppUi": null,
        "pluginId": null,
        "readOnlyHint": null,
        "result": result,
        "error": call.error,
        "durationMs": call.duration.map(|duration| duration.as_millis() as u64),
    }))
}

fn image_generation(image: ImageGeneration) -> v2::ThreadItemDetails {
    v2::ThreadItemDetails::Unknown(json!({
        "type": "imageGeneration",
        "id": image.id,
        "status": image.status,
        "revisedPrompt": image.revised_prompt,
        "result": image.result,
        "transparentBackground": null,
        "failure": null,
        "generationId": null,
    }))
}
