//! `valet sim`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use valet_sim::{Script, Sim};

use crate::args::SimArgs;
use crate::ending::Signals;
use crate::logging;

pub(crate) fn run(args: &SimArgs) -> anyhow::Result<ExitCode> {
    logging::start();
    let script = args.script.as_deref().map(Script::load).transpose()?.unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Heard before anybody can know that it is there.
        let mut signals = Signals::new();
        let sim = Sim::builder().port(args.port).script(script).start().await.context("cannot start the sim")?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "listening on {}", sim.origin())?;
        stdout.flush()?;
        signals.next().await;
        sim.shutdown().await;
        Ok(ExitCode::SUCCESS)
    })
}
