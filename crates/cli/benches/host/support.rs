//! What all measurements need: a home, a host in it with its client, and a table of marks.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use valet_client::{AppServer, AppServerProcess, Client, Handlers, Notifications};
use valet_protocol::methods::{AgentMessageDelta, ThreadStart, TurnCompleted, TurnStart};
use valet_protocol::{ServerNotificationMethod, v2};

pub(crate) const VALET: &str = env!("CARGO_BIN_EXE_valet");

/// A home whose provider is there and wants no login.
pub(crate) fn home(base_url: &str) -> anyhow::Result<TempDir> {
    let home = tempfile::tempdir()?;
    point_at(home.path(), base_url)?;
    Ok(home)
}

/// Writes the configuration that makes this the provider.
pub(crate) fn point_at(home: &Path, base_url: &str) -> anyhow::Result<()> {
    let config = format!(
        "model = \"gpt-5.5\"\n\
         model_provider = \"local\"\n\
         approval_policy = \"never\"\n\
         sandbox_mode = \"danger-full-access\"\n\
         chatgpt_base_url = \"{base_url}\"\n\
         [model_providers.local]\n\
         base_url = \"{base_url}\"\n\
         wire_api = \"responses\"\n",
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
}

impl Host {
    pub(crate) async fn start(home: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(VALET);
        command.arg("app-server").env("VALET_HOME", home).env_remove("CODEX_HOME").env_remove("VALET_LOG");
        let begin = Instant::now();
        let server = AppServer::spawn(&mut command)?;
        let (client, notifications) = Client::new(server.link, Handlers::new());
        client.initialize("bench", "1.0", true).await?;
        Ok(Self { client, notifications, process: server.process, start: begin.elapsed() })
    }

    pub(crate) async fn thread(&self) -> anyhow::Result<String> {
        Ok(self.client.request::<ThreadStart>(v2::ThreadStartParams::default()).await?.thread.id)
    }

    /// Runs a turn to its end; returns its time, and how many deltas came.
    pub(crate) async fn turn(&mut self, thread_id: &str, text: &str) -> anyhow::Result<(Duration, u32)> {
        let input = vec![v2::UserInput::Text { text: text.to_owned(), text_elements: Vec::new() }];
        let params = v2::TurnStartParams { thread_id: thread_id.to_owned(), input, ..Default::default() };
        let begin = Instant::now();
        self.client.request::<TurnStart>(params).await?;
        let mut deltas = 0;
        loop {
            let notification = self.notifications.next().await.context("the host ended in a turn")?;
            if notification.method == AgentMessageDelta::METHOD {
                deltas += 1;
            } else if let Some(done) = notification.read::<TurnCompleted>() {
                ensure!(done.turn.status == v2::TurnStatus::Completed, "a turn failed: {:?}", done.turn.error);
                return Ok((begin.elapsed(), deltas));
            }
        }
    }

    pub(crate) async fn end(self) -> anyhow::Result<()> {
        drop((self.client, self.notifications));
        let status = self.process.wait(Duration::from_secs(5)).await?;
        ensure!(status.success(), "the host ended with {status}");
        Ok(())
    }
}

/// A number of a host's in `/proc`, from a line such as `VmRSS:     5120 kB`, in MiB.
pub(crate) fn memory_of(host: &Host, file: &str, name: &str) -> anyhow::Result<f64> {
    let file = format!("/proc/{}/{file}", host.process.id().context("the host has ended")?);
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    let kib: f64 = value.with_context(|| format!("{file} has no {name}"))?.parse()?;
    Ok(kib / 1024.0)
}

pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

/// Prints rows as they come, and counts the marks that were missed.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) missed: usize,
}

impl Table {
    pub(crate) fn head(&self) {
        println!("{:<52} {:<44} mark", "what", "measured");
    }

    pub(crate) fn row(&self, what: &str, value: &str) {
        println!("{what:<52} {value:<44} -");
    }

    /// The median must hold the mark.
    pub(crate) fn times(&mut self, what: &str, mut times: Vec<Duration>, mark: Duration) {
        times.sort();
        let (median, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        let value = format!("{} ({} to {})", ms(median), ms(times[0]), ms(late));
        self.mark(what, &value, &ms(mark), median <= mark);
    }

    pub(crate) fn mark(&mut self, what: &str, value: &str, mark: &str, held: bool) {
        self.missed += usize::from(!held);
        println!("{what:<52} {value:<44} {mark}{}", if held { "" } else { "  MISSED" });
    }
}
