//! What an operator may count. Nothing is counted unless the configuration asks for it, and no label holds
//! anything that belongs to a user.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use valet_agent::TurnOutcome;
use valet_protocol::{ErrorCode, ErrorObject};

/// The upper ends of the buckets for the backend's latency, in seconds.
const LATENCIES: [f64; 12] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// Where things are counted. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(Option<Arc<Counted>>);

#[derive(Debug)]
struct Counted {
    registry: Registry,
    connections: Gauge,
    queue_bytes: Gauge<u64, AtomicU64>,
    server_requests: Gauge,
    requests: Family<Request, Counter>,
    refreshes: Family<Outcome, Counter>,
    turns_running: Gauge,
    turns: Family<Outcome, Counter>,
    upstream: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self(Some(Arc::new(Counted::new())))
    }

    /// A request was answered.
    pub(crate) fn request(&self, method: &'static str, error: Option<&ErrorObject>) {
        if let Some(counted) = &self.0 {
            let outcome = error.map_or("ok", |error| word(error.code));
            counted.requests.get_or_create(&Request { method, outcome }).inc();
        }
    }

    /// So many requests of the host wait for an answer.
    pub(crate) fn server_requests(&self, open: usize) {
        if let Some(counted) = &self.0 {
            counted.server_requests.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
    }

    /// A parent was asked for a new token, and this is what came of it.
    pub(crate) fn refresh(&self, outcome: &'static str) {
        if let Some(counted) = &self.0 {
            counted.refreshes.get_or_create(&Outcome { outcome }).inc();
        }
    }

    /// A turn ended.
    pub(crate) fn turn(&self, outcome: &TurnOutcome<'_>) {
        if let Some(counted) = &self.0 {
            let outcome = match outcome {
                TurnOutcome::Completed => "completed",
                TurnOutcome::Interrupted => "interrupted",
                TurnOutcome::Failed(_) => "failed",
            };
            counted.turns.get_or_create(&Outcome { outcome }).inc();
        }
    }

    /// The model's backend answered after so long.
    pub(crate) fn upstream(&self, latency: Duration) {
        if let Some(counted) = &self.0 {
            counted.upstream.observe(latency.as_secs_f64());
        }
    }

    /// The text for Prometheus; none when nothing is counted.
    pub(crate) fn text(&self, connections: usize, queue_bytes: usize, turns_running: usize) -> Option<String> {
        let counted = self.0.as_ref()?;
        counted.connections.set(i64::try_from(connections).unwrap_or(i64::MAX));
        counted.queue_bytes.set(queue_bytes as u64);
        counted.turns_running.set(i64::try_from(turns_running).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &counted.registry).ok()?;
        Some(text)
    }
}

impl Counted {
    fn new() -> Self {
        let mut counted = Self {
            registry: Registry::with_prefix("valet"),
            connections: Gauge::default(),
            queue_bytes: Gauge::default(),
            server_requests: Gauge::default(),
            requests: Family::default(),
            refreshes: Family::default(),
            turns_running: Gauge::default(),
            turns: Family::default(),
            upstream: Histogram::new(LATENCIES),
        };
        let registry = &mut counted.registry;
        registry.register("connections", "Open connections", counted.connections.clone());
        registry.register_with_unit(
            "queue",
            "What waits to be written to all connections",
            Unit::Bytes,
            counted.queue_bytes.clone(),
        );
        registry.register(
            "server_requests_open",
            "Requests of the host that wait for an answer",
            counted.server_requests.clone(),
        );
        registry.register("requests", "Requests answered, by method and outcome", counted.requests.clone());
        registry.register(
            "refreshes",
            "Times that a parent was asked for a new token, by outcome",
            counted.refreshes.clone(),
        );
        registry.register("turns_running", "Turns that run", counted.turns_running.clone());
        registry.register("turns", "Turns that ended, by outcome", counted.turns.clone());
        registry.register_with_unit(
            "upstream_latency",
            "Time until the model's backend began to answer",
            Unit::Seconds,
            counted.upstream.clone(),
        );
        counted
    }
}

fn word(code: i64) -> &'static str {
    match code {
        code if code == ErrorCode::Overloaded as i64 => "overloaded",
        code if code == ErrorCode::InternalError as i64 => "failed",
        _ => "refused",
    }
}
