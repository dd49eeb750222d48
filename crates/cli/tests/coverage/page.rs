//! `docs/coverage.md`: the comparison in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::clients::{called, callers, instead, why_ours};
use crate::compare::{Comparer, Differences, Kind, Verdict};
use crate::table::{Cell, Presence, Row, Table};

const HEAD: &str = "\
# Coverage

Our bindings against those that the reference, `codex app-server` 0.169.0, generates, experimental ones included: message by message. Written by `just coverage`; do not edit.

## How to read it

What counts is that **a client written for the reference works**. So a verdict compares sets of messages, ours with the reference's:

| Verdict | Of what the server reads: parameters, and answers of clients | Of what it writes: results, notifications, its own requests |
|---|---|---|
| same | up to order, descriptions and the names of types | likewise |
| narrower | less is understood: look at it | less is said: fine |
| wider | more is understood: fine | more is said: look at it |
| other | both | both |
| absent | refused as an unknown method, and nothing else happens | never said |

A verdict in **bold** holds something that may break such a client. The words for the differences behind it:

| Read | |
|---|---|
| **refused** | a value that the reference takes |
| **must be given** | a member that may be left out there |
| not read | a member that is taken, and has no effect |
| also read, also taken, may be left out | more than there |

| Written | |
|---|---|
| **missing**, **may be absent** | a member that is always there in the reference |
| **new** | a value that the reference never says |
| open | anything else may come, passed on from a backend, a file or a client |
| added | a member, which clients pass over |
| never said, always said | less than there |

A type in `code` after \"in\" has differences of its own, which are listed once, below. Not counted: members named `valet`, which are our additions everywhere and left out in strict mode; bounds of numbers; and whether a member that may be null may also be absent, about which the reference's JSON Schema and TypeScript disagree.

TypeScript is the compiler's word on the generated types, of parameters · of the result: to it objects may always have more members, and an absent member is not a null one.

Clients is how many of 19 published ones, the TUI among them, call the method.
";

/// The whole page.
pub(crate) fn page(table: &Table) -> String {
    let mut text = HEAD.to_owned();
    summary(&mut text, table);
    called_and_absent(&mut text, &table.requests);
    text.push_str("\n## Requests\n");
    let mut groups: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &table.requests {
        groups.entry(row.method.split_once('/').map_or("no group", |(group, _)| group)).or_default().push(row);
    }
    let columns = ["Request", "Surface", "Clients", "Parameters", "Result", "TypeScript", "Differences"];
    let requests = Messages { params: &table.reads, results: &table.writes, columns: &columns };
    for (group, rows) in groups {
        let _ = writeln!(text, "\n### {group}\n");
        requests.write(&mut text, rows);
    }
    text.push_str("\n## Requests of the server\n\n");
    let columns = ["Request", "Surface", "Parameters", "Result", "TypeScript", "Differences"];
    Messages { params: &table.writes, results: &table.reads, columns: &columns }
        .write(&mut text, &table.server_requests);
    text.push_str("\n## Notifications of the server\n\n");
    let columns = ["Notification", "Surface", "Parameters", "TypeScript", "Differences"];
    Messages { params: &table.writes, results: &table.reads, columns: &columns }.write(&mut text, &table.notifications);
    text.push_str("\n## Notifications of clients\n\n");
    Messages { params: &table.reads, results: &table.writes, columns: &columns }
        .write(&mut text, &table.client_notifications);
    types(&mut text, "Types that are read", &table.reads);
    types(&mut text, "Types that are written", &table.writes);
    text
}

/// Takes a part of a message: its parameters, or its result.
type Part = fn(&Row) -> Option<&Cell>;

/// How many of each verdict.
fn summary(text: &mut String, table: &Table) {
    text.push_str("\n## Summary\n\n| | same | narrower | wider | other | may break a client | absent | only ours |\n|---|---|---|---|---|---|---|---|\n");
    let parts: [(&str, &[Row], Part, &Comparer); 6] = [
        ("Requests: parameters", &table.requests, |row| row.params.as_ref(), &table.reads),
        ("Requests: results", &table.requests, |row| row.result.as_ref(), &table.writes),
        ("Requests of the server: parameters", &table.server_requests, |row| row.params.as_ref(), &table.writes),
        ("Requests of the server: answers", &table.server_requests, |row| row.result.as_ref(), &table.reads),
        ("Notifications of the server", &table.notifications, |row| row.params.as_ref(), &table.writes),
        ("Notifications of clients", &table.client_notifications, |row| row.params.as_ref(), &table.reads),
    ];
    for (title, rows, cell, comparer) in parts {
        let found: Vec<(Verdict, bool)> =
            rows.iter().filter_map(cell).map(|cell| comparer.verdict(&cell.differences)).collect();
        let _ = write!(text, "| {title} |");
        for verdict in Verdict::ALL {
            let _ = write!(text, " {} |", found.iter().filter(|(found, _)| *found == verdict).count());
        }
        let breaks = found.iter().filter(|(_, breaks)| *breaks).count();
        let count = |presence| rows.iter().filter(|row| row.presence == presence).count();
        let _ = writeln!(text, " {breaks} | {} | {} |", count(Presence::Absent), count(Presence::OnlyOurs));
    }
}

/// What somebody will miss.
fn called_and_absent(text: &mut String, requests: &[Row]) {
    text.push_str("\n## Called by clients and not served\n\n| Clients | Method | Instead |\n|---|---|---|\n");
    let absent = |method: &str| requests.iter().any(|row| row.method == method && row.presence == Presence::Absent);
    for (count, method) in called().filter(|(_, method)| absent(method)) {
        let _ = writeln!(text, "| {count} | `{method}` | {} |", instead(method));
    }
}

/// A table of messages of one sort.
struct Messages<'a> {
    params: &'a Comparer,
    results: &'a Comparer,
    /// The columns that this sort has.
    columns: &'a [&'a str],
}

impl Messages<'_> {
    fn write<'r>(&self, text: &mut String, rows: impl IntoIterator<Item = &'r Row>) {
        let _ = writeln!(text, "| {} |\n|{}", self.columns.join(" | "), "---|".repeat(self.columns.len()));
        for row in rows {
            text.push('|');
            for column in self.columns {
                let _ = write!(text, " {} |", self.cell(row, column));
            }
            text.push('\n');
        }
    }

    fn cell(&self, row: &Row, column: &str) -> String {
        let verdict = |cell: &Option<Cell>, comparer| match (row.presence, cell) {
            (Presence::Absent, _) => "absent".to_owned(),
            (Presence::OnlyOurs, _) => "only ours".to_owned(),
            (Presence::Both, cell) => {
                cell.as_ref().map(|cell| verdict(comparer, &cell.differences)).unwrap_or_default()
            }
        };
        match column {
            "Surface" if row.presence == Presence::OnlyOurs => "ours".to_owned(),
            "Surface" => if row.experimental { "experimental" } else { "stable" }.to_owned(),
            "Clients" => {
                Some(callers(&row.method)).filter(|count| *count > 0).map(|count| count.to_string()).unwrap_or_default()
            }
            "Parameters" => verdict(&row.params, self.params),
            "Result" => verdict(&row.result, self.results),
            "TypeScript" => {
                let words = [&row.params, &row.result].into_iter().flatten().map(|cell| cell.typescript.word());
                words.collect::<Vec<_>>().join(" · ")
            }
            "Differences" if row.presence == Presence::OnlyOurs => why_ours(&row.method).to_owned(),
            "Differences" => self.differences(row),
            _ => format!("`{}`", row.method),
        }
    }

    fn differences(&self, row: &Row) -> String {
        let parts = [("parameters", &row.params, self.params), ("result", &row.result, self.results)];
        let said = parts.into_iter().filter_map(|(title, cell, comparer)| {
            let said = differences_of(comparer, &cell.as_ref()?.differences);
            (!said.is_empty()).then(|| format!("{title}: {said}"))
        });
        said.collect::<Vec<_>>().join("<br>")
    }
}

fn verdict(comparer: &Comparer, differences: &Differences) -> String {
    let (verdict, breaks) = comparer.verdict(differences);
    if breaks { format!("**{}**", verdict.word()) } else { verdict.word().to_owned() }
}

/// All on one line, the gravest first, then the types that differ.
fn differences_of(comparer: &Comparer, differences: &Differences) -> String {
    let mut kinds: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    for (kind, place) in &differences.found {
        kinds.entry(*kind).or_default().push(format!("`{place}`"));
    }
    let mut parts: Vec<String> =
        kinds.into_iter().map(|(kind, places)| format!("{} {}", kind.label(), places.join(", "))).collect();
    let differs = |name: &&String| comparer.verdict(&comparer.types[*name]).0 != Verdict::Same;
    let types: Vec<String> = differences.types.iter().filter(differs).map(|name| format!("`{name}`")).collect();
    parts.extend((!types.is_empty()).then(|| format!("in {}", types.join(", "))));
    parts.join("; ")
}

fn types(text: &mut String, title: &str, comparer: &Comparer) {
    let _ = writeln!(text, "\n## {title}\n\n| Type | Verdict | Differences |\n|---|---|---|");
    for (name, differences) in &comparer.types {
        let verdict = verdict(comparer, differences);
        if verdict != Verdict::Same.word() {
            let _ = writeln!(text, "| `{name}` | {verdict} | {} |", differences_of(comparer, differences));
        }
    }
}
