//! The configuration as clients see it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

/// `config/read`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ConfigReadParams {
    /// Also return each layer by itself.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub include_layers: bool,
    /// As seen from this directory.
    pub cwd: Option<String>,
}

/// The answer to `config/read`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ConfigReadResponse {
    /// Every key in force.
    pub config: Config,
    /// Where each key that somebody set comes from, by dotted path.
    pub origins: BTreeMap<String, ConfigLayerMetadata>,
    /// The layers, strongest first, when they were asked for.
    pub layers: Option<Vec<ConfigLayer>>,
}

/// `config.toml` in force, keys as in the file. Keys that are not named here are passed on as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
#[expect(missing_docs, reason = "the names are those of config.toml, which docs/config.md explains")]
pub struct Config {
    pub model: Option<String>,
    pub review_model: Option<String>,
    pub model_context_window: Option<i64>,
    pub model_auto_compact_token_limit: Option<i64>,
    pub model_auto_compact_token_limit_scope: Option<String>,
    pub model_provider: Option<String>,
    #[ts(type = "unknown")]
    pub approval_policy: Option<Value>,
    pub approvals_reviewer: Option<String>,
    pub sandbox_mode: Option<String>,
    #[ts(type = "unknown")]
    pub sandbox_workspace_write: Option<Value>,
    #[ts(type = "string | Array<string> | null")]
    pub forced_chatgpt_workspace_id: Option<Value>,
    pub forced_login_method: Option<String>,
    #[ts(type = "unknown")]
    pub web_search: Option<Value>,
    pub client_search_provider: Option<String>,
    #[ts(type = "unknown")]
    pub tools: Option<Value>,
    pub instructions: Option<String>,
    pub developer_instructions: Option<String>,
    pub compact_prompt: Option<String>,
    pub model_reasoning_effort: Option<String>,
    pub model_reasoning_summary: Option<String>,
    pub model_verbosity: Option<String>,
    pub service_tier: Option<String>,
    #[ts(type = "unknown")]
    pub analytics: Option<Value>,
    #[ts(type = "unknown")]
    pub apps: Option<Value>,
    #[ts(type = "unknown")]
    pub browser_use: Option<Value>,
    #[ts(type = "unknown")]
    pub computer_use: Option<Value>,
    #[ts(type = "unknown")]
    pub desktop: Option<Value>,
    /// Every further key of the file.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ConfigLayerMetadata {
    /// The layer.
    pub name: ConfigLayerSource,
    /// Changes whenever the layer's content changes.
    pub version: String,
}

/// One layer by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ConfigLayer {
    /// The layer.
    pub name: ConfigLayerSource,
    /// Changes whenever the layer's content changes.
    pub version: String,
    /// Its keys.
    #[ts(type = "unknown")]
    pub config: Value,
    /// Why the layer is not in force.
    pub disabled_reason: Option<String>,
}

/// What a layer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum ConfigLayerSource {
    /// `config.toml` in the home directory.
    User {
        /// The file, which need not exist.
        file: String,
        /// A profile on top of it.
        profile: Option<String>,
    },
    /// `-c key=value` on the command line.
    SessionFlags {},
}

/// The answer to `configRequirements/read`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ConfigRequirementsReadResponse {
    /// Whether speed tiers are required one by one.
    pub supports_independent_speed_modes: Option<bool>,
    /// What an administrator demands. Always null: nothing.
    #[schemars(with = "()")]
    #[ts(type = "null")]
    pub requirements: Option<Value>,
}
