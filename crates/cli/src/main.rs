//! The `valet` binary: arguments, wiring and exit codes; nothing else.

mod allocator;
mod app_server;
mod args;
mod bindings;
mod demo;
mod ending;
mod examples;
mod lane;
mod listen;
mod logging;
mod logins;
#[cfg(test)]
mod pages;
#[cfg(unix)]
mod proxy;
mod redeem;
#[cfg(unix)]
mod run;
mod sim;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    // A command's supervisor is this program again: nothing else may happen in it.
    if let Some(code) = valet_exec::helper_main() {
        return code;
    }
    allocator::set_up();
    let args = Args::parse();
    let _last_lines = logging::LastLines;
    let outcome = match args.command {
        Command::AppServer(args) => app_server::run(*args),
        Command::Sim(args) => sim::run(&args),
        Command::Demo => demo::run(),
        Command::Redeem(args) => redeem::run(&args),
        #[cfg(unix)]
        Command::Run(args) => run::run(&args),
        Command::Logins(command) => logins::run(&command),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            logging::complain(&error);
            ExitCode::FAILURE
        }
    }
}
