//! `valet sim`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::anyhow;
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
        let sim = Sim::builder().port(args.port).script(script).start().await;
        let sim = sim.map_err(|error| {
            anyhow!("cannot listen on 127.0.0.1:{}: {error}; take another --port (0: any free one)", args.port)
        })?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "listening on {}", sim.origin())?;
        stdout.flush()?;
        signals.next().await;
        sim.shutdown().await;
        Ok(ExitCode::SUCCESS)
    })
}
