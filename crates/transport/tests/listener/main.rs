//! Listeners over real sockets: who is let in, what visitors are told, and what ends a connection.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod connections;
mod guard;
mod health;
mod stalled;
mod support;
#[cfg(unix)]
mod unix;
