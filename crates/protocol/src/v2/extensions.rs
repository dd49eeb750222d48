//! What clients ask about extensions when they start: skills, hooks, plugins, apps, MCP servers, features. Valet
//! has none of these yet, so the lists are empty and their entries have no type here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::AbsolutePath;

/// `skills/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct SkillsListParams {
    /// The directories to look in; none: the host's own.
    #[serde(default)]
    #[ts(as = "Option<Vec<String>>", optional)]
    pub cwds: Vec<String>,
    /// Look again instead of answering from memory.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub force_reload: bool,
}

/// The answer to `skills/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct SkillsListResponse {
    /// One per directory, in the order asked.
    pub data: Vec<SkillsListEntry>,
}

/// The skills of one directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct SkillsListEntry {
    /// The directory, as it was given.
    pub cwd: String,
    /// Always empty.
    #[schemars(with = "[(); 0]")]
    #[ts(type = "[]")]
    pub skills: Vec<Value>,
    /// Always empty.
    #[schemars(with = "[(); 0]")]
    #[ts(type = "[]")]
    pub errors: Vec<Value>,
}

/// `hooks/list`. Either `cwds` or `threadId`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct HooksListParams {
    /// The directories to look in; none: the host's own.
    #[serde(default)]
    #[ts(as = "Option<Vec<String>>", optional)]
    pub cwds: Vec<String>,
    /// The hooks of a loaded thread.
    pub thread_id: Option<String>,
}

/// The answer to `hooks/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct HooksListResponse {
    /// One per directory, in the order asked.
    pub data: Vec<HooksListEntry>,
}

/// The hooks of one directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct HooksListEntry {
    /// The directory, as it was given.
    pub cwd: String,
    /// Always empty.
    #[schemars(with = "[(); 0]")]
    #[ts(type = "[]")]
    pub hooks: Vec<Value>,
    /// Always empty.
    pub warnings: Vec<String>,
    /// Always empty.
    #[schemars(with = "[(); 0]")]
    #[ts(type = "[]")]
    pub errors: Vec<Value>,
}

/// `plugin/installed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct PluginInstalledParams {
    /// Where to look for marketplaces of a repository.
    pub cwds: Option<Vec<AbsolutePath>>,
    /// Plugins to name although they are not installed.
    pub install_suggestion_plugin_names: Option<Vec<String>>,
}

/// The answer to `plugin/installed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct PluginInstalledResponse {
    /// Always empty.
    #[schemars(with = "[(); 0]")]
    #[ts(type = "[]")]
    pub marketplaces: Vec<Value>,
    /// Always empty.
    #[schemars(with = "[(); 0]")]
    #[ts(type = "[]")]
    pub marketplace_load_errors: Vec<Value>,
}

/// `app/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct AppsListParams {
    /// From an earlier answer.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// As a loaded thread sees them.
    pub thread_id: Option<String>,
    /// Look again instead of answering from memory.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub force_refetch: bool,
}

/// The answer to `app/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct AppsListResponse {
    /// Always empty.
    #[schemars(with = "[(); 0]")]
    #[ts(type = "[]")]
    pub data: Vec<Value>,
    /// Always null.
    pub next_cursor: Option<String>,
}

/// `mcpServerStatus/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ListMcpServerStatusParams {
    /// From an earlier answer.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// How much to say of each.
    pub detail: Option<McpServerStatusDetail>,
    /// As a loaded thread sees them.
    pub thread_id: Option<String>,
    /// Only this one.
    pub server_name: Option<String>,
}

/// How much to say of an MCP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum McpServerStatusDetail {
    /// Everything.
    Full,
    /// Its tools, and who is logged in.
    ToolsAndAuthOnly,
}

/// The answer to `mcpServerStatus/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ListMcpServerStatusResponse {
    /// Always empty.
    #[schemars(with = "[(); 0]")]
    #[ts(type = "[]")]
    pub data: Vec<Value>,
    /// Always null.
    pub next_cursor: Option<String>,
}

/// The answer to `config/mcpServer/reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct McpServerRefreshResponse {}

/// `experimentalFeature/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ExperimentalFeatureListParams {
    /// From an earlier answer.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// As a loaded thread sees them.
    pub thread_id: Option<String>,
}

/// The answer to `experimentalFeature/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ExperimentalFeatureListResponse {
    /// Always empty: Valet has no flags of this kind.
    #[schemars(with = "[(); 0]")]
    #[ts(type = "[]")]
    pub data: Vec<Value>,
    /// Always null.
    pub next_cursor: Option<String>,
}

/// `collaborationMode/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct CollaborationModeListParams {}

/// The answer to `collaborationMode/list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct CollaborationModeListResponse {
    /// The modes to choose from.
    pub data: Vec<CollaborationModeMask>,
}

/// A mode to choose. Keys as in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct CollaborationModeMask {
    /// For people.
    pub name: String,
    /// What to send.
    pub mode: Option<String>,
    /// The model that it asks for; none: the thread's.
    pub model: Option<String>,
    /// The effort that it asks for; none: the thread's.
    pub reasoning_effort: Option<String>,
}

/// `threadSection/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadSectionListParams {
    /// From an earlier answer.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// The answer to `threadSection/list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadSectionListResponse {
    /// One page.
    pub data: Vec<ThreadSection>,
    /// Null after the last page.
    pub next_cursor: Option<String>,
}

/// A section of the list of threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadSection {
    /// Stays the same when the section is renamed.
    pub id: String,
    /// For people.
    pub name: String,
    /// Always null.
    #[schemars(with = "()")]
    #[ts(type = "null")]
    pub appearance: Option<Value>,
}

/// `account/bedrock/checkGovCloudRequirements`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct BedrockCheckGovCloudRequirementsParams {}

/// The answer to `account/bedrock/checkGovCloudRequirements`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct BedrockCheckGovCloudRequirementsResponse {
    /// Always false: Valet knows no such login.
    pub is_gov_cloud: bool,
    /// Always false.
    pub should_warn: bool,
}
