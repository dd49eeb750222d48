//! Logs and complaints go to stderr; stdout belongs to the protocol. Everything takes the same lane, so a
//! parent that does not read stderr holds up nobody.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
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
    let wanted = wanted.ok().map(|text| text.parse::<Targets>());
    let targets = match &wanted {
        Some(Ok(targets)) => ours(targets),
        _ => ours(&Targets::new().with_default(LevelFilter::WARN)),
    };
    let format = tracing_subscriber::fmt::layer()
        .with_writer(|| Stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // They would go to stderr past the lane.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(format).with(targets).init();
    if let Some(Err(error)) = wanted {
        tracing::warn!(%error, "the level of the log is not understood, so it is warn");
    }
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

/// A level without a name is meant for our own crates: all their names begin with that of the binary.
fn ours(targets: &Targets) -> Targets {
    const NAME: &str = "valet";
    let named: Targets = targets.iter().map(|(target, level)| (target.to_owned(), level)).collect();
    match targets.default_level() {
        Some(level) if targets.iter().all(|(target, _)| target != NAME) => named.with_target(NAME, level),
        _ => named,
    }
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

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::filter::Targets;

    #[test]
    fn a_level_without_a_name_is_for_all_of_our_crates_and_for_no_other() {
        let enables = |wanted: &str, target: &str, level| {
            super::ours(&wanted.parse::<Targets>().unwrap()).would_enable(target, &level)
        };
        for target in ["valet", "valet_server::main_loop", "valet_store", "valet_switch"] {
            assert!(enables("info", target, Level::INFO) && !enables("info", target, Level::DEBUG), "{target}");
        }
        assert!(!enables("debug", "hyper", Level::ERROR));
        assert!(enables("warn,hyper=info", "hyper", Level::INFO));
        assert!(enables("warn,valet_store=debug", "valet_store::index", Level::DEBUG));
        assert!(!enables("warn,valet_store=debug", "valet_server", Level::INFO));
        assert!(enables("valet=info,error", "valet_server", Level::INFO));
        assert!(!enables("off", "valet_server", Level::ERROR));
    }
}
