//! Who was refused too often has to wait. A bucket of ten failures per peer, which leaks one per second. No
//! timer runs, and the memory is bounded, however many addresses an attack comes from. (The limiters of the
//! crate `governor` cannot look without taking, so that they would count good credentials, too.)

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that cost nothing.
const BURST: u32 = 10;
/// What each further one costs.
const COST: Duration = Duration::from_secs(1);
/// Peers that are remembered.
const PEERS: usize = 4096;

/// Who is told apart from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Peer {
    /// A TCP address. Of an IPv6 address the network counts: whoever has one address there has them all.
    Ip(IpAddr),
    /// A user of this machine, by its number: users of a unix socket do not pay for each other.
    #[cfg(unix)]
    User(u32),
}

impl Peer {
    pub(super) fn ip(address: IpAddr) -> Self {
        Self::Ip(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

/// The failures of each peer, as the time when the last of them is forgotten.
#[derive(Debug, Default)]
pub(super) struct Penalties(Mutex<HashMap<Peer, Instant>>);

impl Penalties {
    /// How long the peer has to wait, if it has to.
    pub(super) fn wait(&self, peer: Peer) -> Option<Duration> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&peer)?;
        let owed = until.saturating_duration_since(Instant::now());
        // The next failure must fit into the bucket.
        (owed + COST).checked_sub(COST * BURST).filter(|wait| !wait.is_zero())
    }

    /// Notes a failure.
    pub(super) fn note(&self, peer: Peer) {
        let now = Instant::now();
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= PEERS && !failures.contains_key(&peer) {
            failures.retain(|_, until| *until > now);
            // Still full: the one who owes least has least to gain from being forgotten.
            let least = failures.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer);
            if let Some(least) = least.filter(|_| failures.len() >= PEERS) {
                failures.remove(&least);
            }
        }
        let until = failures.entry(peer).or_insert(now);
        *until = (*until).max(now) + COST;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pretty_assertions::assert_eq;

    use super::{BURST, PEERS, Peer, Penalties};

    fn peer(text: &str) -> Peer {
        Peer::ip(text.parse().unwrap())
    }

    fn fail(penalties: &Penalties, peer: Peer, times: u32) {
        (0..times).for_each(|_| penalties.note(peer));
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_then_each_failure_costs_a_second() {
        let penalties = Penalties::default();
        fail(&penalties, peer("192.0.2.1"), BURST - 1);
        assert_eq!(penalties.wait(peer("192.0.2.1")), None);
        fail(&penalties, peer("192.0.2.1"), 1);
        assert_eq!(penalties.wait(peer("192.0.2.1")), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(penalties.wait(peer("192.0.2.1")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_peer_does_not_pay_for_another() {
        let penalties = Penalties::default();
        fail(&penalties, peer("192.0.2.1"), 50);
        assert_eq!(penalties.wait(peer("192.0.2.2")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_network_are_one_peer_and_mapped_ones_are_ipv4() {
        assert_eq!(peer("2001:db8:1:2::1"), peer("2001:db8:1:2:ffff::9"));
        assert_ne!(peer("2001:db8:1:2::1"), peer("2001:db8:1:3::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attack_from_many_addresses_takes_no_more_memory_and_frees_nobody_who_owes_more() {
        let penalties = Penalties::default();
        fail(&penalties, peer("192.0.2.1"), 50);
        for number in 0..2 * PEERS as u32 {
            fail(&penalties, Peer::ip(std::net::Ipv4Addr::from(0x0a00_0000 + number).into()), 1);
        }
        assert_eq!(penalties.0.lock().unwrap().len(), PEERS);
        assert!(penalties.wait(peer("192.0.2.1")).is_some());
        tokio::time::advance(Duration::from_secs(60)).await;
        fail(&penalties, peer("192.0.2.3"), 1);
        assert_eq!(penalties.0.lock().unwrap().len(), 1);
    }
}
