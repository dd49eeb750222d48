//! What is in force for a turn. Captured when the turn is accepted, and not looked up again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;
use valet_auth::Account;
use valet_exec::{EnvironmentPolicy, Sandbox};

use crate::model::wire::Wire;
use crate::permission::Approvals;
use crate::prompt::Surroundings;
use crate::tools::ClientTool;

/// What is in force for a turn.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The model, as the backend is told.
    pub model: String,
    /// Where the model is.
    pub provider: Arc<Provider>,
    /// How hard it thinks; none: the model's own default.
    pub effort: Option<String>,
    /// How much of its reasoning it tells.
    pub summary: Option<&'static str>,
    /// How long its answers are.
    pub verbosity: Option<String>,
    /// The service tier.
    pub service_tier: Option<String>,
    /// A JSON Schema that the final answer must fit.
    pub output_schema: Option<Value>,
    /// Replaces the base instructions.
    pub base_instructions: Option<String>,
    /// Added to them.
    pub developer_instructions: Option<String>,
    /// What the model is told of the place where it works.
    pub surroundings: Surroundings,
    /// The host's own directory, which commands may not write.
    pub home: PathBuf,
    /// When a person is asked.
    pub approvals: Approvals,
    /// What commands and patches may do.
    pub sandbox: Sandbox,
    /// What commands know of the host's environment.
    pub environment: Arc<EnvironmentPolicy>,
    /// Tools of the client's own.
    pub client_tools: Arc<[ClientTool]>,
    /// Whether the model is to plan only, and may ask questions.
    pub plan_mode: bool,
    /// How many tokens of context are too many, if not what the model's window says.
    pub compact_at: Option<i64>,
}

impl Settings {
    /// Where the user's rules about commands are.
    pub(crate) fn rules_file(&self) -> PathBuf {
        self.home.join("rules").join("default.rules")
    }
}

/// Where models are.
#[derive(Debug)]
pub struct Provider {
    /// Its key in the configuration.
    pub id: String,
    /// What it speaks.
    pub wire: Wire,
    /// Up to and without `/responses` or `/chat/completions`.
    pub base_url: String,
    /// Added to the address of every request.
    pub query: BTreeMap<String, String>,
    /// Sent with every request.
    pub headers: HeaderMap,
    /// Where it says which models there are. None: it is not asked.
    pub models_url: Option<String>,
    /// How often a request is sent again.
    pub retries: Retries,
    /// How long the backend may be silent.
    pub stream_idle_timeout: Duration,
    /// A key that the configuration names; it is used instead of the login.
    pub key: Option<Arc<Account>>,
}

/// How often a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    /// So often, whatever failed; each is told.
    Together(u32),
    /// In the reference's way: what fails after the stream began, `streams` times, each told; what fails before, in each
    /// of these attempts up to `requests` times more, untold. A plain 429 is not tried again.
    Apart {
        /// For each attempt.
        requests: u32,
        /// For the response.
        streams: u32,
    },
}

/// Who the backend is told is calling.
#[derive(Debug)]
pub struct Origin {
    /// The name of the first client.
    pub originator: String,
    /// As in the answer to `initialize`.
    pub user_agent: String,
}
