//! Plans: the list of steps that the model keeps while it works, and the plan that it proposes in plan mode.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::open_enum::open_enum;

/// `turn/plan/updated`: the model has changed its list of steps. No item stands for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct TurnPlanUpdatedNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// Why, in the model's words.
    pub explanation: Option<String>,
    /// All steps in order; they replace those told before.
    pub plan: Vec<TurnPlanStep>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct TurnPlanStep {
    /// What is to be done.
    pub step: String,
    /// How far it is.
    pub status: TurnPlanStepStatus,
}

open_enum! {
    /// How far a step of a plan is.
    pub enum TurnPlanStepStatus in "v2/" {
        /// Not begun.
        Pending = "pending",
        /// Being worked on.
        InProgress = "inProgress",
        /// Done.
        Completed = "completed",
    }
}

/// `item/plan/delta`: more of the plan that the model proposes in plan mode.
///
/// For display: the completed item may differ from the deltas put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct PlanDeltaNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The item.
    pub item_id: String,
    /// To be appended to the item's text.
    pub delta: String,
}
