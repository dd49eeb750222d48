//! The end-to-end test harness: a host, its clients and a backend in one process, over the memory pair.
//!
//! Every message that passes is recorded. When a [`TestClient`] is dropped, the record is checked: each
//! message fits the schema, no request was answered twice, no turn ended twice, and nothing was told of a
//! turn after its end.
#![expect(clippy::expect_used, reason = "a harness fails by panicking")]

mod client;
mod host;
pub mod installed;
mod record;
mod schema;

pub use client::{Asked, Refusal, TestClient, TestTurn};
pub use host::{HostBuilder, TestHost, launcher};
pub use installed::skip;
pub use record::{Direction, Record};
pub use schema::{Shape, misfit};
