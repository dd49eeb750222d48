//! The parent application, as far as this crate knows it: somebody who lends tokens and is asked for new
//! ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::account::Account;
use crate::snapshot::Snapshot;
use crate::token::AccessToken;

/// Who lent a token. The host chooses the numbers; here they are only compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerId(pub u64);

/// On whose behalf a call is made: whoever has to find somebody to ask for a new token looks there first. The host
/// chooses the names; here they are only compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A turn of that thread.
    Thread(Arc<str>),
    /// A request of that connection.
    Connection(u64),
    /// The program itself.
    Program,
}

/// A token as it is lent.
#[derive(Clone)]
pub struct ExternalTokens {
    /// The token.
    pub access_token: AccessToken,
    /// The workspace that it is for.
    pub account_id: String,
    /// The plan in the parent's words. None: read from the token.
    pub plan: Option<String>,
}

/// What is asked of the parent.
#[derive(Clone, Debug)]
pub struct RefreshRequest {
    /// Tells one refresh from another.
    pub flight: u64,
    /// Who lent the token that the backend refused.
    pub owner: OwnerId,
    /// The account that the new token must be for.
    pub account_id: String,
    /// Whether the old token is still good: it was not refused, it is about to expire.
    pub ahead: bool,
    /// When the time for the whole of it is up.
    pub deadline: Instant,
    /// Who waits for the outcome.
    pub waiters: Waiters,
}

/// Who waits for a refresh, first come first.
#[derive(Clone, Debug, Default)]
pub struct Waiters(Arc<List>);

#[derive(Debug, Default)]
struct List {
    waiting: Mutex<Vec<Caller>>,
    joined: Notify,
    left: Notify,
}

impl Waiters {
    fn list(&self) -> MutexGuard<'_, Vec<Caller>> {
        // A push cannot panic half-way.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, caller: &Caller) {
        self.list().push(caller.clone());
        self.0.joined.notify_waiters();
    }

    pub(crate) fn remove(&self, caller: &Caller) {
        let mut list = self.list();
        if let Some(position) = list.iter().position(|waiting| waiting == caller) {
            list.remove(position);
        }
        if list.is_empty() {
            self.0.left.notify_one();
        }
    }

    /// Resolves when the last who waited has left.
    pub(crate) async fn abandoned(&self) {
        loop {
            self.0.left.notified().await;
            if self.list().is_empty() {
                return;
            }
        }
    }

    /// Resolves when somebody comes to wait after this call.
    pub fn joined(&self) -> impl Future<Output = ()> {
        // The future counts as waiting from here on, not from its first poll.
        self.0.joined.notified()
    }

    /// Those who wait now.
    pub fn now(&self) -> Vec<Caller> {
        self.list().clone()
    }
}

/// What came back.
#[derive(Clone)]
pub struct Renewed {
    /// The token.
    pub tokens: ExternalTokens,
    /// Whether a token of another account is welcome.
    pub may_switch: bool,
}

/// Why no token came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshFailure {
    /// The parent answered with an error; the code, if it gave one.
    Rejected(Option<i64>),
    /// The parent's answer was not of the agreed shape.
    Malformed,
    /// Somebody was asked, and nobody answered in time.
    Silent,
    /// There is nobody to ask.
    Gone,
}

/// How the host asks the parent.
pub trait ExternalAuth: Send + Sync + 'static {
    /// Asks for a new token. The future may stay unresolved for as long as the parent is silent: the
    /// deadline is kept by the caller, and a late answer is still of use.
    fn refresh(&self, request: RefreshRequest) -> BoxFuture<'static, Result<Renewed, RefreshFailure>>;

    /// How long this owner may take.
    fn time_limit(&self, owner: OwnerId) -> Duration;

    /// Nobody waits for the answer any more. Says why none has come: [`Silent`](RefreshFailure::Silent), or
    /// [`Gone`](RefreshFailure::Gone).
    fn given_up(&self, request: &RefreshRequest) -> RefreshFailure;

    /// A new credential is about to be used instead of an old one.
    fn renewed(&self, before: &Snapshot, after: &Snapshot);

    /// A login that another process has made is in force now, for everybody.
    fn taken_up(&self, account: &Account);
}

/// Nobody lends tokens, and nobody wants to know when one is renewed.
pub(crate) struct NoParent;

impl ExternalAuth for NoParent {
    fn refresh(&self, _: RefreshRequest) -> BoxFuture<'static, Result<Renewed, RefreshFailure>> {
        Box::pin(std::future::ready(Err(RefreshFailure::Gone)))
    }

    fn time_limit(&self, _: OwnerId) -> Duration {
        Duration::ZERO
    }

    fn given_up(&self, _: &RefreshRequest) -> RefreshFailure {
        RefreshFailure::Gone
    }

    fn renewed(&self, _: &Snapshot, _: &Snapshot) {}

    fn taken_up(&self, _: &Account) {}
}
