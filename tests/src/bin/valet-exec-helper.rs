//! What the hosts of the tests start their commands with: a test program cannot be its own helper.

use std::process::ExitCode;

fn main() -> ExitCode {
    valet_exec::helper_main().unwrap_or(ExitCode::FAILURE)
}
