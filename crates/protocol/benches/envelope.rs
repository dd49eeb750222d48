//! What it costs to split a message into id, method and raw parameters.
//! Run by `just criterion`.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{BenchmarkId, Criterion, Throughput};
use valet_protocol::jsonrpc::Message;

const REQUEST: &str = r#"{"jsonrpc":"2.0","id":17,"method":"thread/loaded/list","params":{"cursor":null,"limit":25}}"#;
const NOTIFICATION: &str = r#"{"method":"initialized"}"#;
const ANSWER: &str = r#"{"id":"7","result":{"accessToken":"e30.e30.c2ln","chatgptAccountId":"account-1"}}"#;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("envelope");
    let large = request_of(64 * 1024);
    for (what, text) in
        [("request", REQUEST), ("notification", NOTIFICATION), ("answer", ANSWER), ("64 KiB of parameters", &large)]
    {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(what), text.as_bytes(), |bencher, text| {
            bencher.iter(|| {
                Message::parse(text).unwrap();
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

/// A turn with a text of so many bytes, as a person pastes one: lines, quotes and what is not ASCII.
fn request_of(bytes: usize) -> String {
    let text = "let \\\"größe\\\" = 1;\\n".repeat(bytes / 20);
    format!(
        r#"{{"id":1,"method":"turn/start","params":{{"threadId":"t","input":[{{"type":"text","text":"{text}"}}]}}}}"#
    )
}
