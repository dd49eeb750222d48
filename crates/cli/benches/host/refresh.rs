//! Tokens that are refused: what one refresh adds to a turn, and how often a parent is asked for one token.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;
use valet_protocol::methods::AccountLoginCompleted;
use valet_sim::{Script, Sim, TokenRequest};
use valet_tests::{lend, lender};

use crate::program::{Credential, Host, Program, point_at};
use crate::report::{Bound, Report, Row, Unit};
use crate::statistics::{median, millis};

const TURNS: usize = 30;

static REFUSED: Row = Row {
    what: "a turn with a refresh",
    how: "A turn whose token is refused: 401, the question to the parent, its answer, the turn again. From \
          `turn/start` to `turn/completed`, against the sim. Median of 30.",
    unit: Unit::Milliseconds,
    ..Row::PLAIN
};
static GOOD: Row = Row {
    what: "a turn without one",
    how: "The same with a token that is good, in turns with the former.",
    unit: Unit::Milliseconds,
    ..Row::PLAIN
};
static FEW: Row = Row {
    what: "refresh requests for 16 turns on one expired token",
    how: "How often the parent is asked when 16 threads begin a turn at once with a token that is refused.",
    unit: Unit::Count,
    value: Some(Bound::AtMost(1.0)),
    ..Row::PLAIN
};
static MANY: Row = Row {
    what: "refresh requests for 64 turns on one expired token",
    how: "The same with 64 threads.",
    unit: Unit::Count,
    value: Some(Bound::AtMost(1.0)),
    ..Row::PLAIN
};
static MANY_TIME: Row = Row {
    what: "until those 64 turns have ended",
    how: "From the first `turn/start` until the last `turn/completed`.",
    unit: Unit::Milliseconds,
    ..Row::PLAIN
};

pub(crate) async fn measure(program: &Program, report: &mut Report) -> anyhow::Result<()> {
    let mut parent = Parent::start(program).await?;
    let threads = parent.threads(64).await?;
    parent.host.turn(&threads[0], "a question").await?;
    let (mut good, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        good.push(parent.host.turn(&threads[0], "a question").await?.0);
        refused.push(parent.storm(&threads[..1]).await?.0);
    }
    report.put(&REFUSED, program, millis(median(&refused)));
    report.put(&GOOD, program, millis(median(&good)));
    report.put(&FEW, program, f64::from(parent.storm(&threads[..16]).await?.1));
    let (time, asked) = parent.storm(&threads).await?;
    report.put(&MANY, program, f64::from(asked));
    report.put(&MANY_TIME, program, millis(time));
    parent.host.end().await?;
    parent.sim.shutdown().await;
    Ok(())
}

/// A parent that has lent its host a token.
struct Parent {
    host: Host,
    sim: Sim,
    /// How often it was asked for another one.
    asked: Arc<AtomicU32>,
    _home: TempDir,
}

impl Parent {
    async fn start(program: &Program) -> anyhow::Result<Self> {
        let sim = Sim::start(Script::text("Done.")).await?;
        let home = tempfile::tempdir()?;
        let lent = Credential::Lent { chatgpt_base_url: &sim.chatgpt_base_url() };
        point_at(home.path(), &sim.base_url(), &lent)?;
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let handlers = lender(&sim, move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            TokenRequest::default()
        });
        let mut host = Host::start_with(program, home.path(), handlers).await?;
        lend(&host.client, &sim, TokenRequest::default()).await?;
        // The reference says here that it has failed, because the sim does not speak https, and uses the token.
        host.notifications.wait_for::<AccountLoginCompleted>(|_| true).await.context("a login")?;
        Ok(Self { host, sim, asked, _home: home })
    }

    async fn threads(&self, count: usize) -> anyhow::Result<Vec<String>> {
        let mut threads = Vec::new();
        for _ in 0..count {
            threads.push(self.host.thread().await?);
        }
        Ok(threads)
    }

    /// Turns in all these threads at once, whose token is refused. Returns the time until the last one ended, and how
    /// often the parent was asked.
    async fn storm(&mut self, threads: &[String]) -> anyhow::Result<(Duration, u32)> {
        self.sim.tokens().expire_all();
        self.asked.store(0, Ordering::Relaxed);
        let begin = Instant::now();
        self.host.turns(threads, "a question").await?;
        Ok((begin.elapsed(), self.asked.load(Ordering::Relaxed)))
    }
}
