//! `valet demo`: a parent lends a token, the backend refuses it, the parent is asked for another, and the
//! answer streams out. The host is a real child process; the backend is the sim; both sides are shown.

mod narrator;
mod story;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use narrator::Narrator;

/// Exit code 0 only if all of the story happened.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let narrator = Arc::new(Narrator::default());
    let summary = runtime.block_on(story::tell(Arc::clone(&narrator))).context("the demo failed")?;
    summary.print(&narrator);
    summary.check()?;
    Ok(ExitCode::SUCCESS)
}
