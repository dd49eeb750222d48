//! What the host costs: its start, its memory and size, its share of a turn, a delta and a request, and what stored
//! threads add to that. Run by `cargo bench -p valet-cli --bench host`. It fails when a mark is missed.
//! With the argument `threads` the stored threads are all that is measured.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod backend;
mod support;
mod threads;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use valet_protocol::methods::ThreadLoadedList;
use valet_protocol::v2;
use valet_sim::{Chunks, Response, Rule, Script, Sim, TokenPolicy};

use support::{Host, Table, VALET, home, memory_of, ms};

const MADE_BY: &str = "cargo bench -p valet-cli --bench host";

const MARK_START: Duration = Duration::from_millis(15);
const MARK_MEMORY_MIB: f64 = 12.0;
/// A database is in it.
const MARK_SIZE_MIB: f64 = 12.5;

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
    let mut table = Table::default();
    table.head();
    if !std::env::args().any(|argument| argument == "threads") {
        bare(&mut table).await?;
    }
    threads::measure(&mut table).await?;
    println!("\nThe backend of the turns and this client share the cores with the host.");
    Ok(table.missed)
}

/// What there is without a stored thread.
async fn bare(table: &mut Table) -> anyhow::Result<()> {
    let sim = Sim::start(script()).await?;
    let home = home(&sim.base_url())?;
    start_up(home.path(), table).await?;
    memory(home.path(), table).await?;
    size(table)?;
    turns(home.path(), table).await?;
    deltas(home.path(), table).await?;
    requests(home.path(), table).await?;
    sim.shutdown().await;
    Ok(())
}

/// Every turn is answered at once.
fn script() -> Script {
    let many = Response::new().chunks(Chunks::repeat("word ", DELTAS));
    Script::new()
        .tokens(TokenPolicy { anonymous: true, ..TokenPolicy::default() })
        .rule(Rule::when("many deltas").respond(many))
        .rule(Rule::always().respond("Done."))
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
    let resident = memory_of(&host, "status", "VmRSS:")?;
    let shared_out = memory_of(&host, "smaps_rollup", "Pss:")?;
    let anonymous = memory_of(&host, "smaps_rollup", "Anonymous:")?;
    let mark = format!("{MARK_MEMORY_MIB} MiB");
    table.mark("idle memory, resident", &format!("{resident:.1} MiB"), &mark, resident <= MARK_MEMORY_MIB);
    table.row("idle memory, proportional", &format!("{shared_out:.1} MiB"));
    table.row("idle memory, anonymous", &format!("{anonymous:.1} MiB"));
    host.end().await
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
