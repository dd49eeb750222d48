//! What was measured, as text: for a terminal, and for `docs/benchmarks.md`, which nobody writes by hand.

use crate::report::Report;
use crate::table::Table;

/// One line for each measure, in columns.
pub(crate) fn lines(report: &Report) -> String {
    let mut text = format!("\n{:<54} {:>14} {:>14} {:>8}  mark\n", "what", "Valet", "reference", "ratio");
    for measure in &report.measures {
        let [valet, reference, ratio, mark] = measure.columns();
        text += &format!("{:<54} {valet:>14} {reference:>14} {ratio:>8}  {mark}\n", measure.row.what);
    }
    for (what, value, _how) in &report.limits {
        text += &format!("{what:<54} {value:>14}\n");
    }
    text
}

/// The page. `facts` say where and of what; `command` is what makes the page again.
pub(crate) fn page(facts: &[(&str, String)], command: &str, report: &Report, table: &Table) -> String {
    let mut text = String::from("<!-- Written by the tool that measures. Not to be edited. -->\n\n# Benchmarks\n\n");
    text += &format!(
        "Valet and the reference, `codex app-server`, side by side: one run, one client, one backend, each program in \
         a fresh home with the same configuration. The reference is its native binary, without the script that npm \
         puts in front of it. Ratios hold for other machines better than times do. Client and backend share the \
         cores with the host. A group of rows that misses a mark is measured again, up to three times; the last time \
         is shown.\n\nMade by `{command}`.\n\n| | |\n|---|---|\n",
    );
    for (name, value) in facts {
        text += &format!("| {name} | {value} |\n");
    }
    text += "\n## Side by side\n\n| what | Valet | reference | ratio | mark | |\n|---|--:|--:|--:|---|---|\n";
    for measure in &report.measures {
        let [valet, reference, ratio, mark] = measure.columns();
        let held = measure.held().map_or("", |held| if held { "held" } else { "**missed**" });
        let mark = mark.trim_end_matches(" MISSED");
        text += &format!("| {} | {valet} | {reference} | {ratio} | {mark} | {held} |\n", measure.row.what);
    }
    text += "\nHow each is measured:\n\n";
    for measure in &report.measures {
        text += &format!("- **{}**: {}\n", measure.row.what, measure.row.how);
    }
    text += "\n## What this bench could measure at most\n\n| what | | how |\n|---|--:|---|\n";
    for (what, value, how) in &report.limits {
        text += &format!("| {what} | {value} | {how} |\n");
    }
    text += "\n## Stored threads, Valet alone\n\nTimes are medians, with the first and the 99th of a hundred.\n\n";
    text += "| what | measured | mark |\n|---|---|---|\n";
    for [what, value, mark] in &table.rows {
        text += &format!("| {what} | {value} | {mark} |\n");
    }
    text
}
