//! Tests of the real binary: what depends on a process, its pipes or its sockets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and tells on stderr"
)]

mod bad_input;
#[cfg(target_os = "linux")]
mod beginner;
#[cfg(target_os = "linux")]
mod both_ways;
mod canary;
mod chat;
#[cfg(target_os = "linux")]
mod commands;
mod demo;
mod docs;
mod external_auth_docs;
mod flood;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod last_commands;
mod listeners;
mod logins;
#[cfg(unix)]
mod managed;
#[cfg(target_os = "linux")]
mod operating_docs;
#[cfg(target_os = "linux")]
mod orphans;
#[cfg(target_os = "linux")]
mod probe;
mod samples;
mod secrets;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod sockets;
#[cfg(target_os = "linux")]
mod stderr;
mod stdio;
#[cfg(target_os = "linux")]
mod stored;
mod support;
#[cfg(target_os = "linux")]
mod switch;
mod tap;
#[cfg(target_os = "linux")]
mod tenants;
#[cfg(unix)]
mod transports_docs;
mod websocket;
