//! Simple requests: how many a second, over stdio and over a websocket.

use std::time::Instant;

use serde_json::json;
use valet_client::Client;
use valet_protocol::methods::ThreadLoadedList;
use valet_protocol::{ClientRequestMethod, v2};

use crate::pipes::Pipes;
use crate::program::{Host, Listening, Program, home};
use crate::report::{Bound, Report, Row, Unit};
use crate::stand_in::READY;
use crate::statistics::median;
use crate::usage;

const ROUND_TRIPS: usize = 2_000;
const REQUESTS: usize = 100_000;
const METHOD: &str = ThreadLoadedList::METHOD;
const IN_FLIGHT: usize = 64;
const REPEATS: usize = 3;

static ONE: Row = Row {
    what: "a request's round trip, stdio",
    how: "`thread/loaded/list`, the next one after the answer to the last. Median of 2,000.",
    unit: Unit::Microseconds,
    ..Row::PLAIN
};
static STDIO: Row = Row {
    what: "requests per second, stdio",
    how: "`thread/loaded/list` 100,000 times over one connection, 64 of them unanswered at any time; the client does no \
          more than count answers. Median of 3.",
    unit: Unit::Rate,
    ratio: Some(Bound::AtLeast(8.0)),
    ..Row::PLAIN
};
static PROCESSOR: Row = Row {
    what: "processor time per request, stdio",
    how: "What the host used of the processor during the same, user and system, by the number of requests.",
    unit: Unit::Microseconds,
    ..Row::PLAIN
};
static WEBSOCKET: Row = Row {
    what: "requests per second, websocket",
    how: "The same over a websocket; the client is `valet-client`, which reads each answer.",
    unit: Unit::Rate,
    ..Row::PLAIN
};

pub(crate) async fn measure(program: &Program, report: &mut Report) -> anyhow::Result<()> {
    let home = home("http://127.0.0.1:9/v1")?;
    let host = Host::start(program, home.path()).await?;
    let mut times = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let begin = Instant::now();
        ask(&host.client).await?;
        times.push(begin.elapsed());
    }
    report.put(&ONE, program, median(&times).as_secs_f64() * 1e6);
    host.end().await?;

    let mut host = Pipes::start(program, home.path())?;
    let (mut rates, mut used) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        let before = usage::processor(host.id()).unwrap_or_default();
        rates.push(count(&mut host)?);
        used.push((usage::processor(host.id()).unwrap_or_default() - before).as_secs_f64());
    }
    report.put(&STDIO, program, median(&rates));
    report.put(&PROCESSOR, program, median(&used) * 1e6 / REQUESTS as f64);
    drop(host);

    let host = Listening::start(program, home.path(), &[]).await?;
    let (client, _notifications) = host.connect().await?;
    report.put(&WEBSOCKET, program, flood(&client).await?);
    host.end().await
}

/// What the clients can ask at most.
pub(crate) async fn limit(report: &mut Report) -> anyhow::Result<()> {
    let home = home("http://127.0.0.1:9/v1")?;
    let ready = Program::stand_in(&[READY, "0"])?;
    let rate = count(&mut Pipes::start(&ready, home.path())?)?;
    let how = "Of a host that has its answer before it is asked, over stdio.";
    report.limit("requests per second, client that counts", Unit::Rate.show(rate), how);
    let host = Host::start(&ready, home.path()).await?;
    report.limit("requests per second, `valet-client`", Unit::Rate.show(flood(&host.client).await?), how);
    host.end().await
}

/// Requests per second of a client that counts answers.
fn count(host: &mut Pipes) -> anyhow::Result<f64> {
    // With its answer, what was told before it is out of the way.
    host.ask(METHOD, &json!({}))?;
    Ok(REQUESTS as f64 / host.flood(METHOD, REQUESTS, IN_FLIGHT)?.as_secs_f64())
}

async fn ask(client: &Client) -> anyhow::Result<()> {
    client.request::<ThreadLoadedList>(v2::ThreadLoadedListParams::default()).await?;
    Ok(())
}

/// Requests per second of a client that reads answers.
async fn flood(client: &Client) -> anyhow::Result<f64> {
    let mut rates = Vec::new();
    for _ in 0..REPEATS {
        let begin = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..IN_FLIGHT {
            let client = client.clone();
            tasks.spawn(async move {
                for _ in 0..REQUESTS / IN_FLIGHT {
                    ask(&client).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        let count = REQUESTS / IN_FLIGHT * IN_FLIGHT;
        rates.push(count as f64 / begin.elapsed().as_secs_f64());
    }
    Ok(median(&rates))
}
