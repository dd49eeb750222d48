//! `config.toml` and `-c key=value`: what the file says, what the command line says on top of it, and what
//! is in force. Key names are the reference's, so one file serves both.

mod home;
mod keys;
mod layers;
mod provider;
mod unusable;
mod wrong;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use toml::Table;
use valet_auth::issuer::Issuer;
use valet_auth::store::{CodexFile, CredentialStore, Keyring, KeyringOrFile, Memory, OpencodeFile, Shelf, Shelving};
use valet_auth::{HttpClient, Keeping, Redeemer, Rules};
use valet_protocol::v2::{
    ApprovalsReviewer, AskForApproval, ConfigWarningNotification, ReasoningSummary, SandboxMode, SandboxPolicy,
};

pub use home::{HomeError, home};
pub use keys::{AuthScope, Compat, ConfigToml, CredentialsStore, OneOrMore, ProviderToml};

use layers::{Layer, merge};
use wrong::Wrong;

/// How long a parent may take to answer a token refresh unless somebody says otherwise.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(10);
const THREAD_UNLOAD_DELAY: Duration = Duration::from_secs(30 * 60);

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not TOML. The message names the line.
    #[error("{} does not parse: line {line}, column {column}: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// Why. The line itself may hold a key, and is not shown.
        reason: String,
    },
    /// A key has a value that it cannot have. Where that is the wrong kind, the message says which is the right one.
    #[error("invalid configuration: {0}")]
    Value(String),
    /// `-c` was given something else than `key=value`.
    #[error("`-c {0}` is not of the form key=value")]
    Override(String),
}

impl ConfigError {
    fn parse(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let (line, column) = wrong::place(text, error);
        Self::Parse { path: path.to_owned(), line, column, reason: error.message().to_owned() }
    }
}

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory of `config.toml` and of everything that is stored.
    pub home: PathBuf,
    /// The keys that the host uses.
    pub keys: ConfigToml,
    /// Keys that nobody knows.
    unknown: Vec<String>,
    layers: Vec<Layer>,
    effective: Table,
    /// Whether a login that another account takes the place of is put aside.
    shelving: bool,
    /// What renews the tokens of the login that the host owns.
    redeemer: Option<Redeemer>,
}

impl Config {
    /// Reads `config.toml` in `home`, which need not exist, and puts `key=value` overrides on top. What the environment
    /// says of the issuer has to be of use, too.
    pub fn load(home: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        if let Some(wrong) = unusable::find_variable() {
            return Err(wrong.into());
        }
        let path = home.join("config.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(home, &text, overrides),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::parse(home, "", overrides),
            Err(error) => Err(ConfigError::Read { path, error }),
        }
    }

    /// The same with the text of `config.toml` from the caller.
    pub fn parse(home: &Path, text: &str, overrides: &[String]) -> Result<Self, ConfigError> {
        let path = home.join("config.toml");
        let user = text.parse().map_err(|error| ConfigError::parse(&path, text, &error))?;
        let flags = Layer::session_flags(overrides)?;
        let layers = vec![flags.clone(), Layer::user(&path, home, user)];
        // Layers that lie on each other have no lines; the file has.
        Self::of_layers(home, layers).map_err(|wrong| wrong.in_file(&path, text, &flags.table))
    }

    /// The configuration with more keys on top, by dotted path.
    pub fn overlay(&self, keys: &BTreeMap<String, Value>) -> Result<Self, ConfigError> {
        let mut layers = self.layers.clone();
        layers.insert(0, Layer::request(keys)?);
        Ok(Self::of_layers(&self.home, layers)?)
    }

    /// Strongest layer first.
    fn of_layers(home: &Path, layers: Vec<Layer>) -> Result<Self, Wrong> {
        let mut effective = Table::new();
        for layer in layers.iter().rev() {
            merge(&mut effective, &layer.table);
        }
        let keys = ConfigToml::of(&effective)?;
        let unknown = keys::unknown(&effective);
        Ok(Self { home: home.to_owned(), keys, unknown, layers, effective, shelving: false, redeemer: None })
    }

    /// Keys that nobody knows, by dotted path.
    pub fn unknown_keys(&self) -> &[String] {
        &self.unknown
    }

    /// Refuses keys that nobody knows. The file is named if it has one of them; others are of the command line.
    pub fn check_keys(&self) -> Result<(), ConfigError> {
        if self.unknown.is_empty() {
            return Ok(());
        }
        let in_file = self.layers.last().is_some_and(|file| !keys::unknown(&file.table).is_empty());
        let place = if in_file { format!("{}: ", self.home.join("config.toml").display()) } else { String::new() };
        Err(ConfigError::Value(format!("{place}unknown configuration field `{}`", self.unknown.join("`, `"))))
    }

    /// What a connection is told about the configuration when it initializes.
    pub fn warnings(&self) -> Vec<ConfigWarningNotification> {
        let unknown = (!self.unknown.is_empty()).then(|| ConfigWarningNotification {
            summary: format!("Unknown configuration keys are ignored: {}", self.unknown.join(", ")),
            details: None,
            path: Some(self.home.join("config.toml").display().to_string()),
            range: None,
        });
        // A thread may name another one, so this is no error yet.
        let provider = self.provider_id();
        let no_provider = (!self.has_provider(provider)).then(|| ConfigWarningNotification {
            summary: format!("invalid configuration: Model provider `{provider}` not found"),
            details: Some(provider::ONE_OF_THEM.to_owned()),
            path: None,
            range: None,
        });
        unknown.into_iter().chain(no_provider).collect()
    }

    fn workspaces(&self) -> Vec<String> {
        let ids = self.keys.forced_chatgpt_workspace_id.clone().map(OneOrMore::into_vec).unwrap_or_default();
        ids.into_iter().filter(|id| !id.trim().is_empty()).collect()
    }

    /// What the logins are allowed to be, and how they are kept.
    pub fn rules(&self) -> Rules {
        let method = self.keys.forced_login_method.as_deref();
        let strict = self.strict();
        Rules {
            workspaces: self.workspaces(),
            api_key_only: method == Some("api"),
            chatgpt_only: method == Some("chatgpt"),
            ahead: !strict && self.keys.valet.auth_proactive_refresh.unwrap_or(true),
            strict,
        }
    }

    /// The same, for somebody with several accounts: a login that another account takes the place of is put onto the
    /// [shelf](Shelf) of the home, and one that is on it is taken from there.
    pub fn shelving(self) -> Self {
        Self { shelving: true, ..self }
    }

    /// The same, with a program that renews the tokens of the login that the host owns, and goes on when the host is
    /// killed. It has to be given the same configuration.
    pub fn redeemed_by(self, program: Redeemer) -> Self {
        Self { redeemer: Some(program), ..self }
    }

    /// Where the login that the host owns is kept.
    pub fn store(&self) -> Arc<dyn CredentialStore> {
        let store: Arc<dyn CredentialStore> = match self.opencode_auth_file() {
            Some(path) => Arc::new(OpencodeFile::at(path)),
            None => match self.keys.cli_auth_credentials_store {
                CredentialsStore::Ephemeral => Arc::new(Memory::default()),
                CredentialsStore::File => Arc::new(CodexFile::of_home(&self.home)),
                CredentialsStore::Keyring => Arc::new(Keyring::of_home(&self.home)),
                CredentialsStore::Auto => Arc::new(KeyringOrFile::of_home(&self.home)),
            },
        };
        if self.shelving { Arc::new(Shelving::new(store, Shelf::of_home(&self.home))) } else { store }
    }

    /// The file of another program that the login is kept in, if it is.
    pub fn opencode_auth_file(&self) -> Option<PathBuf> {
        self.keys.valet.opencode_auth_file.as_ref().map(|path| self.home.join(path))
    }

    /// What may hold logins, as seen from the home, and is no command's to read.
    pub(crate) fn logins(&self) -> impl Iterator<Item = &Path> {
        [CodexFile::NAME, Shelf::NAME].into_iter().map(Path::new).chain(self.keys.valet.opencode_auth_file.as_deref())
    }

    /// Who issues logins.
    pub fn issuer(&self) -> Issuer {
        Issuer::from_environment(self.keys.valet.issuer.as_deref())
    }

    /// Logins that the host owns. None: a tenant's login is nobody else's.
    pub(crate) fn keeping(&self, http: &Arc<HttpClient>) -> Option<Keeping> {
        let revoke = self.keys.valet.logout_revoke.unwrap_or(true);
        if self.per_connection() {
            return None;
        }
        let keeping = Keeping::new(self.store(), self.issuer(), Arc::clone(http), revoke);
        Some(match self.redeemer() {
            Some(program) => keeping.redeemed_by(program),
            None => keeping,
        })
    }

    /// What renews the tokens of the login that the host owns. None: the host itself does.
    pub fn redeemer(&self) -> Option<Redeemer> {
        // Nobody else finds what is in the memory of this process.
        let in_memory = self.keys.cli_auth_credentials_store == CredentialsStore::Ephemeral;
        self.redeemer.clone().filter(|_| !in_memory)
    }

    /// Whether the reference's way is wanted, wherever a client could depend on it.
    pub fn strict(&self) -> bool {
        self.keys.valet.compat == Compat::Strict
    }

    /// Whether each connection is a tenant of its own.
    pub fn per_connection(&self) -> bool {
        self.keys.valet.auth_scope == AuthScope::Connection
    }

    /// The model of new threads.
    pub fn model(&self) -> String {
        let default = || valet_agent::catalog::MODELS[0].slug.to_owned();
        self.keys.model.clone().unwrap_or_else(default)
    }

    /// When people are asked, in new threads.
    pub fn approval_policy(&self) -> AskForApproval {
        self.keys.approval_policy.unwrap_or(AskForApproval::OnRequest)
    }

    /// Who is asked, in new threads.
    pub fn approvals_reviewer(&self) -> ApprovalsReviewer {
        self.keys.approvals_reviewer.unwrap_or_default()
    }

    /// What commands may do, in new threads.
    pub fn sandbox_policy(&self) -> SandboxPolicy {
        self.sandbox_of(self.keys.sandbox_mode.unwrap_or(SandboxMode::ReadOnly))
    }

    /// What commands may do in a mode.
    pub fn sandbox_of(&self, mode: SandboxMode) -> SandboxPolicy {
        match (mode, &self.keys.sandbox_workspace_write) {
            (SandboxMode::WorkspaceWrite, Some(keys)) => SandboxPolicy::WorkspaceWrite {
                writable_roots: keys.writable_roots.clone(),
                network_access: keys.network_access,
                exclude_tmpdir_env_var: keys.exclude_tmpdir_env_var,
                exclude_slash_tmp: keys.exclude_slash_tmp,
            },
            (mode, _) => mode.into(),
        }
    }

    /// How much reasoning is told, in new threads.
    pub fn summary(&self) -> Option<ReasoningSummary> {
        self.keys.model_reasoning_summary
    }

    /// The base of all account calls, without a slash at its end.
    pub fn chatgpt_base_url(&self) -> &str {
        let url = self.keys.chatgpt_base_url.as_deref().unwrap_or("https://chatgpt.com/backend-api");
        url.trim_end_matches('/')
    }

    /// How long a thread stays in memory to which nobody listens and in which nothing runs.
    pub fn thread_unload_delay(&self) -> Duration {
        self.keys.thread_unload_delay_secs.map_or(THREAD_UNLOAD_DELAY, Duration::from_secs)
    }

    /// How long turns that run may go on once the host is to end, if the configuration says so; zero: as long
    /// as they take.
    pub fn drain_timeout(&self) -> Option<Duration> {
        self.keys.valet.drain_timeout_ms.map(Duration::from_millis)
    }

    /// How long a listener may be without connections and turns before it ends.
    pub fn exit_when_idle(&self) -> Option<Duration> {
        self.keys.valet.exit_when_idle_ms.map(Duration::from_millis)
    }

    /// How long a parent may take to answer a token refresh.
    pub fn refresh_timeout(&self) -> Duration {
        self.keys.valet.auth_refresh_timeout_ms.map_or(REFRESH_TIMEOUT, Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pretty_assertions::assert_eq;
    use valet_protocol::v2::{SandboxMode, SandboxPolicy};

    use super::Config;

    #[test]
    fn a_relative_writable_root_begins_at_the_file_as_in_the_reference() {
        let text = "sandbox_workspace_write.writable_roots = [\"data\", \"/var/data\"]";
        let config = Config::parse(Path::new("/h"), text, &[]).unwrap();
        let SandboxPolicy::WorkspaceWrite { writable_roots, .. } = config.sandbox_of(SandboxMode::WorkspaceWrite)
        else {
            panic!("another policy");
        };
        assert_eq!(writable_roots, ["/h/data", "/var/data"]);
    }
}
