//! One connection, as its user sees it and as its transport serves it.

use crate::inbox::{Inbox, Inlet, inbox};
use crate::outbox::{Outbox, OutboxLimits, Outlet, outbox};

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The host is shutting down.
    ShuttingDown,
    /// The host was asked to start anew.
    Restarting,
    /// The reader stalled until too much was waiting.
    Overloaded,
    /// The other side has left.
    Gone,
}

/// One connection as its user sees it.
#[derive(Debug)]
pub struct Link {
    /// What arrives.
    pub inbox: Inbox,
    /// What leaves.
    pub outbox: Outbox,
}

/// Makes a link and the two ends that a transport serves.
pub fn link(limits: OutboxLimits) -> (Link, Inlet, Outlet) {
    let (inlet, inbox) = inbox();
    let (outbox, outlet) = outbox(limits);
    (Link { inbox, outbox }, inlet, outlet)
}
