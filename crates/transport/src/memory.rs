//! Two links that end in each other: a host and a client in one process, and the fastest tests.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::link::{Link, OutboxLimits, Outlet, link};

/// A connection within this process.
pub fn pair(limits: OutboxLimits) -> (Link, Link) {
    let (left, to_left, from_left) = link(limits);
    let (right, to_right, from_right) = link(limits);
    tokio::spawn(carry(from_left, to_right));
    tokio::spawn(carry(from_right, to_left));
    (left, right)
}

async fn carry(mut from: Outlet, to: mpsc::Sender<Bytes>) {
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
