//! What Valet costs, beside the reference where that is wanted: `cargo bench -p valet-cli --bench host -- ARGUMENTS`.
//! `compare` measures the reference, too, if it is installed; `write` does so and writes `docs/benchmarks.md`; names of
//! groups leave the others out. A group that misses a mark is measured again, since machines are noisy; fails when it
//! misses one each time.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod backend;
mod deltas;
mod document;
mod machine;
mod memory;
mod pipes;
mod program;
mod refresh;
mod relayed;
mod report;
mod requests;
mod stand_in;
mod start;
mod statistics;
mod stores;
mod table;
mod threads;
mod turns;
mod usage;

use std::process::ExitCode;

use program::Program;
use report::Report;
use table::Table;

const COMMAND: &str = "just benchmarks";
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/benchmarks.md");

/// What is measured of every program, in this order; at last, of Valet, what stored threads cost.
const GROUPS: [&str; 8] = ["start", "requests", "deltas", "turns", "refresh", "memory", "stores", "session"];
const THREADS: &str = "threads";
/// How often a group is measured at most. What was measured last is what is shown.
const ATTEMPTS: usize = 3;

fn main() -> anyhow::Result<ExitCode> {
    if stand_in::play()? {
        return Ok(ExitCode::SUCCESS);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    // Only `cargo bench` passes this. Test runners come here, too, and must not have to wait.
    if !given("--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    let all = !GROUPS.into_iter().chain([THREADS]).any(given);
    let wanted = |name: &str| all || given(name);
    let (compare, write) = (given("compare") || given("write"), given("write"));
    anyhow::ensure!(all || !write, "the page is of everything");

    let mut programs = vec![Program::valet()];
    programs.extend(compare.then(Program::reference).flatten());
    anyhow::ensure!(!write || programs.len() == 2, "the page needs the reference: see `just compat`");
    let mut facts = machine::facts();
    for program in &programs {
        facts.push((program.name, program.version()?));
    }
    facts.iter().for_each(|(name, value)| println!("{name:<10} {value}"));

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (mut report, mut table) = (Report::default(), Table::default());
    runtime.block_on(measure(&programs, &wanted, &mut report, &mut table))?;
    println!("{}", document::lines(&report));
    if write {
        std::fs::write(PAGE, document::page(&facts, COMMAND, &report, &table))?;
    }
    let missed = report.missed() + table.missed;
    println!("{missed} marks missed. The backend and this client share the cores with the host.");
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(
    programs: &[Program],
    wanted: &impl Fn(&str) -> bool,
    report: &mut Report,
    table: &mut Table,
) -> anyhow::Result<()> {
    for group in GROUPS.into_iter().filter(|group| wanted(group)) {
        let missed = report.missed();
        for attempt in 1..=ATTEMPTS {
            measure_group(group, programs, report).await?;
            if report.missed() == missed {
                break;
            }
            println!("{group}: a mark is missed, attempt {attempt} of {ATTEMPTS}");
        }
    }
    if wanted(THREADS) {
        for attempt in 1..=ATTEMPTS {
            *table = Table::default();
            threads::measure(table).await?;
            if table.missed == 0 {
                break;
            }
            println!("{THREADS}: a mark is missed, attempt {attempt} of {ATTEMPTS}");
        }
    }
    Ok(())
}

async fn measure_group(group: &str, programs: &[Program], report: &mut Report) -> anyhow::Result<()> {
    // There is nothing like it in the reference.
    let alone = group == "session";
    for program in programs.iter().filter(|program| program.is_valet() || !alone) {
        println!("measuring {group} of {} ...", program.name);
        match group {
            "start" => start::measure(program, report).await?,
            "requests" => requests::measure(program, report).await?,
            "deltas" => deltas::measure(program, report).await?,
            "turns" => turns::measure(program, report).await?,
            "refresh" => refresh::measure(program, report).await?,
            "memory" => memory::measure(program, report).await?,
            "session" => relayed::measure(program, report).await?,
            _ => stores::measure(program, report).await?,
        }
    }
    match group {
        "requests" => requests::limit(report).await,
        "deltas" => deltas::limit(report).await,
        _ => Ok(()),
    }
}
