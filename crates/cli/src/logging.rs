//! Logs and complaints go to stderr; stdout belongs to the protocol. Everything takes the same lane, so a
//! parent that does not read stderr holds up nobody.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::lane::Lane;

/// How long the last lines may take when the program ends. A stderr that nobody reads must not keep it alive.
const LAST_LINES: Duration = Duration::from_millis(200);

/// Begins with the first line, so that a program with nothing to say has no thread for it.
static STDERR: OnceLock<Lane> = OnceLock::new();

/// Starts logging at the level of `VALET_LOG` (else `RUST_LOG`, else `warn`), such as `info` or
/// `warn,valet_server=debug`. Other crates' logs are left out unless they are named: some print headers.
pub(crate) fn start() {
    let wanted = std::env::var("VALET_LOG").or_else(|_| std::env::var("RUST_LOG"));
    let wanted = wanted.ok().and_then(|text| text.parse::<Targets>().ok());
    let targets = match wanted {
        Some(targets) => ours(&targets),
        None => Targets::new().with_default(tracing::level_filters::LevelFilter::WARN),
    };
    let format = tracing_subscriber::fmt::layer()
        .with_writer(|| Stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // They would go to stderr past the lane.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(format).with(targets).init();
    // So would the words of a panic, and the runtime's thread would wait there.
    std::panic::set_hook(Box::new(|panic| {
        let trace = Backtrace::capture();
        match trace.status() {
            BacktraceStatus::Captured => say(format_args!("{panic}\n{trace}")),
            _ => say(panic),
        }
    }));
}

/// The lane as a writer: one call, one line.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        STDERR.get_or_init(|| Lane::to(std::io::stderr())).put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
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

/// Says something to whoever started the program, whatever the log level.
pub(crate) fn say(words: impl Display) {
    let _ = Stderr.write_all(format!("{words}\n").as_bytes());
}

/// Says in one line why the program ends.
pub(crate) fn complain(error: &anyhow::Error) {
    say(format_args!("valet: {error:#}"));
}

/// When dropped, waits for the lines that are still on their way, as long as that is worth it.
pub(crate) struct LastLines;

impl Drop for LastLines {
    fn drop(&mut self) {
        if let Some(lane) = STDERR.get() {
            lane.flush(LAST_LINES);
        }
    }
}
