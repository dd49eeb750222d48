//! What a thread has cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `thread/tokenUsage/updated`: after every model response that says what it cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadTokenUsageUpdatedNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// What was used.
    pub token_usage: ThreadTokenUsage,
}

/// What a thread has used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadTokenUsage {
    /// Since the thread began.
    pub total: TokenUsageBreakdown,
    /// By the last response.
    pub last: TokenUsageBreakdown,
    /// How much the model reads, less a reserve. Null for models that are not in the catalog.
    pub model_context_window: Option<i64>,
}

/// Tokens by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct TokenUsageBreakdown {
    /// Input and output.
    pub total_tokens: i64,
    /// Read by the model.
    pub input_tokens: i64,
    /// Of these, from the cache.
    pub cached_input_tokens: i64,
    /// Of these, written to the cache.
    pub cache_write_input_tokens: i64,
    /// Written by the model.
    pub output_tokens: i64,
    /// Of these, reasoning.
    pub reasoning_output_tokens: i64,
}
