//! Two links that end in each other: a host and a client in one process, and the fastest tests.

use crate::inbox::Inlet;
use crate::link::{Link, link};
use crate::outbox::{OutboxLimits, Outlet};

/// A connection within this process.
pub fn pair(limits: OutboxLimits) -> (Link, Link) {
    let (left, to_left, from_left) = link(limits);
    let (right, to_right, from_right) = link(limits);
    tokio::spawn(carry(from_left, to_right));
    tokio::spawn(carry(from_right, to_left));
    (left, right)
}

async fn carry(mut from: Outlet, to: Inlet) {
    loop {
        let messages = tokio::select! {
            messages = from.next() => messages,
            () = to.closed() => return,
        };
        let Ok(messages) = messages else { return };
        for message in messages {
            if to.send(message).await.is_err() {
                return;
            }
        }
    }
}
