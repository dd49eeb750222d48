//! Which models there are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::open_enum::open_enum;

/// `model/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ModelListParams {
    /// Of this provider instead of the configured one.
    pub model_provider: Option<String>,
    /// From an earlier answer.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// Also those that are kept out of pickers.
    pub include_hidden: Option<bool>,
}

/// The answer to `model/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ModelListResponse {
    /// One page.
    pub data: Vec<Model>,
    /// Null after the last page.
    pub next_cursor: Option<String>,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct Model {
    /// Unique in the list.
    pub id: String,
    /// What to send as `model`.
    pub model: String,
    /// The model that replaces this one.
    pub upgrade: Option<String>,
    /// More about the replacement. Always null.
    #[schemars(with = "()")]
    #[ts(type = "null")]
    pub upgrade_info: Option<Value>,
    /// A note to show when the model becomes available. Always null.
    #[schemars(with = "()")]
    #[ts(type = "null")]
    pub availability_nux: Option<Value>,
    /// For people.
    pub display_name: String,
    /// For people.
    pub description: String,
    /// What it is best at.
    pub model_specialty: Option<String>,
    /// Whether pickers leave it out.
    pub hidden: bool,
    /// The efforts it takes, weakest first.
    pub supported_reasoning_efforts: Vec<ReasoningEffortOption>,
    /// The effort used when none is asked for.
    pub default_reasoning_effort: String,
    /// What it reads.
    pub input_modalities: Vec<InputModality>,
    /// Always false.
    pub supports_personality: bool,
    /// How it delegates to other agents. Always null.
    #[schemars(with = "()")]
    #[ts(type = "null")]
    pub multi_agent_version: Option<Value>,
    /// The older form of `serviceTiers`.
    pub additional_speed_tiers: Vec<String>,
    /// The service tiers it can be asked for.
    pub service_tiers: Vec<ModelServiceTier>,
    /// The tier used when none is asked for.
    pub default_service_tier: Option<String>,
    /// Programs that widen access to it. Always null.
    #[schemars(with = "()")]
    #[ts(type = "null")]
    pub available_access_programs: Option<Value>,
    /// Whether it is used when none is asked for.
    pub is_default: bool,
}

/// One effort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ReasoningEffortOption {
    /// What to send as `effort`. An open string: new efforts appear.
    pub reasoning_effort: String,
    /// For people.
    pub description: String,
}

/// One service tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ModelServiceTier {
    /// What to send as `serviceTier`.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
}

open_enum! {
    /// What a model reads.
    pub enum InputModality in "" {
        /// Text.
        Text = "text",
        /// Images.
        Image = "image",
        /// Audio.
        Audio = "audio",
    }
}

/// `model/rerouted`: the backend answers a turn with another model than was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ModelReroutedNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The model that was asked for.
    pub from_model: String,
    /// The model that answers.
    pub to_model: String,
    /// Why.
    pub reason: ModelRerouteReason,
}

open_enum! {
    /// Why another model answers.
    pub enum ModelRerouteReason in "v2/" {
        /// The backend takes the work for a risk to the security of others.
        HighRiskCyberActivity = "highRiskCyberActivity",
    }
}
