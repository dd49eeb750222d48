//! The programs that are measured, the homes they live in, and a host of one of them with its client.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use valet_client::{AppServer, AppServerProcess, Client, Handlers, Notifications};
use valet_protocol::methods::{AgentMessageDelta, ThreadStart, TurnCompleted, TurnStart};
use valet_protocol::{ServerNotificationMethod, v2};
use valet_tests::installed;

const VALET: &str = env!("CARGO_BIN_EXE_valet");

/// An app server.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) binary: PathBuf,
    /// What comes before all other arguments.
    arguments: Vec<String>,
    /// The variable that names its home.
    home: &'static str,
}

impl Program {
    pub(crate) fn valet() -> Self {
        Self::new("Valet", VALET.into(), "VALET_HOME")
    }

    /// The reference, if it is installed: the program itself, not the script that npm puts in front of it.
    pub(crate) fn reference() -> Option<Self> {
        let script = installed::codex()?.canonicalize().ok()?;
        let native = script.ancestors().find(|folder| folder.ends_with("node_modules")).and_then(native);
        Some(Self::new("reference", native.unwrap_or(script), "CODEX_HOME"))
    }

    /// This program itself, which then plays a host that costs as little as can be.
    pub(crate) fn stand_in(arguments: &[&str]) -> anyhow::Result<Self> {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Ok(Self { arguments, ..Self::new("stand-in", std::env::current_exe()?, "VALET_HOME") })
    }

    fn new(name: &'static str, binary: PathBuf, home: &'static str) -> Self {
        Self { name, binary, arguments: Vec::new(), home }
    }

    pub(crate) fn is_valet(&self) -> bool {
        self.home == "VALET_HOME"
    }

    /// The same program from a file that was written just now.
    pub(crate) fn copied_to(&self, folder: &Path) -> anyhow::Result<Self> {
        let binary = folder.join("program");
        std::fs::copy(&self.binary, &binary)?;
        Ok(Self { binary, ..self.clone() })
    }

    /// What it answers to `--version`.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        let output = Command::new(&self.binary).arg("--version").output()?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// `PROGRAM app-server ARGUMENTS` in that home.
    pub(crate) fn command(&self, home: &Path, arguments: &[&str]) -> Command {
        let mut command = self.bare(home);
        command.arg("app-server").args(arguments);
        command
    }

    /// The program in that home.
    pub(crate) fn bare(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(&self.arguments).current_dir(home);
        for variable in ["VALET_HOME", "CODEX_HOME", "VALET_LOG", "RUST_LOG"] {
            command.env_remove(variable);
        }
        command.env(self.home, home).env("LOCAL_API_KEY", "a key");
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        if !self.is_valet() {
            // It tells of every thread that it starts.
            command.stderr(Stdio::null());
        }
        command
    }
}

/// The program of the package for this platform.
fn native(packages: &Path) -> Option<PathBuf> {
    let below = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let vendors = below(packages.join("@openai")).map(|package| package.join("vendor"));
    vendors.flat_map(below).map(|target| target.join("bin/codex")).find(|binary| binary.is_file())
}

/// How a program comes to its credential.
pub(crate) enum Credential<'a> {
    /// A key in its environment.
    Key,
    /// A token that the client lends it. Here are the side calls.
    Lent { chatgpt_base_url: &'a str },
}

/// A home whose provider is there and takes a key.
pub(crate) fn home(base_url: &str) -> anyhow::Result<TempDir> {
    let home = tempfile::tempdir()?;
    point_at(home.path(), base_url, &Credential::Key)?;
    Ok(home)
}

/// Writes the configuration that makes this the provider. All programs read the same.
pub(crate) fn point_at(home: &Path, base_url: &str, credential: &Credential<'_>) -> anyhow::Result<()> {
    let (chatgpt, credential) = match credential {
        Credential::Key => (base_url, "env_key = \"LOCAL_API_KEY\""),
        Credential::Lent { chatgpt_base_url } => (*chatgpt_base_url, "requires_openai_auth = true"),
    };
    let config = format!(
        "model = \"gpt-5.5\"\n\
         model_provider = \"local\"\n\
         approval_policy = \"never\"\n\
         sandbox_mode = \"danger-full-access\"\n\
         check_for_update_on_startup = false\n\
         chatgpt_base_url = \"{chatgpt}\"\n\
         [model_providers.local]\n\
         name = \"local\"\n\
         base_url = \"{base_url}\"\n\
         wire_api = \"responses\"\n\
         supports_websockets = false\n\
         request_max_retries = 0\n\
         stream_max_retries = 0\n\
         {credential}\n\
         [features]\n\
         apps = false\n\
         plugins = false\n\
         [analytics]\n\
         enabled = false\n",
    );
    Ok(std::fs::write(home.join("config.toml"), config)?)
}

/// A host that has answered `initialize`.
pub(crate) struct Host {
    pub(crate) client: Client,
    pub(crate) notifications: Notifications,
    process: AppServerProcess,
    /// From the spawn to the answer.
    pub(crate) start: Duration,
    is_valet: bool,
}

impl Host {
    pub(crate) async fn start(program: &Program, home: &Path) -> anyhow::Result<Self> {
        Self::start_with(program, home, Handlers::new()).await
    }

    pub(crate) async fn start_with(program: &Program, home: &Path, handlers: Handlers) -> anyhow::Result<Self> {
        let mut command = program.command(home, &[]);
        let begin = Instant::now();
        let server = AppServer::spawn(&mut command)?;
        let (client, notifications) = Client::new(server.link, handlers);
        client.initialize("bench", "1.0", true).await?;
        let is_valet = program.is_valet();
        Ok(Self { client, notifications, process: server.process, start: begin.elapsed(), is_valet })
    }

    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.process.id().context("the host has ended")
    }

    pub(crate) async fn thread(&self) -> anyhow::Result<String> {
        Ok(self.client.request::<ThreadStart>(v2::ThreadStartParams::default()).await?.thread.id)
    }

    /// Runs a turn to its end; returns its time, and how many deltas came.
    pub(crate) async fn turn(&mut self, thread_id: &str, text: &str) -> anyhow::Result<(Duration, u32)> {
        self.turns(&[thread_id.to_owned()], text).await
    }

    /// Runs a turn in each of these threads, all at once; returns the time until the last one ended, and how many
    /// deltas came.
    pub(crate) async fn turns(&mut self, threads: &[String], text: &str) -> anyhow::Result<(Duration, u32)> {
        let begin = Instant::now();
        for thread_id in threads {
            let input = vec![v2::UserInput::Text { text: text.to_owned(), text_elements: Vec::new() }];
            let params = v2::TurnStartParams { thread_id: thread_id.clone(), input, ..Default::default() };
            let client = self.client.clone();
            // Should it be refused, no end of the turn will come.
            tokio::spawn(async move { client.request::<TurnStart>(params).await });
        }
        let (mut deltas, mut running) = (0, threads.len());
        while running > 0 {
            let next = tokio::time::timeout(Duration::from_secs(120), self.notifications.next()).await;
            let notification = next.context("no end of a turn")?.context("the host ended in a turn")?;
            if notification.method == AgentMessageDelta::METHOD {
                deltas += 1;
            } else if let Some(done) = notification.read::<TurnCompleted>() {
                ensure!(done.turn.status == v2::TurnStatus::Completed, "a turn failed: {:?}", done.turn.error);
                running -= 1;
            }
        }
        Ok((begin.elapsed(), deltas))
    }

    pub(crate) async fn end(self) -> anyhow::Result<()> {
        drop((self.client, self.notifications));
        let ours = self.is_valet;
        let status = self.process.wait(Duration::from_secs(10)).await?;
        // The reference does not always end in time, and is killed then.
        ensure!(status.success() || !ours, "the host ended with {status}");
        Ok(())
    }
}

/// A host that listens on a websocket. It is killed when this is dropped.
pub(crate) struct Listening {
    pub(crate) url: String,
    process: tokio::process::Child,
}

impl Listening {
    pub(crate) async fn start(program: &Program, home: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let arguments = [&["--listen", "ws://127.0.0.1:0"], arguments].concat();
        let mut command = program.command(home, &arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(process.stderr.take().context("a pipe")?).lines();
        let url = loop {
            let line = lines.next_line().await?.context("the host does not listen")?;
            if let Some((_before, address)) = line.split_once("ws://") {
                break format!("ws://{}", address.trim());
            }
        };
        // The rest is read, so that nothing waits for it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { url, process })
    }

    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.process.id().context("the host has ended")
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<(Client, Notifications)> {
        let link = valet_client::connect(&self.url, None).await?;
        let (client, notifications) = Client::new(link, Handlers::new());
        client.initialize("bench", "1.0", true).await?;
        Ok((client, notifications))
    }

    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }
}
