//! Messages over stdio, websocket and memory.
//!
//! A message is one JSON text as [`bytes::Bytes`]; this crate never looks inside, so it knows no method.
//! Every transport ends in a [`Link`]: what arrives is read from its [`Inbox`], what leaves is put into its
//! [`Outbox`]. Putting never waits, so whoever reads is never held up by whoever writes.

mod callbacks;
mod delta;
mod inbox;
pub mod lines;
mod link;
pub mod listener;
pub mod memory;
mod outbox;
pub mod stdio;
mod websocket;

pub use callbacks::{Answer, Callbacks};
pub use delta::Delta;
pub use inbox::{Arrival, Inbox, InboxClosed, Inlet};
pub use link::{Close, Link, link};
pub use outbox::{Outbox, OutboxLimits, Outlet};
pub use websocket::{MAX_FRAME_BYTES, MAX_MESSAGE_BYTES};
