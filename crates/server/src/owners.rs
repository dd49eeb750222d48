//! Who lends tokens, across reconnects. A connection without a key is an owner of its own; connections with
//! the same key are the same owner, and the latest of them is the one that is asked.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use subtle::ConstantTimeEq;
use tokio::sync::Notify;
use valet_auth::OwnerId;
use valet_protocol::Secret;

use crate::connection::ConnectionId;

/// So many owners that have left may come back. Parents that make up a key for each visit are not remembered for ever.
const REMEMBERED: usize = 4_096;

/// The owners that are connected, and the keys of those that may come back.
#[derive(Default)]
pub(crate) struct Owners {
    state: Mutex<State>,
    arrivals: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    /// The oldest first.
    keys: VecDeque<(Secret, OwnerId)>,
    /// The connections of each owner, the latest last.
    connected: HashMap<OwnerId, Vec<ConnectionId>>,
}

impl Owners {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection, and says who it is.
    pub(crate) fn arrived(&self, connection: ConnectionId, key: Option<&str>) -> OwnerId {
        let mut state = self.state();
        let owner = key.and_then(|key| state.find(key.as_bytes())).unwrap_or_else(|| {
            state.next += 1;
            let owner = OwnerId(state.next);
            if let Some(key) = key {
                state.remember(key, owner);
            }
            owner
        });
        state.connected.entry(owner).or_default().push(connection);
        drop(state);
        self.wake();
        owner
    }

    /// Wakes whoever waits for an [arrival](Owners::arrival).
    pub(crate) fn wake(&self) {
        self.arrivals.notify_waiters();
    }

    /// Forgets a connection.
    pub(crate) fn left(&self, owner: OwnerId, connection: ConnectionId) {
        let connected = &mut self.state().connected;
        if let Entry::Occupied(mut connections) = connected.entry(owner) {
            connections.get_mut().retain(|known| *known != connection);
            if connections.get().is_empty() {
                connections.remove();
            }
        }
    }

    /// The connection to ask, if the owner is there.
    pub(crate) fn connection(&self, owner: OwnerId) -> Option<ConnectionId> {
        self.state().connected.get(&owner)?.last().copied()
    }

    /// Resolves when somebody arrives after this call, or comes to listen to a thread: who listens can stand in for an
    /// owner.
    pub(crate) fn arrival(&self) -> impl Future<Output = ()> {
        // The future counts as waiting from here on, not from its first poll.
        self.arrivals.notified()
    }
}

impl State {
    fn remember(&mut self, key: &str, owner: OwnerId) {
        self.keys.push_back((Secret::new(key), owner));
        if self.keys.len() > REMEMBERED {
            let gone = self.keys.iter().position(|(_, owner)| !self.connected.contains_key(owner));
            gone.and_then(|oldest| self.keys.remove(oldest));
        }
    }

    /// Compares with every key in full, so that the time it takes tells nothing.
    fn find(&self, key: &[u8]) -> Option<OwnerId> {
        let mut found = None;
        for (known, owner) in &self.keys {
            if bool::from(known.expose().as_bytes().ct_eq(key)) {
                found = Some(*owner);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{OwnerId, Owners, REMEMBERED};
    use crate::connection::ConnectionId;
    use pretty_assertions::assert_eq;

    #[test]
    fn the_keys_of_those_who_left_long_ago_are_forgotten_and_no_others() {
        let owners = Owners::default();
        let stays = owners.arrived(ConnectionId(0), Some("it stays"));
        for visitor in 1..=2 * REMEMBERED as u64 {
            // One that has left. To arrive would be to be compared with all others, which takes its time.
            owners.state().remember(&format!("visit {visitor}"), OwnerId(stays.0 + visitor));
        }
        assert_eq!(owners.state().keys.len(), REMEMBERED);
        assert_eq!(owners.arrived(ConnectionId(u64::MAX), Some("it stays")), stays);
    }

    #[test]
    fn a_connection_with_the_same_key_is_the_same_owner_and_the_latest_is_asked() {
        let owners = Owners::default();
        let first = owners.arrived(ConnectionId(1), Some("a key of sixteen"));
        assert_eq!(owners.arrived(ConnectionId(2), Some("a key of sixteen")), first);
        assert!(owners.arrived(ConnectionId(3), Some("another key of 16")) != first);
        assert!(owners.arrived(ConnectionId(4), None) != owners.arrived(ConnectionId(5), None));
        assert_eq!(owners.connection(first), Some(ConnectionId(2)));
        owners.left(first, ConnectionId(2));
        assert_eq!(owners.connection(first), Some(ConnectionId(1)));
        owners.left(first, ConnectionId(1));
        assert_eq!(owners.connection(first), None);
        assert_eq!(owners.arrived(ConnectionId(6), Some("a key of sixteen")), first);
    }
}
