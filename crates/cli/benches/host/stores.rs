//! Large stores in both programs: the list of a home with very many threads, and taking up a thread of very many items.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;
use valet_protocol::methods::ThreadList;
use valet_protocol::v2;

use crate::pipes::Pipes;
use crate::program::{Host, Program};
use crate::report::{Report, Row, Unit};
use crate::statistics::{median, millis};
use crate::threads::{crowded_home, home_of_long_thread};

const LISTS: usize = 100;
const RESUMES: usize = 5;
/// Of a page that nobody limits.
const PAGE: usize = 25;
const INDEXED_WITHIN: Duration = Duration::from_secs(120);

static INDEX: Row = Row {
    what: "first page of 5,000 threads, index and all",
    how: "From the spawn, in a home that has the threads and no index of them, until `thread/list` answers with a whole \
          page. With `VALET_LONG_TESTS=1` there are 100,000.",
    unit: Unit::Milliseconds,
    ..Row::PLAIN
};
static LIST: Row = Row {
    what: "`thread/list` there",
    how: "The first page, in a host that was started later. Median of 100.",
    unit: Unit::Milliseconds,
    ..Row::PLAIN
};
static RESUME: Row = Row {
    what: "`thread/resume` of 10,000 items",
    how: "A thread of 50 turns that Valet has made, each time in a new host; until the last byte of the answer, which \
          holds all turns. Median of 5.",
    unit: Unit::Milliseconds,
    ..Row::PLAIN
};
static SIZE: Row = Row {
    what: "size of that answer",
    how: "What the programs tell of the same thread is not the same.",
    unit: Unit::KiB,
    ..Row::PLAIN
};

pub(crate) async fn measure(program: &Program, report: &mut Report) -> anyhow::Result<()> {
    list(program, report).await?;
    resume(program, report).await
}

async fn list(program: &Program, report: &mut Report) -> anyhow::Result<()> {
    let home = crowded_home(program.name)?;
    let params = v2::ThreadListParams { model_providers: Some(Vec::new()), ..Default::default() };
    let begin = Instant::now();
    let host = Host::start(program, &home).await?;
    while host.client.request::<ThreadList>(params.clone()).await?.data.len() < PAGE {
        ensure!(begin.elapsed() < INDEXED_WITHIN, "the threads are not found");
    }
    report.put(&INDEX, program, millis(begin.elapsed()));
    host.end().await?;

    let host = Host::start(program, &home).await?;
    host.client.request::<ThreadList>(params.clone()).await?;
    let mut times = Vec::new();
    for _ in 0..LISTS {
        let begin = Instant::now();
        ensure!(host.client.request::<ThreadList>(params.clone()).await?.data.len() == PAGE);
        times.push(begin.elapsed());
    }
    report.put(&LIST, program, millis(median(&times)));
    host.end().await
}

async fn resume(program: &Program, report: &mut Report) -> anyhow::Result<()> {
    let (home, thread) = home_of_long_thread().await?;
    let (mut times, mut size) = (Vec::new(), 0);
    for _ in 0..RESUMES {
        let mut pipes = Pipes::start(program, home.path())?;
        let begin = Instant::now();
        let answer = pipes.ask("thread/resume", &json!({ "threadId": thread }))?;
        times.push(begin.elapsed());
        ensure!(answer.contains("\"turns\""), "no turns: {}", answer.get(..500).unwrap_or(&answer));
        size = answer.len();
    }
    report.put(&RESUME, program, millis(median(&times)));
    report.put(&SIZE, program, size as f64 / 1024.0);
    Ok(())
}
