//! The end-to-end test harness: a host, its clients and a backend in one process, over the memory pair.
//!
//! Every message that passes is recorded. When a [`TestClient`] is dropped, the record is checked: each
//! message fits the schema, no request was answered twice, no turn ended twice, and nothing was told of a
//! turn after its end.
#![expect(clippy::expect_used, reason = "a harness fails by panicking")]

#[cfg(feature = "harness")]
mod client;
#[cfg(feature = "harness")]
mod host;
pub mod installed;
mod lender;
mod ports;
#[cfg(feature = "harness")]
mod record;
#[cfg(feature = "harness")]
mod schema;
#[cfg(feature = "harness")]
mod stepped;
pub mod transcript;

#[cfg(feature = "harness")]
pub use client::{Asked, Refusal, TestClient, TestTurn};
#[cfg(feature = "harness")]
pub use host::{HostBuilder, TestHost, launcher};
pub use installed::skip;
pub use lender::{lend, lender};
pub use ports::login_ports;
#[cfg(feature = "harness")]
pub use record::{Direction, Record};
#[cfg(feature = "harness")]
pub use schema::{Shape, misfit};
#[cfg(feature = "harness")]
pub use stepped::SteppedTurn;
