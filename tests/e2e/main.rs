//! The host from end to end, over the memory pair and against the sim.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and tells on stderr")]

mod agent;
mod any_script;
mod control;
mod dialect;
mod ending;
mod failures;
mod files;
mod first_turn;
mod logins;
mod metrics;
mod queues;
mod reads;
mod recorded;
mod refresh;
mod replay;
mod search;
mod strict;
mod tenants;
mod threads;
mod tools;
