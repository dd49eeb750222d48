//! How often the host asks for memory while it passes on a piece of a text: from the backend's bytes to the messages
//! of those who listen. A program of its own, because everything in it is counted.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use valet_tests::SteppedTurn;

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// For the first listener. Lower it when the count goes down.
const MOST_PER_DELTA: f64 = 10.5;
/// For each further listener.
const MOST_PER_LISTENER: f64 = 1.5;

/// Until what is made once is made, and what grows has grown.
const WARM_UP: usize = 500;
const DELTAS: usize = 2_000;

fn allocations() -> usize {
    let stats = MEMORY.stats();
    stats.allocations + stats.reallocations
}

/// Each delta has reached every listener before the next one is said: nothing is read or written together, so that
/// the count is the highest that there is, and the same each time.
async fn per_delta(listeners: usize) -> f64 {
    let mut turn = SteppedTurn::start(listeners).await;
    for _ in 0..WARM_UP {
        turn.delta().await;
    }
    let before = allocations();
    for _ in 0..DELTAS {
        turn.delta().await;
    }
    let count = allocations() - before;
    turn.end().await;
    count as f64 / DELTAS as f64
}

#[tokio::test]
async fn a_delta_costs_no_more_allocations_than_it_did() {
    let one = per_delta(1).await;
    let more = (per_delta(5).await - one) / 4.0;
    println!("{one:.3} allocations for a delta, {more:.3} for each further listener");
    assert!(one <= MOST_PER_DELTA, "{one:.3} allocations for a delta");
    assert!(more <= MOST_PER_LISTENER, "{more:.3} allocations for each further listener");
}
