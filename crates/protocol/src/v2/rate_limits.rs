//! How much of a subscription is used up.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::open_enum::open_enum;
use crate::v1::PlanType;
use crate::v2::AccountChoice;

/// `account/rateLimits/read`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct GetAccountRateLimitsParams {
    /// The client can go on with the reserve model when the plan's usage is up; the backend is told so.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub supports_luna_reserve: bool,
    /// Leave out the list of credits that would reset a limit; their number is told all the same.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub exclude_reset_credit_details: bool,
    /// What only Valet understands: whose limits. Absent: the login's. Experimental.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valet: Option<AccountChoice>,
}

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
    /// Credits that would reset a limit. Null: the backend did not say.
    pub rate_limit_reset_credits: Option<RateLimitResetCreditsSummary>,
    /// The account that the limits belong to, when the backend says so.
    pub account_id: Option<String>,
    /// A banner of the backend's, as it came.
    #[ts(type = "unknown")]
    pub rate_limit_upsell: Option<Value>,
}

/// Credits that would reset a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct RateLimitResetCreditsSummary {
    /// How many there are.
    pub available_count: i64,
    /// Each of them; the backend may tell of fewer than there are. Null: only their number is known.
    pub credits: Option<Vec<RateLimitResetCredit>>,
}

/// A credit that would reset a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct RateLimitResetCredit {
    /// The backend's id for it.
    pub id: String,
    /// What it resets.
    pub reset_type: RateLimitResetType,
    /// Whether it can be used.
    pub status: RateLimitResetCreditStatus,
    /// When it was given, in unix seconds.
    pub granted_at: i64,
    /// When it expires, in unix seconds. Null: never.
    pub expires_at: Option<i64>,
    /// For people.
    pub title: Option<String>,
    /// For people.
    pub description: Option<String>,
}

open_enum! {
    /// What a credit resets.
    pub enum RateLimitResetType in "v2/" {
        /// The limits of turns.
        CodexRateLimits = "codexRateLimits",
        /// Something that the host does not know.
        Other = "unknown",
    }
}

open_enum! {
    /// Whether a credit can be used.
    pub enum RateLimitResetCreditStatus in "v2/" {
        /// It can.
        Available = "available",
        /// It is being used.
        Redeeming = "redeeming",
        /// It was used.
        Redeemed = "redeemed",
        /// Something that the host does not know.
        Other = "unknown",
    }
}

/// `account/rateLimits/updated`: after every model response.
///
/// The snapshot is whole: what this response did not tell is as it was told before. In strict mode it is sparse, and a
/// null means "not told".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct AccountRateLimitsUpdatedNotification {
    /// One limit.
    pub rate_limits: RateLimitSnapshot,
    /// What only Valet says. Absent without a login, and in strict mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub valet: Option<ValetRateLimitsInfo>,
}

/// What Valet says about a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/")]
pub struct ValetRateLimitsInfo {
    /// The ChatGPT account that the limit belongs to. Null for an API key.
    pub account_id: Option<String>,
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
