//! `valet redeem`: the program by which a host has its tokens renewed, for hosts and not for people. From the issuer's
//! answer until it is kept nothing that ends the host ends this.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use valet_auth::store::{CredentialStore, OfAccount, Shelf};
use valet_auth::{HttpClient, Outcome, Redeemer, Redemption};
use valet_server::Config;

use crate::args::ConfigArgs;

/// The name of the command.
const NAME: &str = "redeem";

/// This program, with the configuration of a host: so it is given.
pub(crate) fn program(config: Vec<OsString>) -> std::io::Result<Redeemer> {
    let arguments = std::iter::once(OsString::from(NAME)).chain(config).collect();
    Ok(Redeemer { path: std::env::current_exe()?, arguments })
}

pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    #[cfg(unix)]
    let _deaf = {
        let _context = runtime.enter();
        deaf()?
    };
    let request: Redemption = serde_json::from_reader(std::io::stdin().lock()).context("what is asked for")?;
    let config = Config::load(&valet_server::config::home()?, &args.pairs)?;
    let (issuer, http) = (config.issuer(), HttpClient::default());
    let store: Arc<dyn CredentialStore> = match &request.name {
        Some(name) => Arc::new(OfAccount::new(config.store(), Shelf::of_home(&config.home), name)),
        None => config.store(),
    };
    let redeemed =
        valet_auth::redeem(&*store, &request, |old| runtime.block_on(issuer.refresh(&http, old, request.reason)));
    let outcome = match redeemed {
        Ok(redeemed) => Outcome::Renewed { found: redeemed.found },
        Err(error) => Outcome::Failed(error),
    };
    // The host may be gone by now.
    let _ = serde_json::to_writer(std::io::stdout().lock(), &outcome);
    Ok(ExitCode::SUCCESS)
}

/// Leaves the host's process group and session, and lets pass what asks all processes of a service to end. A request to
/// the issuer has a time limit, so this ends by itself.
#[cfg(unix)]
fn deaf() -> std::io::Result<Vec<tokio::signal::unix::Signal>> {
    use tokio::signal::unix::{SignalKind, signal};

    // It fails where this is the first of its group already, by somebody else's doing.
    let _ = rustix::process::setsid();
    [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].into_iter().map(signal).collect()
}
