//! Logs and complaints go to stderr; stdout belongs to the protocol. Everything takes the same lane, so a
//! parent that does not read stderr holds up nobody.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::lane::Lane;

/// How long the last lines may take when the program ends. A stderr that nobody reads must not keep it alive.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Begins with the first line, so that a program with nothing to say has no thread for it.
static STDERR: OnceLock<Lane> = OnceLock::new();

/// Starts logging at the level of `VALET_LOG` (else `RUST_LOG`, else `warn`), such as `info` or
/// `warn,valet_server=debug`. Other crates' logs are left out unless they are named: some print headers.
pub(crate) fn start() {
    let targets = targets();
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

/// What is to be logged. Words that are no filter leave it at warnings, which say so.
fn targets() -> Targets {
    let usual = Targets::new().with_default(LevelFilter::WARN);
    let said = |variable| Some((variable, std::env::var(variable).ok().filter(|words| !words.is_empty())?));
    let Some((variable, wanted)) = ["VALET_LOG", "RUST_LOG"].into_iter().find_map(said) else { return usual };
    // Elsewhere a word alone may be a crate, and other programs read that variable, too; here it is a mistyped level.
    let is_level = |words: &str| words.contains('=') || words.trim().parse::<LevelFilter>().is_ok();
    match wanted.parse() {
        Ok(targets) if variable != "VALET_LOG" || wanted.split(',').all(is_level) => ours(&targets),
        _ => {
            say(format_args!(
                "valet: {variable}={wanted}: no such level; say off, error, warn, info or debug, or one for each crate, \
                 as in warn,valet_server=debug"
            ));
            usual
        }
    }
}

/// A level without a name is meant for our own crates, whose names begin alike; without one they warn.
fn ours(wanted: &Targets) -> Targets {
    let level = wanted.default_level().unwrap_or(LevelFilter::WARN);
    Targets::new().with_target("valet", level).with_targets(wanted.iter())
}

/// Says something to whoever started the program, whatever the log level.
pub(crate) fn say(words: impl Display) {
    let _ = Stderr.write_all(format!("{words}\n").as_bytes());
}

/// Says in one line why the program ends. Errors that tell their cause by themselves are not told twice.
pub(crate) fn complain(error: &anyhow::Error) {
    let causes = error.chain().map(ToString::to_string);
    let whole = causes.reduce(|told, cause| if told.ends_with(&cause) { told } else { format!("{told}: {cause}") });
    say(format_args!("valet: {}", whole.unwrap_or_default()));
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
