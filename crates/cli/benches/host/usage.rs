//! What the system says that a process uses. Linux only: elsewhere there is no `/proc`, and these are errors.

use std::time::Duration;

use anyhow::Context;

/// `/proc` counts processor time in these; the kernel promises 100 a second to programs.
const TICK: Duration = Duration::from_millis(10);

/// Resident memory in KiB.
pub(crate) fn resident(process: u32) -> anyhow::Result<f64> {
    memory(process, "status", "VmRSS:")
}

/// Resident memory that no file backs, in KiB.
pub(crate) fn anonymous(process: u32) -> anyhow::Result<f64> {
    memory(process, "smaps_rollup", "Anonymous:")
}

/// Resident memory in KiB, where pages that several processes share are divided among them.
pub(crate) fn proportional(process: u32) -> anyhow::Result<f64> {
    memory(process, "smaps_rollup", "Pss:")
}

/// A number from a line such as `VmRSS:     5120 kB`, in KiB.
fn memory(process: u32, file: &str, name: &str) -> anyhow::Result<f64> {
    let text = read(process, file)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    Ok(value.with_context(|| format!("{file} has no {name}"))?.parse()?)
}

/// The processor time that a process has used, its own and the kernel's for it.
pub(crate) fn processor(process: u32) -> anyhow::Result<Duration> {
    let text = read(process, "stat")?;
    // The name is in parentheses and may hold anything. What follows begins with the third field.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u32 = fields.skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum();
    Ok(TICK * ticks)
}

fn read(process: u32, file: &str) -> anyhow::Result<String> {
    let file = format!("/proc/{process}/{file}");
    std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))
}
