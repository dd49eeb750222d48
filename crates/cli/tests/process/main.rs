//! Tests of the real binary: what depends on a process, its pipes or its sockets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and tells on stderr"
)]

mod canary;
mod codex_python;
mod demo;
mod external_auth_docs;
mod listeners;
mod python_sdk;
mod samples;
#[cfg(unix)]
mod sockets;
mod stdio;
mod support;
mod tenants;
#[cfg(unix)]
mod transports_docs;
mod websocket;
