//! `valet login`, `logout`, `status` and `accounts`: the logins that a host owns, for a person at a terminal.
//!
//! A login goes through a host in this process and the methods that every client uses; what it brings is kept where
//! the configuration says.

mod accounts;
pub(crate) mod args;
mod carry;
mod login;
mod logout;
mod paste;
mod session;
mod status;
mod times;
mod usage;
mod who;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use valet_auth::store::Shelf;
use valet_server::Config;
use valet_switch::wallet::{Parts, Wallet};

use crate::logging;
pub(crate) use accounts::find;
use args::Command;

pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    logging::start();
    match command {
        Command::Login(args) => login::run(args),
        Command::Logout(args) => logout::run(args),
        Command::Status(args) => status::run(args),
        Command::Accounts(args) => accounts::run(&args.command),
    }
}

/// A line for whoever called.
fn tell(line: impl Display) {
    // Nobody may be reading, and that is the reader's choice.
    let _ = writeln!(anstream::stdout(), "{line}");
}

/// The accounts of a home.
pub(crate) fn wallet(config: &Config) -> Arc<Wallet> {
    Arc::new(Wallet::new(Parts {
        store: config.store(),
        shelf: Shelf::of_home(&config.home),
        rules: config.rules(),
        issuer: config.issuer(),
        http: Arc::default(),
        redeemer: config.redeemer(),
    }))
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(work)
}
