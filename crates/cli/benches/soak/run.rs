//! The course of a run: a stretch with kills, then one host that is warmed up, measured, soaked and measured again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;
use valet_store::generator::Dice;

use crate::host::{self, Host, Taken};
use crate::ledger::Account;
use crate::report::{self, Findings};
use crate::stage::{Goal, Place, Stage};
use crate::{Args, backend, session, settle};

/// Accounts, each with a client at work.
const ACCOUNTS: usize = 64;
/// Hosts that are killed.
const KILLS: u64 = 5;
/// The part of all turns in which that happens, in percent.
const KILLING: u64 = 30;
/// The part of all turns after which memory is taken for the first time, in percent, and the least: allocators and
/// caches fill first.
const WARM: u64 = 10;
const LEAST_WARM: u64 = 500;
/// A host gives back what is free when no turn has run for 5 s.
const AT_REST: Duration = Duration::from_secs(7);

struct Run {
    stage: Arc<Stage>,
    backend: SocketAddr,
    home: tempfile::TempDir,
    accounts: Vec<Account>,
    host: Option<Host>,
    generation: u64,
    loaded: usize,
}

/// Runs it all; says whether everything held.
pub(crate) async fn run(args: &Args, seed: u64) -> anyhow::Result<bool> {
    let began = Instant::now();
    let stage = Arc::new(Stage::new(seed));
    let home = tempfile::tempdir()?;
    let backend = backend::start(Arc::clone(&stage)).await?;
    host::configure(home.path(), &format!("http://{backend}"))?;
    let dice = |number: usize| Dice(seed ^ ((number as u64 + 1) << 40));
    let accounts = (0..ACCOUNTS).map(|number| Account { number, dice: dice(number), threads: Vec::new() }).collect();
    let mut run = Run { stage, backend, home, accounts, host: None, generation: 0, loaded: 0 };
    let part = |percent| (args.turns * percent / 100, args.connects * percent / 100);

    let (turns, connects) = part(KILLING);
    run.start().await?;
    run.with_kills(Goal { turns, connects, until: None }, &mut Dice(seed)).await?;
    run.quiet().await?;
    run.audit().await;

    let (turns, connects) = part(WARM);
    let (turns, connects) = (run.stage.turns() + turns.max(LEAST_WARM), run.stage.connects() + connects);
    run.soak(Goal { turns, connects, until: None }).await;
    let start = run.quiet().await?;
    let until = Some(began + Duration::from_secs(60 * args.minutes));
    run.soak(Goal { turns: args.turns, connects: args.connects, until }).await;
    let end = run.quiet().await?;
    let children = run.host()?.children();
    run.audit().await;
    run.end().await?;
    let findings = Findings { start, end, loaded: run.loaded, children, kills: KILLS, took: began.elapsed() };
    Ok(report::print(&run.stage, &run.accounts, &findings))
}

impl Run {
    fn host(&self) -> anyhow::Result<&Host> {
        self.host.as_ref().context("a host")
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        let host = Host::start(self.home.path()).await?;
        self.generation += 1;
        self.stage.set_place(Some(Place { generation: self.generation, address: host.address.clone() }));
        self.host = Some(host);
        Ok(())
    }

    /// Every account does something, all at the same time.
    fn begin<F: Future<Output: Send + 'static> + Send + 'static>(
        &mut self,
        what: impl Fn(Arc<Stage>, Account) -> F,
    ) -> JoinSet<F::Output> {
        let accounts = std::mem::take(&mut self.accounts);
        accounts.into_iter().map(|account| what(Arc::clone(&self.stage), account)).collect()
    }

    async fn soak(&mut self, goal: Goal) {
        self.stage.set_goal(goal);
        self.accounts = self.begin(session::live).join_all().await;
    }

    /// The same, and the host is killed at some moments.
    async fn with_kills(&mut self, goal: Goal, dice: &mut Dice) -> anyhow::Result<()> {
        let mut moments: Vec<_> = (0..KILLS).map(|_| 1 + dice.below(goal.turns * 9 / 10)).collect();
        moments.sort_unstable();
        self.stage.set_goal(goal);
        let clients = self.begin(session::live);
        for moment in moments {
            self.stage.reached(moment).await;
            // Whoever loses a connection from here on loses it rightly.
            self.stage.set_place(None);
            let said = self.host.take().context("a host")?.kill().await?;
            self.look_at(said);
            self.start().await?;
        }
        self.accounts = clients.join_all().await;
        Ok(())
    }

    /// Waits until nothing goes on and nothing is loaded, and measures.
    async fn quiet(&mut self) -> anyhow::Result<Taken> {
        self.stage.drop_silent();
        let (accounts, loaded): (_, Vec<usize>) = self.begin(settle::quiet).join_all().await.into_iter().unzip();
        (self.accounts, self.loaded) = (accounts, loaded.iter().sum());
        let began = Instant::now();
        for gauge in ["valet_connections", "valet_turns_running", "valet_server_requests_open", "valet_queue_bytes"] {
            while let value @ 1.. = self.host()?.gauge(gauge).await? {
                if began.elapsed() > Duration::from_secs(5) {
                    self.stage.fault(format!("{gauge} is {value} when nobody is there"));
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        tokio::time::sleep(AT_REST).await;
        self.host()?.taken(self.backend)
    }

    async fn audit(&mut self) {
        self.accounts = self.begin(settle::audit).join_all().await;
    }

    /// Ends the host as its supervisor would.
    async fn end(&mut self) -> anyhow::Result<()> {
        let (status, said) = self.host.take().context("a host")?.end().await?;
        if !status.success() {
            self.stage.fault(format!("the host ended with {status}"));
        }
        self.look_at(said);
        Ok(())
    }

    fn look_at(&self, said: Vec<String>) {
        for line in said {
            if line.contains("panicked") || line.contains("ERROR") {
                self.stage.fault(format!("the host said: {line}"));
            } else {
                self.stage.count("lines that hosts said");
            }
        }
    }
}
