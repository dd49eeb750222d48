//! How long one piece of a text takes from the backend's bytes to all who listen, through their outbound queues.
//! Run by `just criterion`.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{BenchmarkId, Criterion};
use valet_tests::SteppedTurn;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    // On one thread, so that what is measured is work, and not who wakes whom.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("fan-out");
    for listeners in [1, 8, 64] {
        let mut turn = runtime.block_on(SteppedTurn::start(listeners));
        group.bench_function(BenchmarkId::new("listeners", listeners), |bencher| {
            bencher.iter(|| runtime.block_on(turn.delta()));
        });
        runtime.block_on(turn.end());
    }
    group.finish();
    criterion.final_summary();
}
