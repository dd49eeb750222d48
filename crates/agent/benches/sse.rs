//! What it costs to read the deltas of a response, from the bytes to the text of each.
//! Run by `just criterion`.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use futures_util::stream;
use valet_agent::{Usage, fuzzing};

const DELTAS: usize = 1_000;
/// About what a connection hands over at a time, when the backend is ahead.
const CHUNK_BYTES: usize = 16 * 1024;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut group = criterion.benchmark_group("sse");
    group.throughput(Throughput::Elements(DELTAS as u64));
    let events: Vec<Bytes> = (0..DELTAS).map(|number| delta(number).into()).collect();
    let whole = Bytes::from(events.concat());
    let chunks = whole.chunks(CHUNK_BYTES).map(|chunk| whole.slice_ref(chunk)).collect();
    for (what, chunks) in [("one delta at a time", events), ("16 KiB at a time", chunks)] {
        group.bench_function(BenchmarkId::from_parameter(what), |bencher| {
            bencher.iter_batched(|| chunks.clone(), |chunks| runtime.block_on(read(chunks)), BatchSize::LargeInput);
        });
    }
    group.finish();
    criterion.final_summary();
}

/// One delta, as the backend writes it.
fn delta(number: usize) -> String {
    format!(
        "event: response.output_text.delta\n\
         data: {{\"type\":\"response.output_text.delta\",\"content_index\":0,\"delta\":\" word\\n\",\
         \"item_id\":\"msg_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b\",\"logprobs\":[],\
         \"obfuscation\":\"Rm7Y0PmLe\",\"output_index\":0,\"sequence_number\":{number}}}\n\n"
    )
}

async fn read(chunks: Vec<Bytes>) {
    let (events, end) = fuzzing::stream(stream::iter(chunks)).await;
    assert!(end.is_ok() && events.len() == DELTAS);
    let mut used = Usage::default();
    events.iter().for_each(|event| fuzzing::event(event, &mut used));
}
