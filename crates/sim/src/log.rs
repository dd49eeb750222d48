//! The record of what clients sent and how it ended, and a way to wait for it.
//! Bearer tokens are kept for comparisons and are never printed or serialised.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex},
};

use serde::{Serialize, Serializer};
use serde_json::Value;
use tokio::sync::watch;

use crate::{http::is_model_path, playback, shared::lock};

/// One request, as it stands now: [`status`](Self::status) and [`outcome`](Self::outcome) follow
/// later than the rest.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedRequest {
    /// Position in the order of arrival, from 1.
    pub seq: u64,
    /// The method, in upper case.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers by lower-case name, without `authorization`: see [`bearer`](Self::bearer).
    pub headers: BTreeMap<String, String>,
    /// The body, decoded from JSON or a form; null when there is none or it is something else.
    /// Members that are secrets of a login are [`fingerprint`]s.
    pub body: Value,
    /// The status answered; `None` until the answer begins.
    pub status: Option<u16>,
    /// How the answer ended.
    pub outcome: Outcome,
    /// Index of the rule that answered; `None` for the greeting and for everything but turns.
    pub rule: Option<usize>,
    /// The bearer token. Serialised and debug-printed as its [`fingerprint`].
    #[serde(serialize_with = "serialize_bearer")]
    pub bearer: Option<String>,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It has not ended.
    Pending,
    /// It was sent to its end.
    Finished,
    /// The script (or the end of the sim) cut it.
    Cut,
    /// The client went away before its end.
    Abandoned,
}

impl RecordedRequest {
    /// Whether this is a turn: a request to the model.
    #[must_use]
    pub fn is_turn(&self) -> bool {
        self.method == "POST" && is_model_path(self.path_only())
    }

    /// The path without its query.
    #[must_use]
    pub fn path_only(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// A header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The text of the last user message, as rules see it.
    #[must_use]
    pub fn user_text(&self) -> String {
        playback::last_user_text(&self.body)
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest")
            .field("seq", &self.seq)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .field("status", &self.status)
            .field("outcome", &self.outcome)
            .field("rule", &self.rule)
            .field("bearer", &self.bearer.as_deref().map(fingerprint))
            .finish()
    }
}

fn serialize_bearer<S: Serializer>(bearer: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    bearer.as_deref().map(fingerprint).serialize(serializer)
}

/// A short name for a secret: the first 8 hexadecimal digits of its 64-bit FNV-1a hash.
#[must_use]
pub fn fingerprint(secret: &str) -> String {
    let hash = secret
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{:08x}", hash >> 32)
}

/// The requests in order of arrival, the oldest dropped beyond a limit.
#[derive(Debug)]
pub(crate) struct RequestLog {
    entries: Mutex<Entries>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Entries {
    next_seq: u64,
    limit: usize,
    kept: VecDeque<RecordedRequest>,
}

impl RequestLog {
    pub(crate) fn new(limit: usize) -> Self {
        let entries = Entries { next_seq: 1, limit: limit.max(1), kept: VecDeque::new() };
        Self { entries: Mutex::new(entries), changed: watch::Sender::new(()) }
    }

    /// Records an arrival. The ticket follows the answer; dropping it early means that the client
    /// went away.
    pub(crate) fn open(self: &Arc<Self>, mut request: RecordedRequest) -> Ticket {
        let mut entries = lock(&self.entries);
        let seq = entries.next_seq;
        entries.next_seq += 1;
        request.seq = seq;
        if entries.kept.len() == entries.limit {
            entries.kept.pop_front();
        }
        entries.kept.push_back(request);
        drop(entries);
        self.changed.send_replace(());
        Ticket { log: Arc::clone(self), seq, ended: false }
    }

    pub(crate) fn snapshot(&self) -> Vec<RecordedRequest> {
        lock(&self.entries).kept.iter().cloned().collect()
    }

    /// The matching requests, as soon as there are `count` of them.
    pub(crate) async fn wait_for(
        &self,
        matches: impl Fn(&RecordedRequest) -> bool,
        count: usize,
    ) -> Vec<RecordedRequest> {
        let mut changed = self.changed.subscribe();
        loop {
            let found: Vec<_> = {
                let entries = lock(&self.entries);
                entries.kept.iter().filter(|request| matches(request)).cloned().collect()
            };
            // The sender lives in `self`, so waiting cannot fail.
            if found.len() >= count || changed.changed().await.is_err() {
                return found;
            }
        }
    }

    fn update(&self, seq: u64, change: impl FnOnce(&mut RecordedRequest)) {
        let mut entries = lock(&self.entries);
        // Sequence numbers are contiguous, so the position follows from the first one kept.
        let first = entries.kept.front().map_or(seq, |request| request.seq);
        let index = seq.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(request) = index.and_then(|index| entries.kept.get_mut(index)) {
            change(request);
        }
        drop(entries);
        self.changed.send_replace(());
    }
}

/// Follows one answer.
#[derive(Debug)]
pub(crate) struct Ticket {
    log: Arc<RequestLog>,
    seq: u64,
    ended: bool,
}

impl Ticket {
    pub(crate) fn answered(&self, status: u16, rule: Option<usize>) {
        self.log.update(self.seq, |request| {
            request.status = Some(status);
            request.rule = rule;
        });
    }

    pub(crate) fn end(&mut self, outcome: Outcome) {
        if !self.ended {
            self.ended = true;
            self.log.update(self.seq, |request| request.outcome = outcome);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(Outcome::Abandoned);
    }
}
