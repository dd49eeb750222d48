//! A host with a backend of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use valet_exec::Launcher;
use valet_server::{Config, Host};
use valet_sim::{Script, Sim, TokenRequest};
use valet_transport::{Link, OutboxLimits, memory};

use crate::client::TestClient;

/// A host and its backend. The host is not told when it is dropped; call [`TestHost::shutdown`] where the
/// end matters.
pub struct TestHost {
    /// The backend.
    pub sim: Sim,
    host: Host,
    home: Arc<TempDir>,
    overrides: Vec<String>,
    launcher: Launcher,
}

/// How a host is set up.
#[derive(Debug, Default)]
pub struct HostBuilder {
    script: Script,
    /// Lines before the first table of `config.toml`.
    keys: String,
    /// Lines in `[model_providers.sim]`.
    provider: String,
    overrides: Vec<String>,
    launcher: Option<Launcher>,
}

impl HostBuilder {
    /// What the backend does.
    #[must_use]
    pub fn script(mut self, script: Script) -> Self {
        self.script = script;
        self
    }

    /// A line of `config.toml`.
    #[must_use]
    pub fn config(mut self, line: &str) -> Self {
        self.keys = format!("{}{line}\n", self.keys);
        self
    }

    /// A line of the provider's table in `config.toml`.
    #[must_use]
    pub fn provider(mut self, line: &str) -> Self {
        self.provider = format!("{}{line}\n", self.provider);
        self
    }

    /// A `-c key=value`.
    #[must_use]
    pub fn with(mut self, key_value: &str) -> Self {
        self.overrides.push(key_value.to_owned());
        self
    }

    /// How commands are started, if not by the helper of the tests.
    #[must_use]
    pub fn launcher(mut self, launcher: Launcher) -> Self {
        self.launcher = Some(launcher);
        self
    }

    /// Starts the backend and the host.
    pub async fn start(self) -> TestHost {
        let sim = Sim::start(self.script).await.expect("a port is free");
        let home = tempfile::tempdir().expect("there is room for a directory");
        let login = if self.provider.contains("requires_openai_auth") { "" } else { "requires_openai_auth = true\n" };
        let retries = if self.provider.contains("stream_max_retries") { "" } else { "stream_max_retries = 0\n" };
        let text = format!(
            "model = \"gpt-5.5\"\nmodel_provider = \"sim\"\nchatgpt_base_url = \"{}\"\n\
             valet.issuer = \"{}\"\n\
             shell_environment_policy.set = {{ HOME = \"/nonexistent\" }}\n{}\
             [model_providers.sim]\nbase_url = \"{}\"\n{login}{retries}request_max_retries = 0\n{}",
            sim.chatgpt_base_url(),
            sim.origin(),
            self.keys,
            sim.base_url(),
            self.provider,
        );
        std::fs::write(home.path().join("config.toml"), text).expect("the directory can be written");
        TestHost::open(sim, Arc::new(home), self.overrides, self.launcher.unwrap_or_else(launcher))
    }
}

/// Starts commands through the helper of the tests.
pub fn launcher() -> Launcher {
    Launcher::with_helper(helper())
}

/// The helper of the tests: Cargo puts it one folder above the tests of the same build.
fn helper() -> PathBuf {
    let test = std::env::current_exe().expect("a test has an executable");
    let folder = test.ancestors().nth(2).expect("a test is built into two folders");
    folder.join("valet-exec-helper").with_extension(std::env::consts::EXE_EXTENSION)
}

impl TestHost {
    fn open(sim: Sim, home: Arc<TempDir>, overrides: Vec<String>, launcher: Launcher) -> Self {
        let config = Config::load(home.path(), &overrides).expect("the configuration is valid");
        let host = Host::start_with(config, launcher.clone());
        Self { sim, host, home, overrides, launcher }
    }

    /// Another host with the same home and the same backend.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self::open(self.sim.clone(), Arc::clone(&self.home), self.overrides.clone(), self.launcher.clone())
    }

    /// The same after an orderly end and a new start.
    pub async fn restarted(self) -> Self {
        self.shutdown().await;
        self.beside()
    }

    /// A host that finds what this one would leave if it were killed now. There is no index yet.
    #[must_use]
    pub fn after_a_crash(&self) -> Self {
        let home = tempfile::tempdir().expect("there is room for a directory");
        copy(self.home.path(), home.path());
        Self::open(self.sim.clone(), Arc::new(home), self.overrides.clone(), self.launcher.clone())
    }

    /// A host whose backend does what the script says.
    pub async fn start(script: Script) -> Self {
        Self::builder().script(script).start().await
    }

    /// A host with more to set up.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// A connection that has said nothing yet.
    pub fn connect(&self) -> TestClient {
        TestClient::new(self.link(OutboxLimits::default()), self.sim.clone())
    }

    /// A bare connection: nobody reads it but the test.
    pub fn link(&self, limits: OutboxLimits) -> Link {
        let (ours, theirs) = memory::pair(limits);
        let host = self.host.clone();
        tokio::spawn(async move { host.connect(theirs).await });
        ours
    }

    /// A connection that has opened itself.
    pub async fn client(&self) -> TestClient {
        let mut client = self.connect();
        client.initialize().await;
        client
    }

    /// A parent that has lent its token and answers each refresh with a new one.
    pub async fn parent(&self) -> TestClient {
        let mut client = self.client().await;
        client.answer_refreshes();
        client.lend(TokenRequest::default()).await;
        client
    }

    /// The home directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The host itself.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Ends the host; returns when everybody was told.
    pub async fn shutdown(&self) {
        self.host.shutdown().await;
    }
}

/// Copies what is in a home, but for the index.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the directory can be read") {
        let path = entry.expect("the directory can be read").path();
        let name = path.file_name().expect("an entry has a name");
        if path.is_dir() {
            std::fs::create_dir(to.join(name)).expect("there is room for a directory");
            copy(&path, &to.join(name));
        } else if !name.as_encoded_bytes().starts_with(OsStr::new("valet-index").as_encoded_bytes()) {
            std::fs::copy(&path, to.join(name)).expect("there is room for a file");
        }
    }
}
