//! Published clients complete their steps against this binary. With `VALET_COMPAT=1`, as `just compat` has it, they
//! are run against the reference too, and a table says how many steps passed on either. The clients' own parts are in
//! `tests/compat`; `.ci/tools.sh` installs what they need, and whoever is not installed is left out.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and tells what it found"
)]

mod clients;
mod host;
mod parent;
mod run;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use crate::host::Host;
use crate::table::Table;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let hosts = Host::all();
    let table = Arc::new(Table::default());
    let mut trials = Vec::new();
    for client in clients::installed() {
        for host in &hosts {
            let (client, host, table) = (client.clone(), host.clone(), Arc::clone(&table));
            let name = format!("{} completes its steps on {}", client.name, host.name);
            trials.push(Trial::test(name, move || {
                let outcome = run::run(&client, &host);
                table.enter(client.name, host.name, &outcome);
                match outcome.verdict() {
                    // The reference is there to be compared with: what it misses is no fault of this binary.
                    Err(why) if host.name == host::REFERENCE => eprintln!("{} on {}: {why}", client.name, host.name),
                    verdict => verdict?,
                }
                Ok(())
            }));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if hosts.len() > 1 {
        print!("{table}");
    }
    conclusion.exit_code()
}
