//! The host: connections, dispatch, outgoing requests and the method handlers.
//!
//! A program can embed a [`Host`] without the binary: give it the end of a
//! [`valet_transport::memory::pair`], and speak the protocol over the other.
//!
//! The way of a request: a connection's reader puts each message into the one event queue; the main loop
//! decides what it is and hands it to its handler (`dispatch`) in the order that its row of the method
//! table declares (`order`); the handler answers through a `Responder`, which sees to it that
//! there is exactly one answer. Events of a turn do not pass the loop: they go from the turn's task straight
//! into the queues of the connections that listen.

mod account;
mod blocking;
pub mod config;
mod connection;
mod context;
mod convert;
mod dispatch;
mod ending;
mod event;
mod handlers;
mod host;
mod main_loop;
mod metrics;
mod notification;
mod order;
mod outgoing;
mod owners;
mod parent_watch;
mod probes;
mod processes;
mod responder;
mod rollout;
mod sandbox;
mod threads;
mod workspace;

pub use config::{Config, ConfigError};
pub use host::{End, Host};
pub use parent_watch::NotAParent;
