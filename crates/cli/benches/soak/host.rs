//! The host as a process: started, killed, ended, and looked at from outside.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::stage::lock;

const VALET: &str = env!("CARGO_BIN_EXE_valet");
/// The variable that marks whatever belongs to a run.
const MARK: &str = "SOAK_RUN";
/// How long after the end of a host something of it may still be there.
const GONE: Duration = Duration::from_secs(2);

/// A host that listens.
pub(crate) struct Host {
    child: Child,
    pid: u32,
    pub(crate) address: String,
    mark: String,
    log: Arc<Mutex<Vec<String>>>,
}

/// What it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) resident_kib: u64,
    pub(crate) anonymous_kib: u64,
    /// Open files, without the connections to the backend.
    pub(crate) descriptors: usize,
    /// Connections to the backend.
    pub(crate) pooled: usize,
    pub(crate) threads: usize,
}

/// Writes the configuration of a home.
pub(crate) fn configure(home: &Path, origin: &str) -> anyhow::Result<()> {
    let config = format!(
        "model = \"gpt-5.5\"\n\
         model_provider = \"local\"\n\
         approval_policy = \"never\"\n\
         sandbox_mode = \"danger-full-access\"\n\
         chatgpt_base_url = \"{origin}/backend-api\"\n\
         thread_unload_delay_secs = 1\n\
         [model_providers.local]\n\
         base_url = \"{origin}/v1\"\n\
         wire_api = \"responses\"\n\
         requires_openai_auth = true\n\
         request_max_retries = 1\n\
         stream_max_retries = 1\n",
    );
    Ok(std::fs::write(home.join("config.toml"), config)?)
}

impl Host {
    pub(crate) async fn start(home: &Path) -> anyhow::Result<Self> {
        let mark = home.display().to_string();
        let mut command = Command::new(VALET);
        command.args(["app-server", "--listen", "ws://127.0.0.1:0", "--auth-scope", "connection", "--metrics"]);
        // A run that is stopped leaves nothing, either.
        command.arg("--parent-pid").arg(std::process::id().to_string());
        command.env("VALET_HOME", home).env(MARK, &mark).env_remove("CODEX_HOME").env_remove("VALET_LOG");
        let mut child = command.current_dir(home).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("a pipe")?).lines();
        let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await??.context("a first line")?;
        let address = line.rsplit("ws://").next().unwrap_or_default().to_owned();
        let log = Arc::new(Mutex::new(Vec::new()));
        let said = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                lock(&said).push(line);
            }
        });
        let pid = child.id().context("it has ended")?;
        Ok(Self { child, pid, address, mark, log })
    }

    /// Kills it, and what it has said comes back. Nothing that it had started may be there afterwards.
    pub(crate) async fn kill(mut self) -> anyhow::Result<Vec<String>> {
        self.child.kill().await?;
        self.gone().await
    }

    /// Ends it in good order.
    pub(crate) async fn end(mut self) -> anyhow::Result<(ExitStatus, Vec<String>)> {
        let pid = Pid::from_raw(self.pid.cast_signed()).context("it has ended")?;
        kill_process(pid, Signal::TERM).context("it could not be told to end")?;
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await??;
        Ok((status, self.gone().await?))
    }

    async fn gone(self) -> anyhow::Result<Vec<String>> {
        let began = Instant::now();
        while !marked(&self.mark).is_empty() {
            ensure!(began.elapsed() < GONE, "left running: {:?}", described(&marked(&self.mark)));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(std::mem::take(&mut lock(&self.log)))
    }

    pub(crate) fn taken(&self, backend: SocketAddr) -> anyhow::Result<Taken> {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.pid))?;
        let files: Vec<_> = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok()).collect();
        let pooled = self.sockets_to(backend)?;
        let pooled =
            files.iter().filter(|file| pooled.iter().any(|socket| file.as_os_str() == socket.as_str())).count();
        let descriptors = files.len() - pooled;
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid))?.count();
        let resident_kib = self.number("smaps_rollup", "Rss:")?;
        let anonymous_kib = self.number("smaps_rollup", "Anonymous:")?;
        Ok(Taken { resident_kib, anonymous_kib, descriptors, pooled, threads })
    }

    /// The sockets of this machine that are connected to an address, by the names that descriptors have.
    fn sockets_to(&self, address: SocketAddr) -> anyhow::Result<Vec<String>> {
        let SocketAddr::V4(address) = address else { bail!("the backend listens on {address}") };
        let peer = format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port());
        let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", self.pid))?;
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let connected = rows.filter(|row| row.get(2) == Some(&peer.as_str()));
        Ok(connected.filter_map(|row| Some(format!("socket:[{}]", row.get(9)?))).collect())
    }

    /// What runs beside it and belongs to it.
    pub(crate) fn children(&self) -> Vec<String> {
        let mut pids = marked(&self.mark);
        pids.retain(|pid| *pid != self.pid);
        described(&pids)
    }

    /// A gauge of its metrics, by its whole name.
    pub(crate) async fn gauge(&self, name: &str) -> anyhow::Result<u64> {
        let text = reqwest::get(format!("http://{}/metrics", self.address)).await?.text().await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no {name} in {text}"))?.parse()?)
    }

    fn number(&self, file: &str, name: &str) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.pid))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
        Ok(value.with_context(|| format!("no {name}"))?.parse()?)
    }
}

/// The processes that have the mark in their environment. One that has ended has none.
fn marked(mark: &str) -> Vec<u32> {
    let wanted = format!("{MARK}={mark}");
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let holds = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    pids.filter(holds).collect()
}

/// Processes by their ids and their words.
fn described(pids: &[u32]) -> Vec<String> {
    let words = |pid: &u32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        format!("{pid} {}", line.replace('\0', " ").trim())
    };
    pids.iter().map(words).collect()
}
