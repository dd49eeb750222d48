//! How many tokens an account has used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `account/usage/read`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct GetAccountTokenUsageParams {
    /// Ask what this thread has cost instead.
    pub thread_id: Option<String>,
}

/// The answer to `account/usage/read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct GetAccountTokenUsageResponse {
    /// Of the account. All null when a thread was asked for.
    pub summary: AccountTokenUsageSummary,
    /// The same by day. Null: the backend did not say.
    pub daily_usage_buckets: Option<Vec<AccountTokenUsageDailyBucket>>,
    /// Of the thread that was asked for. Null: the backend does not know.
    pub thread_usage: Option<ThreadUsage>,
}

/// What an account has used. What the backend does not say is null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct AccountTokenUsageSummary {
    /// Tokens, since the beginning.
    pub lifetime_tokens: Option<i64>,
    /// Tokens, on the day with the most.
    pub peak_daily_tokens: Option<i64>,
    /// Seconds.
    pub longest_running_turn_sec: Option<i64>,
    /// Days in a row, until today.
    pub current_streak_days: Option<i64>,
    /// Days in a row, at most.
    pub longest_streak_days: Option<i64>,
}

/// What an account has used on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct AccountTokenUsageDailyBucket {
    /// The day, `2026-01-31`.
    pub start_date: String,
    /// Tokens.
    pub tokens: i64,
}

/// What a thread has cost, as the backend estimates it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadUsage {
    /// The thread.
    pub thread_id: String,
    /// Millionths of a credit.
    pub estimated_usage_credits_micros: i64,
    /// Millionths of a dollar.
    pub estimated_usage_usd_micros: Option<i64>,
    /// What was billed in dollars, in millionths. Null: not known.
    pub native_usage_usd_micros: Option<i64>,
    /// The same by model.
    pub groups: Vec<ThreadUsageBreakdownGroup>,
}

/// The part of one model in what a thread has cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadUsageBreakdownGroup {
    /// The model.
    pub model: Option<String>,
    /// How hard it thought.
    pub reasoning_effort: Option<String>,
    /// How fast it was asked to be.
    pub speed: Option<String>,
    /// Millionths of a credit.
    pub estimated_usage_credits_micros: i64,
    /// Tokens that were new to the model.
    pub net_new_input_tokens: Option<i64>,
    /// Tokens from the cache.
    pub cached_input_tokens: Option<i64>,
    /// Tokens read.
    pub input_tokens: Option<i64>,
    /// Tokens written.
    pub output_tokens: Option<i64>,
    /// Both.
    pub total_tokens: Option<i64>,
}
