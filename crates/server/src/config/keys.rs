//! The keys of `config.toml` that the host uses, and the ones that it knows and leaves alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::Table;
use valet_exec::EnvironmentPolicy;
use valet_protocol::v2::{ApprovalsReviewer, AskForApproval, ReasoningSummary, SandboxMode};

use super::unusable;
use super::wrong::Wrong;

/// The keys that the host uses.
#[derive(Clone, Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the names are those of config.toml, which docs/config.md explains")]
pub struct ConfigToml {
    pub model: Option<String>,
    pub model_provider: Option<String>,
    #[serde(default)]
    pub model_providers: BTreeMap<String, ProviderToml>,
    pub model_reasoning_effort: Option<String>,
    pub model_reasoning_summary: Option<ReasoningSummary>,
    pub model_verbosity: Option<String>,
    pub service_tier: Option<String>,
    pub instructions: Option<String>,
    pub developer_instructions: Option<String>,
    pub openai_base_url: Option<String>,
    pub chatgpt_base_url: Option<String>,
    pub forced_chatgpt_workspace_id: Option<OneOrMore>,
    pub forced_login_method: Option<String>,
    #[serde(default)]
    pub cli_auth_credentials_store: CredentialsStore,
    pub approval_policy: Option<AskForApproval>,
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    pub sandbox_mode: Option<SandboxMode>,
    pub sandbox_workspace_write: Option<WorkspaceWriteToml>,
    pub model_auto_compact_token_limit: Option<i64>,
    pub thread_unload_delay_secs: Option<u64>,
    #[serde(default)]
    pub shell_environment_policy: Arc<EnvironmentPolicy>,
    #[serde(default)]
    pub valet: ValetToml,
}

/// `[sandbox_workspace_write]`: what `workspace-write` means.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WorkspaceWriteToml {
    pub(super) writable_roots: Vec<String>,
    pub(super) network_access: bool,
    pub(super) exclude_tmpdir_env_var: bool,
    pub(super) exclude_slash_tmp: bool,
}

/// `[valet]`: the keys that only Valet has.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ValetToml {
    /// How long a parent may take to answer a token refresh.
    pub auth_refresh_timeout_ms: Option<u64>,
    /// Whether a token is renewed before it expires.
    pub auth_proactive_refresh: Option<bool>,
    /// For whom a login holds.
    #[serde(default)]
    pub auth_scope: AuthScope,
    /// How closely the reference is followed where Valet does better.
    #[serde(default)]
    pub compat: Compat,
    /// How long turns that run may go on once the host is to end; 0: as long as they take.
    pub drain_timeout_ms: Option<u64>,
    /// How long a listener may be without connections and turns before it ends.
    pub exit_when_idle_ms: Option<u64>,
    /// The web pages that may connect to a listener.
    #[serde(default)]
    pub allow_origins: Vec<String>,
    /// Who issues the logins that the host owns, by origin. What the environment says counts more.
    pub issuer: Option<String>,
    /// The `auth.json` of opencode's that the login is kept in, instead of where `cli_auth_credentials_store` says.
    pub opencode_auth_file: Option<PathBuf>,
    /// Whether a logout takes the tokens back at the issuer.
    pub logout_revoke: Option<bool>,
    /// Whether an operator may read what happens in numbers, at a listener's `/metrics`.
    #[serde(default)]
    pub metrics: bool,
}

/// Where a login that the host owns is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialsStore {
    /// In `auth.json`, in the home directory.
    #[default]
    File,
    /// In the system's keyring. A build without one takes no login.
    Keyring,
    /// In the keyring where there is one, else in the file.
    Auto,
    /// Nowhere: it goes with the process.
    Ephemeral,
}

/// For whom a login holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthScope {
    /// For everybody who is connected to the process.
    #[default]
    Process,
    /// For the connection that logged in: each connection is a tenant of its own.
    Connection,
}

/// How closely the reference is followed where Valet does better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// The better way; the reference's clients work.
    #[default]
    Default,
    /// The reference's way, wherever a client could depend on it.
    Strict,
}

/// `[model_providers.<id>]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the names are those of config.toml, which docs/config.md explains")]
pub struct ProviderToml {
    pub base_url: Option<String>,
    pub wire_api: Option<String>,
    pub env_key: Option<String>,
    #[serde(default)]
    pub requires_openai_auth: bool,
    pub request_max_retries: Option<u32>,
    pub stream_max_retries: Option<u32>,
    pub stream_idle_timeout_ms: Option<u64>,
    #[serde(default)]
    pub http_headers: BTreeMap<String, String>,
    #[serde(default)]
    pub env_http_headers: BTreeMap<String, String>,
    #[serde(default)]
    pub query_params: BTreeMap<String, String>,
}

/// A text, or a list of texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts")]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

const USED: &[&str] = &[
    "model",
    "model_provider",
    "model_providers",
    "model_reasoning_effort",
    "model_reasoning_summary",
    "model_verbosity",
    "service_tier",
    "instructions",
    "developer_instructions",
    "openai_base_url",
    "chatgpt_base_url",
    "cli_auth_credentials_store",
    "forced_chatgpt_workspace_id",
    "forced_login_method",
    "approval_policy",
    "model_auto_compact_token_limit",
    "sandbox_workspace_write",
    "shell_environment_policy",
    "approvals_reviewer",
    "sandbox_mode",
    "thread_unload_delay_secs",
    "valet",
];

/// Keys of the reference that a shared file may hold and that change nothing here.
const LEFT_ALONE: &[&str] = &[
    "agents",
    "allow_login_shell",
    "analytics",
    "apps",
    "browser_use",
    "check_for_update_on_startup",
    "compact_prompt",
    "computer_use",
    "desktop",
    "disable_paste_burst",
    "features",
    "feedback",
    "file_opener",
    "hide_agent_reasoning",
    "history",
    "hooks",
    "log_dir",
    "mcp_servers",
    "memories",
    "model_context_window",
    "model_instructions_file",
    "notice",
    "notify",
    "personality",
    "plugins",
    "profile",
    "profiles",
    "project_doc_fallback_filenames",
    "project_doc_max_bytes",
    "projects",
    "review_model",
    "show_raw_agent_reasoning",
    "skills",
    "sqlite_home",
    "suppress_unstable_features_warning",
    "tools",
    "tui",
    "web_search",
    "windows",
];

const VALET: &[&str] = &[
    "allow_origins",
    "auth_refresh_timeout_ms",
    "auth_proactive_refresh",
    "auth_scope",
    "compat",
    "drain_timeout_ms",
    "exit_when_idle_ms",
    "issuer",
    "logout_revoke",
    "metrics",
    "opencode_auth_file",
];

const PROVIDER: &[&str] = &[
    "name",
    "base_url",
    "wire_api",
    "env_key",
    "env_key_instructions",
    "requires_openai_auth",
    "supports_websockets",
    "request_max_retries",
    "stream_max_retries",
    "stream_idle_timeout_ms",
    "http_headers",
    "env_http_headers",
    "query_params",
];

const WORKSPACE_WRITE: &[&str] = &["writable_roots", "network_access", "exclude_tmpdir_env_var", "exclude_slash_tmp"];

/// The last is the reference's, and changes nothing here.
const ENVIRONMENT: &[&str] =
    &["inherit", "ignore_default_excludes", "exclude", "set", "include_only", "experimental_use_profile"];

impl ConfigToml {
    pub(super) fn of(table: &Table) -> Result<Self, Wrong> {
        let keys = table.clone().try_into().map_err(|error| Wrong::kind(&error, table))?;
        unusable::find(&keys).map_or(Ok(keys), Err)
    }
}

/// The keys that are neither used nor left alone, by dotted path.
pub(super) fn unknown(table: &Table) -> Vec<String> {
    let mut unknown = not_in(table, &[USED, LEFT_ALONE].concat(), "");
    let inner =
        [("sandbox_workspace_write", WORKSPACE_WRITE), ("shell_environment_policy", ENVIRONMENT), ("valet", VALET)];
    for (name, known) in inner {
        let inner = table.get(name).and_then(toml::Value::as_table).into_iter();
        unknown.extend(inner.flat_map(|inner| not_in(inner, known, &format!("{name}."))));
    }
    if let Some(providers) = table.get("model_providers").and_then(toml::Value::as_table) {
        for (id, provider) in providers {
            let provider = provider.as_table().into_iter();
            unknown.extend(provider.flat_map(|table| not_in(table, PROVIDER, &format!("model_providers.{id}."))));
        }
    }
    unknown
}

fn not_in(table: &Table, known: &[&str], prefix: &str) -> Vec<String> {
    table.keys().filter(|key| !known.contains(&key.as_str())).map(|key| format!("{prefix}{key}")).collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    #[test]
    fn keys_that_nobody_knows_are_found_in_every_table_that_is_used() {
        let text = "
            modle = 1
            web_search = true
            [sandbox_workspace_write]
            netwrk = true
            network_access = true
            [shell_environment_policy]
            foo = 1
            experimental_use_profile = true
            set = { ANY = \"x\" }
            [valet]
            compt = \"strict\"
            [model_providers.x]
            base = \"x\"
        ";
        let keys = ["modle", "sandbox_workspace_write.netwrk", "shell_environment_policy.foo", "valet.compt"];
        let keys = [&keys[..], &["model_providers.x.base"]].concat();
        assert_eq!(super::unknown(&text.parse().unwrap()), keys);
    }
}
