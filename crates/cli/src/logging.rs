//! Logs and complaints go to stderr; stdout belongs to the protocol.

use std::io::{IsTerminal, Write};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging at the level of `VALET_LOG` (else `RUST_LOG`, else `warn`), such as `info` or
/// `warn,valet_server=debug`. Other crates' logs are left out unless they are named: some print headers.
pub(crate) fn start() {
    let wanted = std::env::var("VALET_LOG").or_else(|_| std::env::var("RUST_LOG"));
    let wanted = wanted.ok().and_then(|text| text.parse::<Targets>().ok());
    let targets = match wanted {
        Some(targets) => ours(&targets),
        None => Targets::new().with_default(tracing::level_filters::LevelFilter::WARN),
    };
    let format =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(format).with(targets).init();
}

/// A level without a name is meant for our own crates.
fn ours(targets: &Targets) -> Targets {
    const CRATES: [&str; 8] = [
        "valet",
        "valet_agent",
        "valet_auth",
        "valet_client",
        "valet_protocol",
        "valet_server",
        "valet_sim",
        "valet_transport",
    ];
    let named: Targets = targets.iter().map(|(target, level)| (target.to_owned(), level)).collect();
    let Some(level) = targets.default_level() else { return named };
    let named_already: Vec<String> = targets.iter().map(|(target, _)| target.to_owned()).collect();
    CRATES
        .iter()
        .filter(|name| !named_already.iter().any(|known| known == *name))
        .fold(named, |all, name| all.with_target(*name, level))
}

/// Says in one line why the program ends.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "valet: {error:#}");
}
