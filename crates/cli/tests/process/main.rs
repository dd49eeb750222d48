//! Tests of the real binary: what depends on a process, its pipes or its sockets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and tells on stderr"
)]

mod bad_input;
mod canary;
mod codex_python;
mod demo;
mod external_auth_docs;
mod flood;
#[cfg(target_os = "linux")]
mod idle;
mod listeners;
#[cfg(target_os = "linux")]
mod orphans;
#[cfg(target_os = "linux")]
mod probe;
mod python_sdk;
mod samples;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod sockets;
#[cfg(target_os = "linux")]
mod stderr;
mod stdio;
mod support;
mod tenants;
#[cfg(unix)]
mod transports_docs;
#[cfg(unix)]
mod tui;
mod websocket;
