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
mod python_sdk;
mod samples;
mod stdio;
mod support;
mod tenants;
mod websocket;
