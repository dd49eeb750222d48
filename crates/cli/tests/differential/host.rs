//! The two hosts as processes: which program, in which home and directory, with which configuration.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use valet_sim::Sim;

use crate::connection::{Connection, PATIENCE};
use crate::scenario::{Scenario, Transport};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// In strict mode.
    Valet,
    Reference,
}

/// A home and a directory to work in.
pub(crate) struct Places {
    pub(crate) home: TempDir,
    pub(crate) cwd: TempDir,
    /// Who issues logins, by origin.
    issuer: String,
}

/// A running host.
pub(crate) struct Process {
    pub(crate) child: Child,
    /// The address of its listener.
    pub(crate) address: Option<String>,
    /// The connection over its pipes.
    pub(crate) pipes: Option<Connection>,
}

impl Places {
    /// The reference refuses a home among the temporary files.
    pub(crate) fn make(scenario: &Scenario, sim: &Sim) -> Self {
        let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let text = toml::to_string(&config(scenario, sim)).unwrap();
        std::fs::write(home.path().join("config.toml"), text).unwrap();
        Self { home, cwd: tempfile::tempdir().unwrap(), issuer: sim.origin() }
    }

    /// A path that begins with `home/` or `cwd/`.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        match file.strip_prefix("home/") {
            Some(file) => self.home.path().join(file),
            None => self.cwd.path().join(file.strip_prefix("cwd/").unwrap_or(file)),
        }
    }
}

/// The configuration: what all share, with what the scenario says merged over it.
fn config(scenario: &Scenario, sim: &Sim) -> Value {
    let mut config = json!({
        "model": "gpt-5.5",
        "model_provider": "sim",
        "chatgpt_base_url": sim.chatgpt_base_url(),
        "approval_policy": "never",
        "sandbox_mode": "read-only",
        "check_for_update_on_startup": false,
        "model_providers": { "sim": {
            "name": "sim",
            "base_url": sim.base_url(),
            "wire_api": "responses",
            "supports_websockets": false,
            "requires_openai_auth": true,
            "request_max_retries": 0,
            "stream_max_retries": 0,
        } },
        "features": { "apps": false, "plugins": false },
        "analytics": { "enabled": false },
    });
    merge(&mut config, &scenario.config);
    config
}

fn merge(into: &mut Value, over: &Map<String, Value>) {
    if !into.is_object() {
        *into = json!({});
    }
    for (name, value) in over {
        match value {
            Value::Null => drop(into.as_object_mut().unwrap().remove(name)),
            Value::Object(members) => merge(&mut into[name], members),
            other => into[name] = other.clone(),
        }
    }
}

impl Process {
    pub(crate) async fn start(which: Which, scenario: &Scenario, places: &Places) -> Result<Self, String> {
        let mut command = command(which, places.home.path())?;
        command.env("CODEX_APP_SERVER_LOGIN_ISSUER", &places.issuer);
        command.env("CODEX_REFRESH_TOKEN_URL_OVERRIDE", format!("{}/oauth/token", places.issuer));
        command.env("CODEX_REVOKE_TOKEN_URL_OVERRIDE", format!("{}/oauth/revoke", places.issuer));
        command.args(&scenario.args).envs(&scenario.env).current_dir(places.cwd.path()).kill_on_drop(true);
        match scenario.transport {
            Transport::Stdio => {
                let log = std::fs::File::create(places.home.path().join("stderr.log")).unwrap();
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
                let mut child = command.spawn().map_err(|error| error.to_string())?;
                let pipes = Connection::pipes(child.stdin.take().unwrap(), child.stdout.take().unwrap());
                Ok(Self { child, address: None, pipes: Some(pipes) })
            }
            Transport::Websocket => {
                command.args(["--listen", "ws://127.0.0.1:0"]);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
                let mut child = command.spawn().map_err(|error| error.to_string())?;
                let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
                let listening = async {
                    while let Ok(Some(line)) = lines.next_line().await {
                        if let Some((_, address)) = line.split_once("ws://") {
                            return Some(address.trim().to_owned());
                        }
                    }
                    None
                };
                let address = tokio::time::timeout(PATIENCE, listening).await.ok().flatten();
                // The rest is read, so that nothing waits for it.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                let address = address.ok_or("the host does not listen")?;
                Ok(Self { child, address: Some(address), pipes: None })
            }
        }
    }
}

/// The program, without anything of this machine's environment that it could show.
fn command(which: Which, home: &Path) -> Result<Command, String> {
    let mut command = match which {
        Which::Valet => Command::new(env!("CARGO_BIN_EXE_valet")),
        Which::Reference => Command::new(valet_tests::installed::codex().ok_or("the reference is not installed")?),
    };
    command.env_clear().arg("app-server");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home).env("SHELL", "/bin/sh").env("LANG", "C.UTF-8").env("TERM", "dumb").env("TZ", "UTC");
    match which {
        Which::Valet => command.env("VALET_HOME", home).args(["--compat", "strict"]),
        Which::Reference => command.env("CODEX_HOME", home),
    };
    Ok(command)
}
