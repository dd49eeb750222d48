//! What a turn and a thread cost beyond the model's time: the overhead over the backend, and `thread/start`.

use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::program::{Host, Program, home};
use crate::report::{Bound, Report, Row, Unit};
use crate::statistics::{median, millis, percentile};

const TURNS: usize = 200;
const THREADS: usize = 100;

static MIDDLE: Row = Row {
    what: "overhead of a turn, p50",
    how: "From `turn/start` until the request is with the backend, and from the backend's last byte until \
          `turn/completed` is read. 200 turns in one thread, one after another.",
    unit: Unit::Milliseconds,
    ratio: Some(Bound::AtMost(1.0 / 30.0)),
    ..Row::PLAIN
};
static LATE: Row = Row {
    what: "overhead of a turn, p99",
    how: "What one in a hundred of the same turns is above.",
    unit: Unit::Milliseconds,
    ..Row::PLAIN
};
static FIRST: Row = Row {
    what: "overhead of the first turn",
    how: "The same of the first turn of a host, which makes the HTTP client.",
    unit: Unit::Milliseconds,
    ..Row::PLAIN
};
static THREAD: Row = Row {
    what: "`thread/start`",
    how: "From the request until the answer. Median of 100.",
    unit: Unit::Milliseconds,
    ratio: Some(Bound::AtMost(1.0 / 30.0)),
    ..Row::PLAIN
};

pub(crate) async fn measure(program: &Program, report: &mut Report) -> anyhow::Result<()> {
    let backend = Backend::start()?;
    let home = home(&backend.base_url)?;
    let mut host = Host::start(program, home.path()).await?;
    let thread = host.thread().await?;
    report.put(&FIRST, program, millis(overhead(&mut host, &backend, &thread).await?));
    let mut times = Vec::new();
    for _ in 0..TURNS {
        times.push(overhead(&mut host, &backend, &thread).await?);
    }
    report.put(&MIDDLE, program, millis(median(&times)));
    report.put(&LATE, program, millis(percentile(&times, 99)));

    let mut times = Vec::new();
    for _ in 0..THREADS {
        let begin = Instant::now();
        host.thread().await?;
        times.push(begin.elapsed());
    }
    report.put(&THREAD, program, millis(median(&times)));
    host.end().await
}

/// The time of a turn without the backend's.
async fn overhead(host: &mut Host, backend: &Backend, thread: &str) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    host.turn(thread, "a question").await?;
    let end = Instant::now();
    let seen = backend.seen()?;
    Ok((seen.received - begin) + end.saturating_duration_since(seen.answered))
}
