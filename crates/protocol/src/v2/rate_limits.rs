//! How much of a subscription is used up.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::open_enum::open_enum;
use crate::v1::PlanType;

/// The answer to `account/rateLimits/read`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct GetAccountRateLimitsResponse {
    /// Whether the plan's included usage may be used now. Null: the backend did not say.
    pub ordinary_usage_allowed: Option<bool>,
    /// The limit of turns.
    pub rate_limits: RateLimitSnapshot,
    /// Every limit by its id.
    pub rate_limits_by_limit_id: Option<BTreeMap<String, RateLimitSnapshot>>,
    /// Null here.
    #[schemars(with = "()")]
    #[ts(type = "null")]
    pub rate_limit_reset_credits: Option<Value>,
    /// The account that the limits belong to, when the backend says so.
    pub account_id: Option<String>,
    /// A banner of the backend's, as it came.
    #[ts(type = "unknown")]
    pub rate_limit_upsell: Option<Value>,
}

/// `account/rateLimits/updated`: after every model response.
///
/// Sparse: a null means "not told", and does not clear what was told before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct AccountRateLimitsUpdatedNotification {
    /// What the response's headers said.
    pub rate_limits: RateLimitSnapshot,
}

/// The state of one limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct RateLimitSnapshot {
    /// Which limit; `codex` is the one of turns.
    pub limit_id: Option<String>,
    /// For people.
    pub limit_name: Option<String>,
    /// The model whose name and options describe a quota alias.
    pub normal_model_slug: Option<String>,
    /// The short window.
    pub primary: Option<RateLimitWindow>,
    /// The long window.
    pub secondary: Option<RateLimitWindow>,
    /// Paid credits.
    pub credits: Option<CreditsSnapshot>,
    /// A limit set for this user inside a workspace.
    pub individual_limit: Option<SpendControlLimitSnapshot>,
    /// Whether spending was stopped by the workspace.
    pub spend_control_reached: Option<bool>,
    /// The plan that the limit belongs to.
    pub plan_type: Option<PlanType>,
    /// Set when a limit stops further turns.
    pub rate_limit_reached_type: Option<RateLimitReachedType>,
}

/// One window of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct RateLimitWindow {
    /// 0 to 100, rounded.
    pub used_percent: i32,
    /// The length of the window in minutes.
    pub window_duration_mins: Option<i64>,
    /// When it starts anew, in unix seconds.
    pub resets_at: Option<i64>,
}

/// Paid credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct CreditsSnapshot {
    /// Whether there are any.
    pub has_credits: bool,
    /// Whether they never run out.
    pub unlimited: bool,
    /// The balance as the backend writes it.
    pub balance: Option<String>,
}

/// A limit set for one user inside a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct SpendControlLimitSnapshot {
    /// The limit as the backend writes it.
    pub limit: String,
    /// What is used, as the backend writes it.
    pub used: String,
    /// 0 to 100.
    pub remaining_percent: i32,
    /// When it starts anew, in unix seconds.
    pub resets_at: i64,
}

open_enum! {
    /// Which limit stops further turns.
    pub enum RateLimitReachedType in "v2/" {
        /// A window is used up.
        RateLimitReached = "rate_limit_reached",
        /// The workspace owner has no credits left.
        WorkspaceOwnerCreditsDepleted = "workspace_owner_credits_depleted",
        /// A workspace member has no credits left.
        WorkspaceMemberCreditsDepleted = "workspace_member_credits_depleted",
        /// The workspace owner reached the usage limit.
        WorkspaceOwnerUsageLimitReached = "workspace_owner_usage_limit_reached",
        /// A workspace member reached the usage limit.
        WorkspaceMemberUsageLimitReached = "workspace_member_usage_limit_reached",
    }
}
