//! What a host keeps in memory for each that it serves: a connection, a tenant, a thread.

use anyhow::Context;
use tempfile::TempDir;
use valet_client::{Client, Notifications};
use valet_protocol::methods::AccountUpdated;
use valet_sim::{Script, Sim, TokenRequest};
use valet_tests::lend;

use crate::backend::Backend;
use crate::program::{Credential, Host, Listening, Program, home, point_at};
use crate::report::{Bound, Report, Row, Unit};
use crate::usage;

/// These come first, so that what is made once is there.
const FIRST: usize = 20;
const CONNECTIONS: usize = 500;
const THREADS: usize = 200;

static CONNECTION: Row = Row {
    what: "memory per idle connection",
    how: "What 500 more websocket connections add to the resident memory, each after `initialize`.",
    unit: Unit::KiB,
    ratio: Some(Bound::AtMost(1.0 / 8.0)),
    ..Row::PLAIN
};
static TENANT: Row = Row {
    what: "memory per idle tenant",
    how: "The same with `--auth-scope connection` and a login on each connection. The reference has one login.",
    unit: Unit::KiB,
    ..Row::PLAIN
};
static THREAD: Row = Row {
    what: "memory per idle thread",
    how: "What 200 more threads add to the resident memory, each after `thread/start`.",
    unit: Unit::KiB,
    ratio: Some(Bound::AtMost(1.0 / 30.0)),
    ..Row::PLAIN
};
static USED_THREAD: Row =
    Row { what: "memory per thread of one turn", how: "The same after a turn in each.", unit: Unit::KiB, ..Row::PLAIN };

pub(crate) async fn measure(program: &Program, report: &mut Report) -> anyhow::Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let house = home("http://127.0.0.1:9/v1")?;
    let host = Listening::start(program, house.path(), &[]).await?;
    report.put(&CONNECTION, program, connections(&host, None).await?);
    host.end().await?;
    if program.is_valet() {
        let sim = Sim::start(Script::text("Done.")).await?;
        let home = lent(&sim)?;
        let host = Listening::start(program, home.path(), &["--auth-scope", "connection"]).await?;
        report.put(&TENANT, program, connections(&host, Some(&sim)).await?);
        host.end().await?;
        sim.shutdown().await;
    }
    threads(program, report).await
}

/// A home whose logins are with the sim.
fn lent(sim: &Sim) -> anyhow::Result<TempDir> {
    let home = tempfile::tempdir()?;
    let lent = Credential::Lent { chatgpt_base_url: &sim.chatgpt_base_url() };
    point_at(home.path(), &sim.base_url(), &lent)?;
    Ok(home)
}

/// What a connection adds, in KiB; with a login where there is a sim to log in to.
async fn connections(host: &Listening, sim: Option<&Sim>) -> anyhow::Result<f64> {
    let (mut open, mut before) = (Vec::new(), 0.0);
    for number in 0..FIRST + CONNECTIONS {
        if number == FIRST {
            before = usage::resident(host.id()?)?;
        }
        let mut connection = host.connect().await?;
        if let Some(sim) = sim {
            log_in(&mut connection, sim, number).await?;
        }
        open.push(connection);
    }
    Ok((usage::resident(host.id()?)? - before) / CONNECTIONS as f64)
}

async fn log_in((client, told): &mut (Client, Notifications), sim: &Sim, number: usize) -> anyhow::Result<()> {
    lend(client, sim, TokenRequest::account(format!("acct-{number}"))).await?;
    told.wait_for::<AccountUpdated>(|_| true).await.context("a login")?;
    Ok(())
}

async fn threads(program: &Program, report: &mut Report) -> anyhow::Result<()> {
    let backend = Backend::start()?;
    let home = home(&backend.base_url)?;
    let mut host = Host::start(program, home.path()).await?;
    let mut threads = Vec::new();
    for _ in 0..FIRST {
        let thread = host.thread().await?;
        host.turn(&thread, "a question").await?;
    }
    let before = usage::resident(host.id()?)?;
    for _ in 0..THREADS {
        threads.push(host.thread().await?);
    }
    let each = |now: f64| (now - before) / THREADS as f64;
    report.put(&THREAD, program, each(usage::resident(host.id()?)?));
    for thread in &threads {
        host.turn(thread, "a question").await?;
    }
    report.put(&USED_THREAD, program, each(usage::resident(host.id()?)?));
    host.end().await
}
