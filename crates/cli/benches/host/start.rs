//! What there is before anything is asked: the start, the idle memory, the size.

use std::time::Duration;

use valet_protocol::methods::ThreadLoadedList;
use valet_protocol::v2;

use crate::program::{Host, Program, home};
use crate::report::{Bound, Report, Row, Unit};
use crate::statistics::{median, millis};
use crate::usage;

const STARTS: usize = 21;

static START: Row = Row {
    what: "spawn to `initialize`",
    how: "From the spawn of the process until the answer to `initialize` is read, over stdio, in a home that was used \
          before. Median of 21.",
    unit: Unit::Milliseconds,
    ratio: Some(Bound::AtMost(1.0 / 12.0)),
    value: Some(Bound::AtMost(15.0)),
    ..Row::PLAIN
};
static MEMORY: Row = Row {
    what: "idle memory, resident",
    how: "`VmRSS` one second after `initialize` and one more request, of a copy of the program that was written just \
          before: a file that lies in memory in larger pieces has more of it mapped at each touch.",
    unit: Unit::MiB,
    ratio: Some(Bound::AtMost(1.0 / 10.0)),
    value: Some(Bound::AtMost(10.0)),
    ..Row::PLAIN
};
static PROPORTIONAL: Row = Row {
    what: "idle memory, proportional",
    how: "`Pss` at the same moment: shared pages are divided among those who share them.",
    unit: Unit::MiB,
    ..Row::PLAIN
};
static ANONYMOUS: Row = Row {
    what: "idle memory, anonymous",
    how: "`Anonymous` at the same moment: what no file backs.",
    unit: Unit::MiB,
    ..Row::PLAIN
};
static SIZE: Row = Row {
    what: "installed size",
    how: "The binary that serves, and nothing that is installed beside it.",
    unit: Unit::MiB,
    ratio: Some(Bound::AtMost(1.0 / 25.0)),
    // A database is in it.
    value: Some(Bound::AtMost(11.2)),
    ..Row::PLAIN
};

pub(crate) async fn measure(program: &Program, report: &mut Report) -> anyhow::Result<()> {
    let home = home("http://127.0.0.1:9/v1")?;
    // The first one reads the binary from disk, and makes what the program keeps in a home.
    Host::start(program, home.path()).await?.end().await?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let host = Host::start(program, home.path()).await?;
        times.push(host.start);
        host.end().await?;
    }
    report.put(&START, program, millis(median(&times)));

    let size = std::fs::metadata(&program.binary)?.len() as f64;
    report.put(&SIZE, program, size / (1 << 20) as f64);
    if cfg!(target_os = "linux") {
        memory(program, home.path(), report).await?;
    }
    Ok(())
}

async fn memory(program: &Program, home: &std::path::Path, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::start(&program.copied_to(folder.path())?, home).await?;
    host.client.request::<ThreadLoadedList>(v2::ThreadLoadedListParams::default()).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let process = host.id()?;
    report.put(&MEMORY, program, usage::resident(process)? / 1024.0);
    report.put(&PROPORTIONAL, program, usage::proportional(process)? / 1024.0);
    report.put(&ANONYMOUS, program, usage::anonymous(process)? / 1024.0);
    host.end().await
}
