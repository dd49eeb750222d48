//! What it costs to write the body of a request, which carries the whole conversation.
//! Run by `just criterion`.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use reqwest::header::HeaderMap;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use valet_agent::{Approvals, Past, Provider, Retries, Settings, Surroundings, Wire, fuzzing};
use valet_exec::Sandbox;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let settings = settings();
    let mut group = criterion.benchmark_group("history body");
    for items in [100, 1_000, 10_000] {
        let past = past(items);
        let bytes = fuzzing::body(&settings, &past).unwrap().len();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::new("items", items), &past, |bencher, past| {
            bencher.iter(|| fuzzing::body(&settings, past).unwrap());
        });
    }
    group.finish();
    criterion.final_summary();
}

/// A conversation of calls and their outputs, about 500 bytes each.
fn past(items: usize) -> Past {
    let mut past = Past::default();
    for number in 0..items {
        let call_id = format!("call_{}", number / 2);
        let item = if number % 2 == 0 {
            let arguments = json!({ "cmd": format!("sed -n {number},200p src/{}.rs", "folder/".repeat(40)) });
            json!({ "type": "function_call", "call_id": call_id, "name": "exec_command", "arguments": arguments.to_string() })
        } else {
            let output = "fn main() {\n    println!(\"größe\");\n}\n".repeat(11);
            json!({ "type": "function_call_output", "call_id": call_id, "output": output })
        };
        past.item(Arc::<RawValue>::from(to_raw_value(&item).unwrap()));
    }
    past
}

fn settings() -> Settings {
    let provider = Provider {
        id: "local".to_owned(),
        wire: Wire::Responses,
        base_url: "http://backend/v1".to_owned(),
        query: BTreeMap::new(),
        headers: HeaderMap::new(),
        models_url: None,
        retries: Retries::Together(0),
        stream_idle_timeout: Duration::from_secs(60),
        key: None,
    };
    let surroundings = Surroundings {
        cwd: "/folder".to_owned(),
        shell: "bash".to_owned(),
        sandbox: String::new(),
        approvals: String::new(),
        mode: None,
    };
    Settings {
        model: "gpt-5.5".to_owned(),
        provider: Arc::new(provider),
        effort: None,
        summary: None,
        verbosity: None,
        service_tier: None,
        output_schema: None,
        base_instructions: None,
        developer_instructions: None,
        surroundings,
        home: "home".into(),
        approvals: Approvals::Never,
        sandbox: Sandbox::None,
        environment: Arc::default(),
        client_tools: Arc::default(),
        plan_mode: false,
        compact_at: None,
    }
}
