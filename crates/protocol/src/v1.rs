//! The types that are older than version 2, and those that both share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::open_enum::open_enum;
use crate::secret::Secret;

/// Who is speaking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields = nullable)]
pub struct ClientInfo {
    /// Becomes the `originator` of backend requests, so it must be a valid HTTP header value.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// The client's own version.
    pub version: String,
}

/// What a client asks of the connection. Whatever else it sends here is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields = nullable)]
pub struct InitializeCapabilities {
    /// Opens the experimental methods, fields and values.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub experimental_api: bool,
    /// Notifications that this connection does not want, by exact method name.
    pub opt_out_notification_methods: Option<Vec<String>>,
    /// What only Valet understands. Other servers ignore it.
    pub valet: Option<ValetCapabilities>,
}

/// What a client asks of Valet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields = nullable, export_to = "valet/")]
pub struct ValetCapabilities {
    /// How long this connection may take to answer a token refresh, in milliseconds, 1000 to 300000.
    /// Default: the server's own limit, 10 s.
    pub refresh_timeout_ms: Option<u64>,
    /// Who this parent is, in a text of its choice of 16 to 256 characters that nobody can guess. A later
    /// connection with the same key is the same owner: it is asked in place of one that has left.
    pub owner_key: Option<Secret>,
    /// Take a token of another account in answer to a refresh, and go on with it.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub allow_account_switch_on_refresh: bool,
    /// Answer text that is no message with an error (id `null`) instead of only logging it.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub parse_errors: bool,
    /// The id of the process that embeds the server. When that process ends, however it ends, so does the
    /// server, even if another process holds its stdin open. Taken from the connection that the server was
    /// started for, stdin and stdout; one of several clients of a socket is no such process, and is seen to
    /// leave. An id that cannot be seen from the server, or is the server's own, is logged and ignored.
    pub process_id: Option<i64>,
}

/// `initialize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields = nullable)]
pub struct InitializeParams {
    /// Who is speaking.
    pub client_info: ClientInfo,
    /// What the client asks of the connection.
    pub capabilities: Option<InitializeCapabilities>,
}

/// The answer to `initialize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct InitializeResponse {
    /// `<first client>/<compatible version> (<os>; <arch>) <terminal> (<client>; <client version>)`.
    /// Clients read the version out of it.
    pub user_agent: String,
    /// The directory of `config.toml` and of everything that is stored.
    pub codex_home: String,
    /// `unix` or `windows`.
    pub platform_family: String,
    /// `linux`, `macos` or `windows`.
    pub platform_os: String,
    /// What only Valet says. Absent in strict mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub valet: Option<ValetServerInfo>,
}

/// What Valet says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "valet/")]
pub struct ValetServerInfo {
    /// Valet's own version.
    pub version: String,
    /// `default`, or `strict`: but then this is not sent.
    pub compat: String,
    /// For whom a login holds: `process` or `connection`.
    pub auth_scope: String,
    /// How long this connection may take to answer a token refresh, in milliseconds.
    pub refresh_timeout_ms: u64,
}

/// `getAuthStatus`, the older form of `account/read`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields = nullable)]
pub struct GetAuthStatusParams {
    /// Whether to return the token. Only the connection that lent it gets it.
    pub include_token: Option<bool>,
    /// Accepted and without effect: nobody is asked for a token by a read.
    pub refresh_token: Option<bool>,
}

/// The answer to `getAuthStatus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct GetAuthStatusResponse {
    /// How the server is logged in.
    pub auth_method: Option<AuthMode>,
    /// The token, when it was asked for by the connection that lent it.
    pub auth_token: Option<Secret>,
    /// Whether the configured model provider wants an OpenAI login.
    pub requires_openai_auth: Option<bool>,
}

open_enum! {
    /// How the server is logged in.
    pub enum AuthMode in "" {
        /// An API key.
        ApiKey = "apikey",
        /// A ChatGPT login that the server owns.
        Chatgpt = "chatgpt",
        /// A ChatGPT access token lent by the parent application.
        ChatgptAuthTokens = "chatgptAuthTokens",
        /// Headers set by configuration.
        Headers = "headers",
        /// An agent's own identity.
        AgentIdentity = "agentIdentity",
        /// A personal access token.
        PersonalAccessToken = "personalAccessToken",
        /// An Amazon Bedrock API key.
        BedrockApiKey = "bedrockApiKey",
        /// Amazon Bedrock access keys.
        BedrockAccessKeys = "bedrockAccessKeys",
    }
}

open_enum! {
    /// A ChatGPT plan. Towards clients it stays inside the list; a new plan reads `unknown`.
    pub enum PlanType in "" {
        /// No subscription.
        Free = "free",
        /// ChatGPT Go.
        Go = "go",
        /// ChatGPT Plus.
        Plus = "plus",
        /// ChatGPT Pro.
        Pro = "pro",
        /// A smaller Pro.
        Prolite = "prolite",
        /// A larger Pro.
        Promax = "promax",
        /// Team.
        Team = "team",
        /// Business, self-served, smaller Pro.
        SelfServeBusinessProlite = "self_serve_business_prolite",
        /// Business, self-served, billed by use.
        SelfServeBusinessUsageBased = "self_serve_business_usage_based",
        /// Business.
        Business = "business",
        /// Enterprise, 2026 form.
        Ent26 = "ent26",
        /// Enterprise automation.
        EnterpriseCbpAutomation = "enterprise_cbp_automation",
        /// Enterprise billed by use.
        EnterpriseCbpUsageBased = "enterprise_cbp_usage_based",
        /// Enterprise.
        Enterprise = "enterprise",
        /// Education.
        Edu = "edu",
        /// Education Plus.
        EduPlus = "edu_plus",
        /// Education Pro.
        EduPro = "edu_pro",
        /// Science.
        Sci = "sci",
        /// Science Plus.
        SciPlus = "sci_plus",
        /// Not told, or not one of the list.
        UnknownPlan = "unknown",
    }
}

impl PlanType {
    /// Reads a plan as people and tokens write it: any case, and two older spellings.
    ///
    /// Words outside the list become [`PlanType::UnknownPlan`], because clients close the enum.
    pub fn from_words(words: &str) -> Self {
        let word = words.to_ascii_lowercase();
        match Self::from(match word.as_str() {
            "hc" => "enterprise",
            "education" => "edu",
            other => other,
        }) {
            Self::Unknown(_) => Self::UnknownPlan,
            plan => plan,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PlanType;
    use pretty_assertions::assert_eq;

    #[test]
    fn ea_12_plan_words_are_read_in_any_case_and_spelling() {
        assert_eq!(PlanType::from_words("PRO"), PlanType::Pro);
        assert_eq!(PlanType::from_words("hc"), PlanType::Enterprise);
        assert_eq!(PlanType::from_words("Education"), PlanType::Edu);
        assert_eq!(PlanType::from_words(""), PlanType::UnknownPlan);
        assert_eq!(PlanType::from_words("platinum"), PlanType::UnknownPlan);
    }
}
