//! `valet demo`.
use crate::args::DemoArgs;
use std::process::ExitCode;
pub(crate) fn run(_args: &DemoArgs) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
