//! What a listener asks of whoever it listens for.

use futures_util::future::BoxFuture;

/// The answers to `/healthz`, `/readyz` and `/metrics`.
pub trait Probes: Send + Sync + 'static {
    /// Whether the host still turns: a round trip through its main loop.
    fn alive(&self) -> BoxFuture<'_, bool>;

    /// Why no new turns are taken, if they are not. The reason goes into a header, so it is plain ASCII.
    fn ready(&self) -> Result<(), &'static str>;

    /// What was counted, in the text format of Prometheus (OpenMetrics 1.0). `None`: nothing is collected.
    fn metrics(&self) -> Option<String>;
}
