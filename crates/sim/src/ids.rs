//! Counted ids: readable, unique within one sim, and the same in every run.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one sim.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    responses: AtomicU64,
    messages: AtomicU64,
    reasoning: AtomicU64,
    calls: AtomicU64,
    chats: AtomicU64,
}

impl Ids {
    /// `resp_1`, `resp_2`, ...
    pub(crate) fn response(&self) -> String {
        next("resp", &self.responses)
    }

    /// `msg_1`, `msg_2`, ...
    pub(crate) fn message(&self) -> String {
        next("msg", &self.messages)
    }

    /// `rs_1`, `rs_2`, ...
    pub(crate) fn reasoning(&self) -> String {
        next("rs", &self.reasoning)
    }

    /// `chatcmpl_1`, `chatcmpl_2`, ...
    pub(crate) fn chat(&self) -> String {
        next("chatcmpl", &self.chats)
    }

    /// The id a script gave a call, or `call_1`, `call_2`, ...
    pub(crate) fn call(&self, given: Option<&String>) -> String {
        given.cloned().unwrap_or_else(|| next("call", &self.calls))
    }
}

fn next(prefix: &str, counter: &AtomicU64) -> String {
    format!("{prefix}_{}", counter.fetch_add(1, Ordering::Relaxed) + 1)
}
