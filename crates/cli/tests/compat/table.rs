//! The table: client, steps passed on either host, and the names of those that failed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use crate::host::{REFERENCE, VALET};
use crate::run::Outcome;

/// Filled by tests that run side by side.
#[derive(Default)]
pub(crate) struct Table {
    cells: Mutex<BTreeMap<(&'static str, &'static str), String>>,
}

impl Table {
    /// Says how a client did on a host.
    pub(crate) fn enter(&self, client: &'static str, host: &'static str, outcome: &Outcome) {
        let mut cell = format!("{} of {}", outcome.passed, outcome.planned);
        if !outcome.failed.is_empty() {
            cell += &format!(" (not {})", outcome.failed.join(", "));
        }
        self.cells.lock().unwrap().insert((client, host), cell);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.cells.lock().unwrap();
        let mut clients: Vec<_> = cells.keys().map(|(client, _)| *client).collect();
        clients.dedup();
        let cell = |client, host| cells.get(&(client, host)).map_or("", String::as_str);
        writeln!(f, "| client | {REFERENCE} | {VALET} |\n|---|---|---|")?;
        for client in clients {
            writeln!(f, "| {client} | {} | {} |", cell(client, REFERENCE), cell(client, VALET))?;
        }
        Ok(())
    }
}
