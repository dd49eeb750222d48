//! What all clients of a session share: whose account turns run under, what is heard of its limits, and what everybody
//! is told. Nothing here waits; what is to be done about news is the parent's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use valet_protocol::ServerNotificationMethod;
use valet_protocol::jsonrpc::{self, RequestId};
use valet_protocol::methods::Warning;
use valet_protocol::v2::{RateLimitSnapshot, WarningNotification};

use crate::gate::{Gate, Hold};
use crate::meters::stops_turns;

/// For so long after a change of the account, news that do not say whose they are may still be of the one before.
const DOUBT: Duration = Duration::from_secs(10);

/// What the clients of one app server have in common.
pub(crate) struct Session {
    pub(crate) gate: Gate,
    /// Whether a turn that a limit has stopped before it did anything is begun once more.
    pub(crate) repeat: bool,
    /// Whether a limit may change the account. Then turns wait from the news on, until that is decided.
    acts: bool,
    news: mpsc::UnboundedSender<News>,
    shared: Mutex<Shared>,
    /// What ids of ours begin with. Nobody else can guess it.
    prefix: String,
    next_id: AtomicU64,
}

#[derive(Default)]
struct Shared {
    lent: Option<Lent>,
    /// The accounts of the turns that run, by the turn's id.
    turns: HashMap<String, String>,
    clients: Vec<mpsc::UnboundedSender<Utf8Bytes>>,
}

struct Lent {
    name: String,
    since: Instant,
}

/// Whose news they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The account of that name here.
    Name(String),
    /// The account of that id at the backend.
    Id(String),
}

/// What a connection has heard from the app server.
pub(crate) struct News {
    pub(crate) whose: Whose,
    pub(crate) what: Heard,
    /// Turns wait until this is dropped.
    pub(crate) hold: Option<Hold>,
}

pub(crate) enum Heard {
    /// How much is used up.
    Limits(Box<RateLimitSnapshot>),
    /// A turn was refused.
    Refused,
}

impl Session {
    pub(crate) fn new(acts: bool, repeat: bool, secret: &str, news: mpsc::UnboundedSender<News>) -> Self {
        let prefix = format!("valet-run/{secret}/");
        let (gate, shared, next_id) = (Gate::default(), Mutex::default(), AtomicU64::new(0));
        Self { gate, repeat, acts, news, shared, prefix, next_id }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Nothing under this lock can panic half-way.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account that turns begin under from now on.
    pub(crate) fn set_lent(&self, name: &str) {
        self.shared().lent = Some(Lent { name: name.to_owned(), since: Instant::now() });
    }

    /// The account that turns begin under.
    pub(crate) fn lent(&self) -> Option<String> {
        self.shared().lent.as_ref().map(|lent| lent.name.clone())
    }

    /// An id for a request of ours.
    pub(crate) fn new_id(&self) -> RequestId {
        RequestId::String(format!("{}{}", self.prefix, self.next_id.fetch_add(1, Ordering::Relaxed)))
    }

    /// Whether the answer to this id is nobody else's.
    pub(crate) fn is_ours(&self, id: &RequestId) -> bool {
        matches!(id, RequestId::String(id) if id.starts_with(&self.prefix))
    }

    /// Notes under which account a turn runs: the one that it began under, also when it is said to begin again. Returns
    /// it.
    pub(crate) fn turn_begins(&self, turn_id: &str) -> Option<String> {
        let mut shared = self.shared();
        let name = shared.lent.as_ref()?.name.clone();
        Some(shared.turns.entry(turn_id.to_owned()).or_insert(name).clone())
    }

    pub(crate) fn turn_ends(&self, turn_id: &str) {
        self.shared().turns.remove(turn_id);
    }

    /// The app server tells how much is used up of an account.
    pub(crate) fn hear_limits(&self, account_id: Option<String>, limits: RateLimitSnapshot) {
        let Some(whose) = account_id.map(Whose::Id).or_else(|| self.lent_beyond_doubt()) else { return };
        let is_reached = stops_turns(&limits);
        self.hear(whose, Heard::Limits(Box::new(limits)), is_reached);
    }

    /// The backend has refused a turn, because a limit is reached.
    pub(crate) fn hear_refusal(&self, turn_id: &str) {
        let known = self.shared().turns.get(turn_id).cloned().map(Whose::Name);
        let Some(whose) = known.or_else(|| self.lent_beyond_doubt()) else { return };
        self.hear(whose, Heard::Refused, true);
    }

    fn hear(&self, whose: Whose, what: Heard, is_reached: bool) {
        let hold = (self.acts && is_reached).then(|| self.gate.close());
        // When nobody listens any more, the session ends.
        let _ = self.news.send(News { whose, what, hold });
    }

    fn lent_beyond_doubt(&self) -> Option<Whose> {
        let shared = self.shared();
        let lent = shared.lent.as_ref()?;
        (lent.since.elapsed() > DOUBT || shared.turns.values().all(|name| *name == lent.name))
            .then(|| Whose::Name(lent.name.clone()))
    }

    /// Messages for a client that has said who it is.
    pub(crate) fn join(&self, client: mpsc::UnboundedSender<Utf8Bytes>) {
        let mut shared = self.shared();
        shared.clients.retain(|client| !client.is_closed());
        shared.clients.push(client);
    }

    /// Tells the person, in every client.
    pub(crate) fn tell(&self, message: String) {
        tracing::info!("{message}");
        let params = WarningNotification { thread_id: None, message };
        let Ok(text) = jsonrpc::write_notification(Warning::METHOD, Some(&params), None) else { return };
        let Ok(text) = Utf8Bytes::try_from(text) else { return };
        for client in &self.shared().clients {
            // One that has left needs no telling.
            let _ = client.send(text.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use tokio::sync::mpsc;
    use valet_protocol::v2::{RateLimitSnapshot, RateLimitWindow};

    use super::Session;

    #[test]
    fn turns_wait_for_what_becomes_of_every_limit_that_stops_them_and_of_no_other() {
        let full = RateLimitWindow { used_percent: 100, window_duration_mins: None, resets_at: None };
        let full = RateLimitSnapshot { primary: Some(full), ..Default::default() };
        let rows = [
            ("nothing is left", full.clone(), true),
            ("no money is left", RateLimitSnapshot { spend_control_reached: Some(true), ..Default::default() }, true),
            ("another limit", RateLimitSnapshot { limit_id: Some("reviews".to_owned()), ..full }, false),
        ];
        for (words, limits, wait) in rows {
            let (news, mut heard) = mpsc::unbounded_channel();
            let session = Session::new(true, false, "secret", news);
            session.set_lent("first");
            session.hear_limits(None, limits);
            assert_eq!(heard.try_recv().unwrap().hold.is_some(), wait, "{words}");
        }
    }
}
