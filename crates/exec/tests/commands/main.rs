//! Tests of real commands. The program is its own helper and its own host to be killed, so it has a `main` of its
//! own, and each module lists its tests.
#![cfg_attr(unix, expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program"))]

#[cfg(target_os = "linux")]
mod attempts;
#[cfg(unix)]
mod basics;
#[cfg(target_os = "linux")]
mod confined;
#[cfg(unix)]
mod harness;
#[cfg(target_os = "macos")]
mod seatbelt;
#[cfg(unix)]
mod streams;
#[cfg(unix)]
mod trees;

/// The commands that are tried are those of Unix.
#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    if let Some(code) = valet_exec::helper_main() {
        return code;
    }
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        #[cfg(target_os = "linux")]
        Some(attempts::ROLE) => return attempts::main(arguments),
        Some(trees::HOST) => return trees::host_main(arguments),
        Some(trees::POWERLESS) => return trees::powerless_main(),
        _ => {}
    }
    let mut tests = basics::tests();
    tests.extend(streams::tests());
    tests.extend(trees::tests());
    #[cfg(target_os = "linux")]
    tests.extend(confined::tests());
    #[cfg(target_os = "linux")]
    tests.extend(confined::hidden::tests());
    #[cfg(target_os = "macos")]
    tests.extend(seatbelt::tests());
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), tests).exit_code()
}
