//! What the host costs: its start, its memory and size, and its share of a turn, a delta and a request.
//! Run by `cargo bench -p valet-cli --bench host`. It fails when a mark is missed.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use valet_client::{AppServer, AppServerProcess, Client, Handlers, Notifications};
use valet_protocol::methods::{AgentMessageDelta, ThreadLoadedList, ThreadStart, TurnCompleted, TurnStart};
use valet_protocol::{ServerNotificationMethod, v2};
use valet_sim::{Chunks, Response, Rule, Script, Sim, TokenPolicy};

const VALET: &str = env!("CARGO_BIN_EXE_valet");
const MADE_BY: &str = "cargo bench -p valet-cli --bench host";

const MARK_START: Duration = Duration::from_millis(15);
const MARK_MEMORY_MIB: f64 = 12.0;
const MARK_SIZE_MIB: f64 = 12.0;

const STARTS: usize = 20;
const TURNS: usize = 50;
const DELTAS: u32 = 100_000;
const ROUND_TRIPS: usize = 2_000;
const REQUESTS: usize = 100_000;
const IN_FLIGHT: usize = 64;

fn main() -> anyhow::Result<ExitCode> {
    // Only `cargo bench` passes this. Test runners come here, too, and must not have to wait.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "valet {}, {} {}, {} cores\nmade by: {MADE_BY}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        std::thread::available_parallelism()?,
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let missed = runtime.block_on(measure())?;
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures one thing after the other; returns how many marks were missed.
async fn measure() -> anyhow::Result<usize> {
    let sim = Sim::start(script()).await?;
    let home = home(&sim)?;
    let mut table = Table::default();
    table.head();
    start_up(home.path(), &mut table).await?;
    memory(home.path(), &mut table).await?;
    size(&mut table)?;
    turns(home.path(), &mut table).await?;
    deltas(home.path(), &mut table).await?;
    requests(home.path(), &mut table).await?;
    sim.shutdown().await;
    println!("\nThe backend of the turns and this client share the cores with the host.");
    Ok(table.missed)
}

/// Every turn is answered at once.
fn script() -> Script {
    let many = Response::new().chunks(Chunks::repeat("word ", DELTAS));
    Script::new()
        .tokens(TokenPolicy { anonymous: true, ..TokenPolicy::default() })
        .rule(Rule::when("many deltas").respond(many))
        .rule(Rule::always().respond("Done."))
}

/// A home whose configuration names the sim as a model provider that wants no login.
fn home(sim: &Sim) -> anyhow::Result<TempDir> {
    let home = tempfile::tempdir()?;
    let config = format!(
        "model = \"gpt-5.5\"\n\
         model_provider = \"sim\"\n\
         chatgpt_base_url = \"{}\"\n\
         [model_providers.sim]\n\
         base_url = \"{}\"\n\
         wire_api = \"responses\"\n",
        sim.chatgpt_base_url(),
        sim.base_url(),
    );
    std::fs::write(home.path().join("config.toml"), config)?;
    Ok(home)
}

/// A host that has answered `initialize`.
struct Host {
    client: Client,
    notifications: Notifications,
    process: AppServerProcess,
    /// From the spawn to the answer.
    start: Duration,
}

impl Host {
    async fn start(home: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(VALET);
        command.arg("app-server").env("VALET_HOME", home).env_remove("CODEX_HOME").env_remove("VALET_LOG");
        let begin = Instant::now();
        let server = AppServer::spawn(&mut command)?;
        let (client, notifications) = Client::new(server.link, Handlers::new());
        client.initialize("bench", "1.0", true).await?;
        Ok(Self { client, notifications, process: server.process, start: begin.elapsed() })
    }

    async fn thread(&self) -> anyhow::Result<String> {
        Ok(self.client.request::<ThreadStart>(v2::ThreadStartParams::default()).await?.thread.id)
    }

    /// Runs a turn to its end; returns its time, and how many deltas came.
    async fn turn(&mut self, thread_id: &str, text: &str) -> anyhow::Result<(Duration, u32)> {
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

    async fn end(self) -> anyhow::Result<()> {
        drop((self.client, self.notifications));
        let status = self.process.wait(Duration::from_secs(5)).await?;
        ensure!(status.success(), "the host ended with {status}");
        Ok(())
    }
}

async fn start_up(home: &Path, table: &mut Table) -> anyhow::Result<()> {
    // The first one reads the binary from disk.
    Host::start(home).await?.end().await?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let host = Host::start(home).await?;
        times.push(host.start);
        host.end().await?;
    }
    times.sort();
    let (median, min, max) = (times[STARTS / 2], times[0], times[STARTS - 1]);
    let value = format!("{} ({} to {})", ms(median), ms(min), ms(max));
    let what = format!("spawn to `initialize`, median of {STARTS}");
    table.mark(&what, &value, &ms(MARK_START), median <= MARK_START);
    Ok(())
}

async fn memory(home: &Path, table: &mut Table) -> anyhow::Result<()> {
    if !cfg!(target_os = "linux") {
        table.row("idle memory", "measured on Linux only");
        return Ok(());
    }
    let host = Host::start(home).await?;
    // When a second answer is here, everything that the first one set off is done.
    host.client.request::<ThreadLoadedList>(v2::ThreadLoadedListParams::default()).await?;
    let id = host.process.id().context("the host has ended")?;
    let resident = mib(&format!("/proc/{id}/status"), "VmRSS:")?;
    let shared_out = mib(&format!("/proc/{id}/smaps_rollup"), "Pss:")?;
    let anonymous = mib(&format!("/proc/{id}/smaps_rollup"), "Anonymous:")?;
    let mark = format!("{MARK_MEMORY_MIB} MiB");
    table.mark("idle memory, resident", &format!("{resident:.1} MiB"), &mark, resident <= MARK_MEMORY_MIB);
    table.row("idle memory, proportional", &format!("{shared_out:.1} MiB"));
    table.row("idle memory, anonymous", &format!("{anonymous:.1} MiB"));
    host.end().await
}

/// A line such as `VmRSS:     5120 kB`.
fn mib(file: &str, name: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    let kib: f64 = value.with_context(|| format!("{file} has no {name}"))?.parse()?;
    Ok(kib / 1024.0)
}

fn size(table: &mut Table) -> anyhow::Result<()> {
    let size = std::fs::metadata(VALET)?.len() as f64 / (1024.0 * 1024.0);
    table.mark("binary", &format!("{size:.1} MiB"), &format!("{MARK_SIZE_MIB} MiB"), size <= MARK_SIZE_MIB);
    Ok(())
}

async fn turns(home: &Path, table: &mut Table) -> anyhow::Result<()> {
    let mut host = Host::start(home).await?;
    let thread = host.thread().await?;
    let (first, _deltas) = host.turn(&thread, "first").await?;
    table.row("first turn, which makes the HTTP client", &ms(first));
    let mut times = Vec::new();
    for _ in 0..TURNS {
        times.push(host.turn(&thread, "again").await?.0);
    }
    times.sort();
    let value = format!("{} ({} to {})", ms(times[TURNS / 2]), ms(times[0]), ms(times[TURNS - 1]));
    table.row(&format!("turn answered at once, median of {TURNS}"), &value);
    host.end().await
}

async fn deltas(home: &Path, table: &mut Table) -> anyhow::Result<()> {
    let mut host = Host::start(home).await?;
    let thread = host.thread().await?;
    let (time, deltas) = host.turn(&thread, "many deltas").await?;
    let rate = f64::from(DELTAS) / time.as_secs_f64();
    table.row(&format!("a turn of {DELTAS} deltas"), &format!("{rate:.0} deltas/s, {deltas} notifications"));
    host.end().await
}

async fn requests(home: &Path, table: &mut Table) -> anyhow::Result<()> {
    let host = Host::start(home).await?;
    let mut times = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let begin = Instant::now();
        host.client.request::<ThreadLoadedList>(v2::ThreadLoadedListParams::default()).await?;
        times.push(begin.elapsed());
    }
    times.sort();
    table.row("`thread/loaded/list`, one by one, median", &format!("{} us", times[ROUND_TRIPS / 2].as_micros()));

    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let client = host.client.clone();
        tasks.spawn(async move {
            for _ in 0..REQUESTS / IN_FLIGHT {
                client.request::<ThreadLoadedList>(v2::ThreadLoadedListParams::default()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let count = REQUESTS / IN_FLIGHT * IN_FLIGHT;
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    table.row(&format!("the same, {IN_FLIGHT} in flight"), &format!("{rate:.0} requests/s"));
    host.end().await
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

/// Prints rows as they come, and counts the marks that were missed.
#[derive(Default)]
struct Table {
    missed: usize,
}

impl Table {
    fn head(&self) {
        println!("{:<44} {:<40} mark", "what", "measured");
    }

    fn row(&self, what: &str, value: &str) {
        println!("{what:<44} {value:<40} -");
    }

    fn mark(&mut self, what: &str, value: &str, mark: &str, held: bool) {
        self.missed += usize::from(!held);
        println!("{what:<44} {value:<40} {mark}{}", if held { "" } else { "  MISSED" });
    }
}
