//! The host from end to end, over the memory pair and against the sim.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and tells on stderr")]

mod agent;
mod any_script;
#[cfg(unix)]
mod command_exec;
mod control;
mod dialect;
mod ending;
mod failures;
mod files;
mod first_turn;
mod limits;
mod logins;
mod managed;
mod metrics;
mod models;
mod queues;
mod reads;
mod recorded;
mod refresh;
mod replay;
mod sandbox;
mod search;
mod several_accounts;
mod stored;
mod strict;
mod tenants;
mod threads;
mod tools;
