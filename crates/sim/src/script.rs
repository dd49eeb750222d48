//! The script: what the backend answers to whom. The JSON form is documented in `docs/sim.md`;
//! choosing an answer at run time is in `playback`, rules of sense are in `check`.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{check, issuer::IssuerPolicy, response::Response};

/// Everything the backend is told to do. The default answers every turn with a greeting.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Script {
    /// How long tokens are good for, and which other credentials are accepted.
    pub tokens: TokenPolicy,
    /// Who can log in, and how that goes.
    pub issuer: IssuerPolicy,
    /// Tried in order; the first that matches and is not used up answers.
    pub rules: Vec<Rule>,
    /// Replacements for other endpoints, by `"METHOD /path"` (without a query).
    pub endpoints: BTreeMap<String, Endpoint>,
    /// The body of `GET /backend-api/wham/usage`, in place of the built-in one.
    pub usage: Option<Value>,
    /// The same for single accounts, by account id.
    pub usage_of: BTreeMap<String, Value>,
}

/// What credentials are good for.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TokenPolicy {
    /// Turn requests a token is good for. Default `None`: any number.
    pub uses: Option<u64>,
    /// The same for the first token issued to each account; `None`: as `uses`.
    pub first_uses: Option<u64>,
    /// Time until a token expires by the clock, in milliseconds. Default one hour.
    pub lifetime_ms: u64,
    /// Whether JWTs that were not issued here are accepted. Default false.
    pub accept_unknown: bool,
    /// The API keys (credentials that are not JWTs) accepted. Default `None`: all.
    pub api_keys: Option<Vec<String>>,
    /// Whether requests without a credential are accepted. Default false.
    pub anonymous: bool,
    /// Whether side calls refuse an expired token, too. Default false: only turns do.
    pub refuse_everywhere: bool,
    /// Time until a refresh token expires, in milliseconds. Default `None`: it does not.
    pub refresh_lifetime_ms: Option<u64>,
    /// For how long after its redemption a refresh token gets the same answer again, in
    /// milliseconds. Default 0: it is refused at once.
    pub refresh_grace_ms: u64,
    /// Whether the reuse of a refresh token revokes its whole grant. Default false.
    pub reuse_revokes: bool,
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self {
            uses: None,
            first_uses: None,
            lifetime_ms: 3_600_000,
            accept_unknown: false,
            api_keys: None,
            anonymous: false,
            refuse_everywhere: false,
            refresh_lifetime_ms: None,
            refresh_grace_ms: 0,
            reuse_revokes: false,
        }
    }
}

/// Shows how many API keys there are, not which.
impl fmt::Debug for TokenPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPolicy")
            .field("uses", &self.uses)
            .field("first_uses", &self.first_uses)
            .field("lifetime_ms", &self.lifetime_ms)
            .field("accept_unknown", &self.accept_unknown)
            .field("api_keys", &self.api_keys.as_ref().map(Vec::len))
            .field("anonymous", &self.anonymous)
            .field("refuse_everywhere", &self.refuse_everywhere)
            .field("refresh_lifetime_ms", &self.refresh_lifetime_ms)
            .field("refresh_grace_ms", &self.refresh_grace_ms)
            .field("reuse_revokes", &self.reuse_revokes)
            .finish()
    }
}

/// Answers for the requests that match. The k-th hit gets the k-th response; then the last one
/// repeats, until the rule was hit `times` times.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// What must hold; absent members always hold.
    #[serde(default)]
    pub when: When,
    /// How many hits the rule is good for; `None`: any number.
    #[serde(default)]
    pub times: Option<u64>,
    /// The answers, in order. Without any, the greeting is sent.
    pub responses: Vec<Response>,
}

/// Conditions of a rule. All that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct When {
    /// Part of the last user message, in the same case.
    pub user_text: Option<String>,
    /// The model asked for, exactly.
    pub model: Option<String>,
    /// The `chatgpt-account-id` header, exactly.
    pub account: Option<String>,
}

/// A fixed answer of an endpoint other than the model's.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Endpoint {
    /// HTTP status. Default 200.
    pub status: u16,
    /// A string is sent as it is, anything else as JSON. Default `{}`.
    pub body: Value,
    /// Pause before the answer, in milliseconds. Default 0.
    pub delay_ms: u64,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { status: 200, body: json!({}), delay_ms: 0 }
    }
}

impl Endpoint {
    /// An answer with this status and body.
    #[must_use]
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, body, delay_ms: 0 }
    }
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file's content is wrong.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: Box<ScriptError>,
    },
    /// Not JSON, an unknown member, or a member of the wrong type; names line and column.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// Well formed, but it cannot mean anything.
    #[error("{at}: {problem}")]
    Meaning {
        /// The place, for example `rules[0].responses[1]`.
        at: String,
        /// What is wrong there.
        problem: String,
    },
}

impl Script {
    /// The empty script: every turn gets the greeting.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every turn gets this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::respond(text.into())
    }

    /// Every turn gets this response.
    pub fn respond(response: impl Into<Response>) -> Self {
        Self::responses([response.into()])
    }

    /// The k-th turn request gets the k-th response; the last one repeats.
    pub fn responses(responses: impl IntoIterator<Item = Response>) -> Self {
        Self::new().rule(Rule { responses: responses.into_iter().collect(), ..Rule::default() })
    }

    /// Adds a rule behind those that are there.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets the token policy.
    #[must_use]
    pub fn tokens(mut self, tokens: TokenPolicy) -> Self {
        self.tokens = tokens;
        self
    }

    /// Sets who can log in, and how that goes.
    #[must_use]
    pub fn issuer(mut self, issuer: IssuerPolicy) -> Self {
        self.issuer = issuer;
        self
    }

    /// Replaces an endpoint, named `"METHOD /path"`.
    #[must_use]
    pub fn endpoint(mut self, name: impl Into<String>, endpoint: Endpoint) -> Self {
        self.endpoints.insert(name.into(), endpoint);
        self
    }

    /// Reads the JSON form.
    pub fn from_json(text: &str) -> Result<Self, ScriptError> {
        let script = serde_json::from_str(text)?;
        check::script(&script)?;
        Ok(script)
    }

    /// Reads a file in the JSON form. Errors name the file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ScriptError> {
        let path = path.as_ref().to_owned();
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::from_json(&text).map_err(|source| ScriptError::File { path, source: Box::new(source) }),
            Err(source) => Err(ScriptError::Read { path, source }),
        }
    }
}

impl Rule {
    /// A rule for turns whose last user message contains this text.
    pub fn when(user_text: impl Into<String>) -> Self {
        Self::matching(When { user_text: Some(user_text.into()), ..When::default() })
    }

    /// A rule for all turns.
    #[must_use]
    pub fn always() -> Self {
        Self::default()
    }

    /// A rule with these conditions.
    #[must_use]
    pub fn matching(when: When) -> Self {
        Self { when, ..Self::default() }
    }

    /// Adds the answer for the next hit; a string is a message.
    #[must_use]
    pub fn respond(mut self, response: impl Into<Response>) -> Self {
        self.responses.push(response.into());
        self
    }

    /// Limits the number of hits.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }
}
