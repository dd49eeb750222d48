//! The app servers that clients are run against: programs that can be called as `S app-server ...`, each in a fresh
//! home that points at a sim.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use valet_tests::installed;

pub(crate) const VALET: &str = "Valet";
pub(crate) const REFERENCE: &str = "the reference";

const LIMIT: Duration = Duration::from_secs(30);

/// A program that serves the protocol.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
}

impl Host {
    /// This binary, and the reference where it is asked for.
    pub(crate) fn all() -> Vec<Self> {
        let valet = Self { name: VALET, program: env!("CARGO_BIN_EXE_valet").into() };
        let asked = std::env::var_os("VALET_COMPAT").is_some();
        let reference = if asked { installed::codex() } else { None };
        let reference = reference.map(|program| Self { name: REFERENCE, program });
        [valet].into_iter().chain(reference).collect()
    }

    /// Starts it on a port of its own, at work in that directory; with its address.
    pub(crate) async fn listening(&self, home: &Path, directory: &Path) -> (Child, String) {
        let mut command = Command::new(&self.program);
        command.args(["app-server", "--listen", "ws://127.0.0.1:0"]).current_dir(directory);
        at_home(&mut command, home);
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = tokio::time::timeout(LIMIT, async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the host says where it listens");
                if let Some((_, address)) = line.split_once("ws://") {
                    return format!("ws://{}", address.trim());
                }
            }
        });
        let url = url.await.expect("the host listens in time");
        // The rest is read, so that nothing waits for it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        (child, url)
    }
}

/// The environment of a host, and of a client that starts one.
pub(crate) fn at_home(command: &mut Command, home: &Path) {
    // Both know this variable.
    command.env("CODEX_HOME", home).env_remove("VALET_HOME").env_remove("VALET_LOG");
    // Nobody is to look for the sim, or for the host, behind a proxy.
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
}

/// Writes the `config.toml` that points at a sim, and switches off what would ask somebody else. Nothing may be
/// written without leave, so that patches are asked about too.
pub(crate) fn write_config(home: &Path, origin: &str) {
    let text = format!(
        r#"
model = "gpt-5.5"
model_provider = "sim"
chatgpt_base_url = "{origin}/backend-api"
approval_policy = "on-request"
sandbox_mode = "read-only"
check_for_update_on_startup = false

[model_providers.sim]
name = "sim"
base_url = "{origin}/v1"
wire_api = "responses"
requires_openai_auth = true
supports_websockets = false
stream_max_retries = 0
request_max_retries = 0

[features]
apps = false
plugins = false

[analytics]
enabled = false
"#
    );
    std::fs::write(home.join("config.toml"), text).unwrap();
}
