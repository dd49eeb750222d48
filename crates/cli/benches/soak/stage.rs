//! What all parts of a run share: the goal, the counts, what was found wrong, and where the host is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use valet_store::generator::Dice;

use crate::tokens::Tokens;

/// So many faults are printed as they come.
const PRINTED: usize = 30;
/// So many clients that went silent are kept on their sockets; then the oldest one is dropped.
const SILENT: usize = 32;

/// Where a host is, and which one it is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) generation: u64,
    pub(crate) address: String,
}

/// What clients go on until.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) turns: u64,
    pub(crate) connects: u64,
    pub(crate) until: Option<Instant>,
}

/// The shared part of a run.
pub(crate) struct Stage {
    pub(crate) seed: u64,
    pub(crate) tokens: Tokens,
    /// None while there is no host.
    place: watch::Sender<Option<Place>>,
    goal: Mutex<Goal>,
    turns: watch::Sender<u64>,
    connects: AtomicU64,
    counts: Mutex<BTreeMap<String, u64>>,
    faults: Mutex<Vec<String>>,
    silent: Mutex<Vec<WebSocketStream<TcpStream>>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            tokens: Tokens::default(),
            place: watch::Sender::new(None),
            goal: Mutex::new(Goal { turns: 0, connects: 0, until: None }),
            turns: watch::Sender::new(0),
            connects: AtomicU64::new(0),
            counts: Mutex::default(),
            faults: Mutex::default(),
            silent: Mutex::default(),
        }
    }

    /// The host moves: none while it is dead.
    pub(crate) fn set_place(&self, place: Option<Place>) {
        self.place.send_replace(place);
    }

    /// Waits for a host.
    pub(crate) async fn place(&self) -> Place {
        let mut place = self.place.subscribe();
        loop {
            if let Some(place) = place.borrow_and_update().clone() {
                return place;
            }
            if place.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether this host is no more.
    pub(crate) fn was_killed(&self, generation: u64) -> bool {
        self.place.borrow().as_ref().is_none_or(|place| place.generation != generation)
    }

    pub(crate) fn set_goal(&self, goal: Goal) {
        *lock(&self.goal) = goal;
    }

    /// How many turns the next connection should take, so that the goals of turns and of connects are reached
    /// together; none when they are.
    pub(crate) fn share(&self, dice: &mut Dice) -> Option<u64> {
        let goal = *lock(&self.goal);
        let turns = goal.turns.saturating_sub(*self.turns.borrow());
        let connects = goal.connects.saturating_sub(self.connects.load(Ordering::Relaxed));
        let wait = goal.until.is_some_and(|until| Instant::now() < until);
        match (turns, connects) {
            (0, 0) if !wait => None,
            (0, 0) => Some(dice.below(20)),
            (0, _) => Some(0),
            _ => Some(dice.below(2 * (turns / connects.max(1)).clamp(1, 50) + 1)),
        }
    }

    /// Whether there were turns enough.
    pub(crate) fn has_turns(&self) -> bool {
        let goal = *lock(&self.goal);
        self.turns() >= goal.turns && goal.until.is_none_or(|until| Instant::now() >= until)
    }

    /// A turn was answered.
    pub(crate) fn turn(&self) {
        self.turns.send_modify(|turns| *turns += 1);
    }

    /// A connection stands.
    pub(crate) fn connect(&self) {
        self.connects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn turns(&self) -> u64 {
        *self.turns.borrow()
    }

    pub(crate) fn connects(&self) -> u64 {
        self.connects.load(Ordering::Relaxed)
    }

    /// Waits until so many turns were answered.
    pub(crate) async fn reached(&self, turns: u64) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.turns.subscribe().wait_for(|reached| *reached >= turns).await;
    }

    pub(crate) fn count(&self, what: impl Into<String>) {
        *lock(&self.counts).entry(what.into()).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        lock(&self.counts).clone()
    }

    /// Something that must not be.
    pub(crate) fn fault(&self, what: String) {
        let mut faults = lock(&self.faults);
        if faults.len() < PRINTED {
            println!("FAULT after {} turns: {what}", self.turns());
        }
        faults.push(what);
    }

    pub(crate) fn faults(&self) -> usize {
        lock(&self.faults).len()
    }

    /// Keeps the socket of a client that went silent.
    pub(crate) fn keep_silent(&self, socket: WebSocketStream<TcpStream>) {
        let mut silent = lock(&self.silent);
        if silent.len() == SILENT {
            silent.remove(0);
        }
        silent.push(socket);
    }

    /// Those that went silent are gone at last.
    pub(crate) fn drop_silent(&self) {
        lock(&self.silent).clear();
    }
}
