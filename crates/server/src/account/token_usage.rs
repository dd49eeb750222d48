//! How many tokens an account has used, as the backend tells whoever asks: `account/usage/read`.

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use valet_protocol::ErrorObject;
use valet_protocol::v2::{
    AccountTokenUsageDailyBucket, AccountTokenUsageSummary, GetAccountTokenUsageResponse, ThreadUsage,
    ThreadUsageBreakdownGroup,
};

use super::Accounts;
use super::backend::Failed;
use crate::connection::ConnectionId;

const WHAT: &str = "token usage";

#[derive(Deserialize)]
struct Profile {
    stats: Stats,
}

#[derive(Deserialize)]
struct Stats {
    lifetime_tokens: Option<i64>,
    peak_daily_tokens: Option<i64>,
    longest_running_turn_sec: Option<i64>,
    current_streak_days: Option<i64>,
    longest_streak_days: Option<i64>,
    daily_usage_buckets: Option<Vec<Bucket>>,
}

#[derive(Deserialize)]
struct Bucket {
    start_date: String,
    tokens: i64,
}

#[derive(Deserialize)]
struct Estimates {
    threads: Vec<Estimate>,
}

#[derive(Deserialize)]
struct Estimate {
    thread_id: String,
    /// None: there is no estimate.
    estimated_usage_credits_micros: Option<i64>,
    estimated_usage_usd_micros: Option<i64>,
    native_usage_usd_micros: Option<i64>,
    #[serde(default)]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    model: Option<String>,
    reasoning_effort: Option<String>,
    speed: Option<String>,
    estimated_usage_credits_micros: i64,
    net_new_input_tokens: Option<i64>,
    cached_input_tokens: Option<i64>,
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
    total_tokens: Option<i64>,
}

impl Accounts {
    /// What the account of a connection has used.
    pub(crate) async fn token_usage(&self, asker: ConnectionId) -> Result<GetAccountTokenUsageResponse, ErrorObject> {
        let account = self.subscriber(asker, WHAT)?;
        let asked = async {
            let request = self.shared.request(Method::GET, "/wham/profiles/me")?;
            self.shared.fetch(&account, &asker.caller(), request).await?.read()
        };
        let profile: Profile = asked.await.map_err(|failed: Failed| failed.error("token usage profile"))?;
        Ok(profile.stats.into())
    }

    /// What a thread has cost. Not every account is told.
    pub(crate) async fn thread_usage(
        &self,
        asker: ConnectionId,
        thread_id: String,
    ) -> Result<GetAccountTokenUsageResponse, ErrorObject> {
        let account = self.subscriber(asker, WHAT)?;
        let asked = async {
            let mut request = self.shared.request(Method::POST, "/wham/usage/thread_usage/query")?;
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(json!({ "thread_ids": [thread_id] }).to_string().into());
            match self.shared.fetch(&account, &asker.caller(), request).await {
                Err(Failed::Status(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, _)) => Ok(None),
                answer => estimate(answer?.read(), thread_id).map(Some),
            }
        };
        let thread_usage = asked.await.map_err(|failed: Failed| failed.error("thread usage"))?;
        let summary = AccountTokenUsageSummary::default();
        Ok(GetAccountTokenUsageResponse { summary, daily_usage_buckets: None, thread_usage })
    }
}

/// The texts are those of the reference.
fn estimate(estimates: Result<Estimates, Failed>, thread_id: String) -> Result<ThreadUsage, Failed> {
    let estimates = estimates.map_err(|_| Failed::Other("Invalid thread usage response.".to_owned()))?;
    let estimate = estimates.threads.into_iter().find(|estimate| estimate.thread_id == thread_id);
    let told = estimate.and_then(|estimate| Some((estimate.estimated_usage_credits_micros?, estimate)));
    let (estimated_usage_credits_micros, estimate) =
        told.ok_or_else(|| Failed::Other("thread usage response omitted requested thread".to_owned()))?;
    Ok(ThreadUsage {
        thread_id,
        estimated_usage_credits_micros,
        estimated_usage_usd_micros: estimate.estimated_usage_usd_micros,
        native_usage_usd_micros: estimate.native_usage_usd_micros,
        groups: estimate.groups.into_iter().map(ThreadUsageBreakdownGroup::from).collect(),
    })
}

impl From<Stats> for GetAccountTokenUsageResponse {
    fn from(stats: Stats) -> Self {
        let bucket = |Bucket { start_date, tokens }| AccountTokenUsageDailyBucket { start_date, tokens };
        Self {
            summary: AccountTokenUsageSummary {
                lifetime_tokens: stats.lifetime_tokens,
                peak_daily_tokens: stats.peak_daily_tokens,
                longest_running_turn_sec: stats.longest_running_turn_sec,
                current_streak_days: stats.current_streak_days,
                longest_streak_days: stats.longest_streak_days,
            },
            daily_usage_buckets: stats.daily_usage_buckets.map(|days| days.into_iter().map(bucket).collect()),
            thread_usage: None,
        }
    }
}

impl From<Group> for ThreadUsageBreakdownGroup {
    fn from(group: Group) -> Self {
        Self {
            model: group.model,
            reasoning_effort: group.reasoning_effort,
            speed: group.speed,
            estimated_usage_credits_micros: group.estimated_usage_credits_micros,
            net_new_input_tokens: group.net_new_input_tokens,
            cached_input_tokens: group.cached_input_tokens,
            input_tokens: group.input_tokens,
            output_tokens: group.output_tokens,
            total_tokens: group.total_tokens,
        }
    }
}
