//! Streamed text: how many deltas a second pass through one turn and through many, and what they cost.

use std::path::Path;
use std::time::Duration;

use crate::backend::Backend;
use crate::pipes::Pipes;
use crate::program::{Host, Program, home};
use crate::report::{Bound, Report, Row, Unit};
use crate::stand_in::{READY, RELAY};
use crate::statistics::median;
use crate::usage;

const DELTAS: usize = 200_000;
const TURNS: usize = 100;
const DELTAS_OF_EACH: usize = 1_000;
const REPEATS: usize = 3;

static ONE: Row = Row {
    what: "deltas per second, one turn",
    how: "200,000 deltas of one word that the backend sends as fast as they are taken, from `turn/start` until \
          `turn/completed` is read; the client does no more than count lines. Median of 3.",
    unit: Unit::Rate,
    ratio: Some(Bound::AtLeast(10.0)),
    ..Row::PLAIN
};
static NOTIFICATIONS: Row = Row {
    what: "notifications for each of those deltas",
    how: "How many came to the client for each that the backend sent. Fewer than one: while the client was behind, the \
          host joined pieces of the same text.",
    unit: Unit::Times,
    ..Row::PLAIN
};
static RELAYED: Row = Row {
    what: "deltas per second, in those of a relay",
    how: "The program's deltas per second in those of a relay that parses nothing, which passes the same stream on to \
          the same client right afterwards. Median of 3.",
    unit: Unit::Times,
    beside: Some(Bound::AtLeast(0.5)),
    ..Row::PLAIN
};
static PROCESSOR: Row = Row {
    what: "processor time per million deltas, one turn",
    how: "What the host used of the processor during the turn, user and system.",
    unit: Unit::Seconds,
    ratio: Some(Bound::AtMost(1.0 / 10.0)),
    ..Row::PLAIN
};
static MANY: Row = Row {
    what: "deltas per second, 100 turns at once",
    how: "1,000 deltas in each of 100 threads, until the last turn has ended; the client is `valet-client`, which reads \
          each message. Median of 3.",
    unit: Unit::Rate,
    ..Row::PLAIN
};
static MANY_PROCESSOR: Row = Row {
    what: "processor time per million deltas, 100 turns",
    how: "What the host used of the processor during those turns.",
    unit: Unit::Seconds,
    ..Row::PLAIN
};

pub(crate) async fn measure(program: &Program, report: &mut Report) -> anyhow::Result<()> {
    let backend = Backend::start()?;
    let home = home(&backend.base_url)?;
    one(program, &backend, home.path(), report)?;

    backend.stream(DELTAS_OF_EACH);
    let mut host = Host::start(program, home.path()).await?;
    let mut threads = Vec::new();
    for _ in 0..TURNS {
        threads.push(host.thread().await?);
    }
    host.turns(&threads, "the first question").await?;
    let mut runs = Vec::new();
    for _ in 0..REPEATS {
        let before = used(host.id()?);
        let taken = host.turns(&threads, "a question").await?;
        runs.push(Run::of(taken, used(host.id()?) - before, TURNS * DELTAS_OF_EACH));
    }
    report.put(&MANY, program, median_of(&runs, |run| run.rate));
    report.put(&MANY_PROCESSOR, program, median_of(&runs, |run| run.processor));
    host.end().await
}

fn one(program: &Program, backend: &Backend, home: &Path, report: &mut Report) -> anyhow::Result<()> {
    let mut host = Pipes::start(program, home)?;
    let thread = host.thread()?;
    // The first turn makes the HTTP client.
    host.turn(&thread)?;
    backend.stream(DELTAS);
    let mut relay = relay(backend)?;
    let (mut runs, mut quotients) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        let run = stream(&mut host, &thread)?;
        quotients.push(run.rate / stream(&mut relay, "a thread")?.rate);
        runs.push(run);
    }
    report.put(&ONE, program, median_of(&runs, |run| run.rate));
    report.put(&NOTIFICATIONS, program, median_of(&runs, |run| run.notifications));
    report.put(&RELAYED, program, median(&quotients));
    report.put(&PROCESSOR, program, median_of(&runs, |run| run.processor));
    Ok(())
}

/// What the clients, and the client that counts with this backend, can take at most.
pub(crate) async fn limit(report: &mut Report) -> anyhow::Result<()> {
    let backend = Backend::start()?;
    backend.stream(DELTAS);
    let home = home(&backend.base_url)?;
    let ready = Program::stand_in(&[READY, &DELTAS.to_string()])?;
    let rate = stream(&mut Pipes::start(&ready, home.path())?, "a thread")?.rate;
    let how = "Of a host that has its deltas before it is asked, over stdio.";
    report.limit("deltas per second, client that counts", Unit::Rate.show(rate), how);
    let run = stream(&mut relay(&backend)?, "a thread")?;
    let how = "The same with this backend, through a relay that parses nothing.";
    report.limit("deltas per second, relay", Unit::Rate.show(run.rate), how);
    let how = "What that relay used of the processor.";
    report.limit("processor time per million deltas, relay", Unit::Seconds.show(run.processor), how);
    let mut host = Host::start(&ready, home.path()).await?;
    let run = Run::of(host.turn("a thread", "a question").await?, Duration::ZERO, DELTAS);
    let how = "Of the host that has its deltas before it is asked.";
    report.limit("deltas per second, `valet-client`", Unit::Rate.show(run.rate), how);
    host.end().await
}

fn relay(backend: &Backend) -> anyhow::Result<Pipes> {
    let address = backend.base_url.trim_start_matches("http://").trim_end_matches("/v1");
    Pipes::start(&Program::stand_in(&[RELAY, address])?, &std::env::temp_dir())
}

/// What a run shows.
struct Run {
    /// Deltas per second.
    rate: f64,
    /// How many came, for each that was sent.
    notifications: f64,
    /// Seconds per million deltas.
    processor: f64,
}

impl Run {
    fn of((time, came): (Duration, u32), used: Duration, deltas: usize) -> Self {
        let deltas = deltas as f64;
        Self {
            rate: deltas / time.as_secs_f64(),
            notifications: f64::from(came) / deltas,
            processor: used.as_secs_f64() * 1e6 / deltas,
        }
    }
}

fn stream(host: &mut Pipes, thread: &str) -> anyhow::Result<Run> {
    let before = used(host.id());
    let taken = host.turn(thread)?;
    Ok(Run::of(taken, used(host.id()) - before, DELTAS))
}

/// None elsewhere than on Linux.
fn used(process: u32) -> Duration {
    usage::processor(process).unwrap_or_default()
}

fn median_of(runs: &[Run], value: impl Fn(&Run) -> f64) -> f64 {
    median(&runs.iter().map(value).collect::<Vec<_>>())
}
