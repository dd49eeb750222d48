//! How much of a subscription is used up, in the backend's words: the body of `GET /wham/usage`. What is made of it is
//! decided elsewhere.

use serde::Deserialize;
use serde_json::Value;

/// Where the backend tells it, below `chatgpt_base_url`.
pub const PATH: &str = "/wham/usage";

/// The id of the limit of turns. There are others, for single models and features.
pub const TURNS: &str = "codex";

/// The whole of it.
#[derive(Debug, Deserialize)]
pub struct Usage {
    /// The plan.
    pub plan_type: Option<String>,
    /// The limit of turns.
    pub rate_limit: Option<Limit>,
    /// Paid credits.
    pub credits: Option<Credits>,
    /// The limits of single features.
    pub additional_rate_limits: Option<Vec<FeatureLimit>>,
    /// What stops further turns.
    pub rate_limit_reached_type: Option<Reached>,
    /// What the workspace lets this person spend.
    pub spend_control: Option<SpendControl>,
    /// Credits that would reset a limit.
    pub rate_limit_reset_credits: Option<ResetCredits>,
    /// The workspace that this is about.
    pub account_id: Option<String>,
    /// The person that this is about.
    pub user_id: Option<String>,
    /// A banner.
    pub rate_limit_upsell: Option<Value>,
}

/// The limit of a single feature.
#[derive(Debug, Deserialize)]
pub struct FeatureLimit {
    /// For people.
    pub limit_name: Option<String>,
    /// Its id.
    pub metered_feature: String,
    /// The model whose name and options describe a quota alias.
    pub normal_model_slug: Option<String>,
    /// The limit.
    pub rate_limit: Option<Limit>,
}

/// A limit.
#[derive(Debug, Deserialize)]
pub struct Limit {
    /// Whether it lets anything pass now.
    pub allowed: Option<bool>,
    /// The short window.
    pub primary_window: Option<Window>,
    /// The long window.
    pub secondary_window: Option<Window>,
}

/// One window of a limit.
#[derive(Debug, Deserialize)]
pub struct Window {
    /// 0 to 100.
    pub used_percent: f64,
    /// Its length.
    pub limit_window_seconds: Option<i64>,
    /// When it starts anew, in unix seconds.
    pub reset_at: Option<i64>,
}

/// Paid credits.
#[derive(Debug, Deserialize)]
pub struct Credits {
    /// Whether there are any.
    #[serde(default)]
    pub has_credits: bool,
    /// Whether they never run out.
    #[serde(default)]
    pub unlimited: bool,
    /// A text or a number.
    pub balance: Option<Value>,
}

/// What stops further turns.
#[derive(Debug, Deserialize)]
pub struct Reached {
    /// Which limit.
    #[serde(rename = "type")]
    pub kind: String,
}

/// What the workspace lets a person spend.
#[derive(Debug, Deserialize)]
pub struct SpendControl {
    /// Whether that is spent.
    pub reached: Option<bool>,
    /// The limit of this person.
    pub individual_limit: Option<IndividualLimit>,
}

/// A limit set for one person inside a workspace.
#[derive(Debug, Deserialize)]
pub struct IndividualLimit {
    /// The limit.
    pub limit: String,
    /// What is used of it.
    pub used: String,
    /// 0 to 100.
    pub remaining_percent: f64,
    /// When it starts anew, in unix seconds.
    pub reset_at: i64,
}

/// Credits that would reset a limit: here, and in the body of `GET /wham/rate-limit-reset-credits`.
#[derive(Debug, Deserialize)]
pub struct ResetCredits {
    /// How many there are.
    pub available_count: i64,
    /// Each of them.
    pub credits: Option<Vec<ResetCredit>>,
}

/// A credit that would reset a limit.
#[derive(Debug, Deserialize)]
pub struct ResetCredit {
    /// Its id.
    pub id: String,
    /// What it resets.
    pub reset_type: String,
    /// What has become of it.
    pub status: String,
    /// Since when there is it, as RFC 3339 says times.
    pub granted_at: String,
    /// Until when it can be used, as RFC 3339 says times.
    pub expires_at: Option<String>,
    /// For people.
    pub title: Option<String>,
    /// For people.
    pub description: Option<String>,
}
