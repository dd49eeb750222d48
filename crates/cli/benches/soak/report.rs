//! The table at the end, and whether each of its lines held.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::host::Taken;
use crate::ledger::{Account, Outcome};
use crate::stage::Stage;

/// Memory may have grown by so much, in percent.
const GROWTH: u64 = 10;
/// Descriptors and threads may differ by so many.
const FEW: usize = 8;

/// What was measured.
pub(crate) struct Findings {
    pub(crate) start: Taken,
    pub(crate) end: Taken,
    /// Threads that nobody listens to.
    pub(crate) loaded: usize,
    pub(crate) children: Vec<String>,
    pub(crate) kills: u64,
    pub(crate) took: Duration,
}

struct Table {
    held: bool,
}

impl Table {
    fn row(what: &str, value: impl std::fmt::Display) {
        println!("{what:<48} {value:>24}");
    }

    fn mark(&mut self, what: &str, value: &str, held: bool) {
        self.held &= held;
        println!("{what:<48} {value:>24}{}", if held { "" } else { "  MISSED" });
    }

    fn memory(&mut self, what: &str, start: u64, end: u64) {
        let mib = |kib: u64| format!("{}.{} MiB", kib >> 10, (kib & 1023) * 10 / 1024);
        let held = end * 100 <= start * (100 + GROWTH);
        self.mark(what, &format!("{} then {}", mib(start), mib(end)), held);
    }
}

/// Prints it, and says whether all of it held.
pub(crate) fn print(stage: &Stage, accounts: &[Account], findings: &Findings) -> bool {
    let mut table = Table { held: true };
    println!();
    for (what, times) in stage.counts() {
        Table::row(&what, times);
    }
    println!();
    let mut outcomes = BTreeMap::<String, u64>::new();
    let turns = accounts.iter().flat_map(|account| &account.threads).flat_map(|thread| &thread.turns);
    for turn in turns {
        *outcomes.entry(name_of(turn.outcome.as_ref())).or_default() += 1;
    }
    let lost = outcomes.remove("unknown").unwrap_or_default();
    for (what, times) in &outcomes {
        Table::row(&format!("turns: {what}"), times);
    }
    let (turns, accounted) = (stage.turns(), outcomes.values().sum::<u64>());
    table.mark("turns answered, and accounted for", &format!("{turns}, {accounted}"), lost == 0 && turns == accounted);
    Table::row("connections", stage.connects());
    Table::row("hosts killed", findings.kills);
    let (start, end) = (findings.start, findings.end);
    table.memory("memory, resident", start.resident_kib, end.resident_kib);
    table.memory("memory, anonymous", start.anonymous_kib, end.anonymous_kib);
    let held = end.descriptors <= start.descriptors + FEW;
    table.mark("descriptors", &format!("{} then {}", start.descriptors, end.descriptors), held);
    let held = end.threads <= start.threads + FEW;
    Table::row("connections to the backend, kept for 90 s", format!("{} then {}", start.pooled, end.pooled));
    table.mark("threads of the host", &format!("{} then {}", start.threads, end.threads), held);
    table.mark("threads left loaded", &findings.loaded.to_string(), findings.loaded == 0);
    table.mark("processes left running", &findings.children.len().to_string(), findings.children.is_empty());
    for child in &findings.children {
        println!("  {child}");
    }
    table.mark("faults", &stage.faults().to_string(), stage.faults() == 0);
    Table::row("took", format!("{} s", findings.took.as_secs()));
    println!("\nMemory is taken when nothing is loaded: after the first turns of the last host, and at its end.");
    println!("To repeat the draw: --seed {}", stage.seed);
    table.held
}

fn name_of(outcome: Option<&Outcome>) -> String {
    match outcome {
        None => "unknown".to_owned(),
        Some(Outcome::Told(end)) => format!("{}, told", end.status),
        Some(Outcome::Found(end)) => format!("{}, found in the store", end.status),
        Some(Outcome::Unstored) => "killed with the host before anything was told".to_owned(),
        Some(Outcome::Gone) => "gone with an ephemeral or deleted thread".to_owned(),
    }
}
