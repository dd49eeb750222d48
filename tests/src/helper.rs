//! The helper that hosts in tests start their commands by: a test's own `main` is not ours to begin.

use std::process::ExitCode;

fn main() -> ExitCode {
    valet_exec::helper_main().unwrap_or(ExitCode::FAILURE)
}
