//! Soak: very many turns over very many connections, with faults, for as long as asked. Run by `just soak`. It fails
//! when memory has grown, when a turn is not accounted for, or when anything is left running. What happens is drawn
//! from a seed; when it happens is not.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod backend;
mod companion;
mod host;
mod ledger;
mod peer;
mod plan;
mod report;
mod run;
mod session;
mod settle;
mod stage;
mod tokens;

use std::process::ExitCode;

use clap::Parser;

/// Drives a host with faults.
#[derive(Debug, Parser)]
struct Args {
    /// Turns to be answered.
    #[arg(long, default_value_t = 100_000)]
    turns: u64,
    /// Connections to be opened.
    #[arg(long, default_value_t = 10_000)]
    connects: u64,
    /// Go on for at least so long.
    #[arg(long, default_value_t = 0)]
    minutes: u64,
    /// Draw the same again.
    #[arg(long)]
    seed: Option<u64>,
    /// What cargo passes.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    // Only `cargo bench` passes this. Test runners come here, too, and must not have to wait.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    // What a process takes, and what belongs to it, is read from /proc.
    if !cfg!(target_os = "linux") {
        println!("soaked on Linux only");
        return Ok(ExitCode::SUCCESS);
    }
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let repeat = format!("--turns {} --connects {} --seed {seed}", args.turns, args.connects);
    println!("valet {}\nmade by: cargo bench -p valet-cli --bench soak -- {repeat}\n", env!("CARGO_PKG_VERSION"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let held = runtime.block_on(run::run(&args, seed))?;
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
