//! One identity: its current credential, and how it gets a new one.
//!
//! Invariants. A revision is never used twice in a process and only grows within an account. At most one
//! refresh is in flight per account. A new credential is in place before the flight that brought it is
//! removed, so whoever looks in between finds either the flight or what it brought.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::external::{Caller, Waiters};
use crate::failure::{AuthFailure, AuthFailureKind};
use crate::renewal::Renewal;
use crate::snapshot::{Profile, Snapshot};
use crate::token::AccessToken;

/// How an account is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// An API key: it cannot be renewed.
    ApiKey,
    /// A token lent by the parent, who renews it.
    External,
    /// A ChatGPT login that the host owns, and renews itself.
    Chatgpt,
}

/// How long before its expiry a token is renewed ahead, and by how much less at most, so that the tokens of
/// many accounts are not renewed in the same second.
const AHEAD: Duration = Duration::from_secs(300);
const AHEAD_JITTER_S: u64 = 30;

/// How long after one renewal ahead there is no other.
const AHEAD_PAUSE: Duration = Duration::from_secs(30);

/// Why a credential is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The backend has refused it.
    Refused,
    /// It is still good, but not for long.
    ExpiresSoon,
    /// It is still good, and somebody wants another one.
    Asked,
}

/// A refresh under way.
#[derive(Clone)]
struct Flight {
    /// The revision that is to be replaced.
    rejected: u64,
    why: Why,
    landed: Shared<BoxFuture<'static, Landing>>,
    waiters: Waiters,
}

/// How a refresh ended.
#[derive(Clone)]
pub(crate) enum Landing {
    /// With a new credential, or with a failure.
    Ended(Result<(), AuthFailure>),
    /// Nobody waited for it any more.
    Abandoned,
}

/// One identity with its current credential. Work keeps the account it began with until it ends.
pub struct Account {
    mode: Mode,
    state: watch::Sender<State>,
    flight: Mutex<Option<Flight>>,
    /// When a token may be renewed ahead again.
    ahead_after: Mutex<Option<Instant>>,
    /// An answer that is late and may still come.
    late: Mutex<Option<AbortHandle>>,
    /// Whether work is bound to this identity, and to no other.
    pinned: AtomicBool,
    revisions: Arc<AtomicU64>,
    renewal: Option<Renewal>,
}

pub(crate) struct State {
    snapshot: Arc<Snapshot>,
    /// A credential for the next work, and what this work fails with, which must not use it. Only in strict mode.
    next: Option<(Arc<Snapshot>, AuthFailure)>,
    /// The last revision whose work must not go on with the credential that is in force now, and what it fails with.
    barred: Option<(u64, AuthFailure)>,
    logged_out: bool,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let revision = self.state.borrow().snapshot.revision;
        f.debug_struct("Account").field("mode", &self.mode).field("revision", &revision).finish()
    }
}

impl Account {
    /// An API key that belongs to nobody's login, such as one that the configuration names.
    pub fn api_key(key: AccessToken) -> Arc<Self> {
        let snapshot = Snapshot {
            revision: 1,
            token: key,
            identity: None,
            profile: Profile::default(),
            owner: None,
            found: false,
        };
        Self::new(Mode::ApiKey, snapshot, Arc::default(), None)
    }

    pub(crate) fn new(
        mode: Mode,
        snapshot: Snapshot,
        revisions: Arc<AtomicU64>,
        renewal: Option<Renewal>,
    ) -> Arc<Self> {
        let state = State { snapshot: Arc::new(snapshot), next: None, barred: None, logged_out: false };
        Arc::new(Self {
            mode,
            state: watch::Sender::new(state),
            flight: Mutex::new(None),
            ahead_after: Mutex::new(None),
            late: Mutex::new(None),
            pinned: AtomicBool::new(false),
            revisions,
            renewal,
        })
    }

    /// How the account is logged in.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The current credential. One that was kept for the next work is in force from here on: whoever looks again begins
    /// anew.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.state.send_if_modified(|state| match state.next.take() {
            Some((next, failure)) => {
                state.barred = Some((state.snapshot.revision, failure));
                state.snapshot = next;
                true
            }
            None => false,
        });
        Arc::clone(&self.state.borrow().snapshot)
    }

    /// Whether there is another credential to be had after this one.
    pub(crate) fn is_renewable(&self) -> bool {
        self.renewal.is_some()
    }

    /// Whether there will never be another credential for this login: its refresh token was refused for good.
    pub fn is_spent(&self) -> bool {
        self.renewal.as_ref().is_some_and(Renewal::is_spent)
    }

    /// From here on no refresh makes it another account: work is bound to it by its id.
    pub(crate) fn pin(&self) {
        self.pinned.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_pinned(&self) -> bool {
        self.pinned.load(Ordering::Relaxed)
    }

    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(crate) fn revisions(&self) -> &AtomicU64 {
        &self.revisions
    }

    /// Resolves when somebody logs the account out.
    pub async fn logged_out(&self) {
        let mut state = self.state.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = state.wait_for(|state| state.logged_out).await;
    }

    /// Puts a newer credential in place and wakes whoever waits for one. An older one is dropped: somebody was
    /// faster. A token that does not say whose it is is taken for one of the person who is known.
    pub(crate) fn replace(&self, mut snapshot: Snapshot) {
        self.state.send_if_modified(|state| {
            if snapshot.revision <= state.snapshot.revision {
                return false;
            }
            if let (Some(new), Some(known)) = (&mut snapshot.identity, &state.snapshot.identity)
                && new.user_id.is_none()
                && new.account_id == known.account_id
            {
                new.user_id.clone_from(&known.user_id);
            }
            state.snapshot = Arc::new(snapshot);
            true
        });
    }

    /// Keeps a credential for the next work without waking those who wait for one: they fail, though it may be in force
    /// before they hear of it.
    pub(crate) fn replace_for_next(&self, snapshot: Snapshot, failure: AuthFailure) {
        self.state.send_if_modified(|state| {
            state.next = Some((Arc::new(snapshot), failure));
            false
        });
    }

    /// Fails everything that waits for this account or goes on under it.
    pub fn log_out(&self) {
        self.state.send_modify(|state| state.logged_out = true);
    }

    pub(crate) fn is_logged_out(&self) -> bool {
        self.state.borrow().logged_out
    }

    /// Returns a credential that is newer than the one the backend refused.
    ///
    /// If there is one already, nobody is asked. If a refresh is in flight, it is joined. Else one is
    /// started. A login of the same identity in the meantime is as good as an answer. If the caller goes
    /// away, the refresh goes on, and what it brings is there for the next.
    pub async fn recover(self: &Arc<Self>, rejected: u64, caller: &Caller) -> Result<Arc<Snapshot>, AuthFailure> {
        self.renewed(rejected, caller, Why::Refused).await
    }

    /// Returns a credential that is newer than the current one, which the backend has not refused.
    pub async fn renew_now(self: &Arc<Self>, caller: &Caller) -> Result<Arc<Snapshot>, AuthFailure> {
        self.renewed(self.snapshot().revision, caller, Why::Asked).await
    }

    /// Returns a credential that is good for some minutes, if one can be had; else the current one until it expires.
    pub async fn fresh(self: &Arc<Self>, caller: &Caller) -> Result<Arc<Snapshot>, AuthFailure> {
        let current = self.snapshot();
        let expired = expires_within(&current, 1);
        // One that was refused a moment ago, or lives no longer, is not asked for again; one that is on its way is joined.
        let pauses = || !self.ahead_is_due() && self.flight().is_none();
        if !expires_within(&current, AHEAD.as_secs()) || !expired && pauses() {
            return Ok(current);
        }
        *self.ahead_after() = Some(Instant::now() + AHEAD_PAUSE);
        match self.renewed(current.revision, caller, Why::ExpiresSoon).await {
            Err(_) if !expired && !self.is_logged_out() => Ok(current),
            renewed => renewed,
        }
    }

    async fn renewed(self: &Arc<Self>, rejected: u64, caller: &Caller, why: Why) -> Result<Arc<Snapshot>, AuthFailure> {
        let mut state = self.state.subscribe();
        loop {
            let (flight, rejected) = {
                let mut flight = self.flight();
                let now = state.borrow_and_update();
                // A newer credential is no help if it was refused as well and is being replaced.
                let refused = flight.as_ref().filter(|flight| flight.why == Why::Refused).map(|flight| flight.rejected);
                let rejected = rejected.max(refused.unwrap_or_default());
                if let Some(outcome) = newer(&now, rejected) {
                    return outcome;
                }
                drop(now);
                let Some(renewal) = &self.renewal else { return Err(not_renewable()) };
                let flight = flight.get_or_insert_with(|| self.fly(renewal.clone(), rejected, why));
                flight.waiters.add(caller);
                (flight.clone(), rejected)
            };
            let _waiting = Waiting { waiters: flight.waiters.clone(), caller: caller.clone() };
            let landing = tokio::select! {
                landing = flight.landed => landing,
                _ = state.wait_for(|state| newer(state, rejected).is_some()) => Landing::Ended(Ok(())),
            };
            let current = newer(&self.state.borrow(), rejected);
            match (current, landing) {
                (Some(current), _) => return current,
                (None, Landing::Ended(Err(failure))) => return Err(failure),
                (None, Landing::Ended(Ok(()))) => return Err(not_renewable()),
                // Everybody else had left before this caller came.
                (None, Landing::Abandoned) => {}
            }
        }
    }

    /// Asks for a new token if the current one is about to expire. Returns at once; nothing waits for the
    /// outcome, and a failure harms nothing. A 401 in the meantime joins.
    pub fn renew_ahead(self: &Arc<Self>, caller: &Caller) {
        let Some(renewal) = &self.renewal else { return };
        let mut flight = self.flight();
        let snapshot = self.snapshot();
        let due = renewal.ahead() && self.expires_soon(&snapshot) && self.ahead_is_due();
        if due && flight.is_none() && !self.is_logged_out() {
            // Also after a success: the next token may live no longer than this one.
            *self.ahead_after() = Some(Instant::now() + AHEAD_PAUSE);
            let begun = self.fly(renewal.clone(), snapshot.revision, Why::ExpiresSoon);
            begun.waiters.add(caller);
            *flight = Some(begun);
        }
    }

    fn expires_soon(&self, snapshot: &Snapshot) -> bool {
        expires_within(snapshot, AHEAD.as_secs() - snapshot.revision.wrapping_mul(7919) % AHEAD_JITTER_S)
    }

    fn ahead_is_due(&self) -> bool {
        self.ahead_after().is_none_or(|after| Instant::now() >= after)
    }

    fn ahead_after(&self) -> MutexGuard<'_, Option<Instant>> {
        // The value is replaced as a whole.
        self.ahead_after.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flight(&self) -> MutexGuard<'_, Option<Flight>> {
        // Nothing under this lock can panic half-way.
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fly(self: &Arc<Self>, renewal: Renewal, rejected: u64, why: Why) -> Flight {
        let account = Arc::clone(self);
        let waiters = Waiters::default();
        let task = tokio::spawn({
            let waiters = waiters.clone();
            async move {
                let _landed = Landed(Arc::clone(&account));
                account.renew(&renewal, rejected, why, waiters).await
            }
        });
        let landed = async move { task.await.unwrap_or_else(|_| Landing::Ended(Err(not_renewable()))) };
        Flight { rejected, why, landed: landed.boxed().shared(), waiters }
    }

    /// Keeps one late answer in mind; an older one is no longer waited for.
    pub(crate) fn await_late(&self, late: AbortHandle) {
        let before = self.late.lock().unwrap_or_else(PoisonError::into_inner).replace(late);
        if let Some(before) = before {
            before.abort();
        }
    }
}

/// Removes a flight however it ends.
struct Landed(Arc<Account>);

impl Drop for Landed {
    fn drop(&mut self) {
        *self.0.flight() = None;
    }
}

/// A caller who waits for a flight, until this is dropped.
struct Waiting {
    waiters: Waiters,
    caller: Caller,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiters.remove(&self.caller);
    }
}

/// What a waiter for something newer than `rejected` gets, if it need not wait.
pub(crate) fn newer(state: &State, rejected: u64) -> Option<Result<Arc<Snapshot>, AuthFailure>> {
    if state.logged_out {
        return Some(Err(AuthFailure::logged_out()));
    }
    if let Some((last, failure)) = &state.barred
        && rejected <= *last
    {
        return Some(Err(failure.clone()));
    }
    (state.snapshot.revision > rejected).then(|| Ok(Arc::clone(&state.snapshot)))
}

fn expires_within(snapshot: &Snapshot, seconds: u64) -> bool {
    let soon = Utc::now().timestamp().saturating_add_unsigned(seconds);
    snapshot.profile.expires_at.is_some_and(|expires_at| expires_at < soon)
}

pub(crate) fn not_renewable() -> AuthFailure {
    AuthFailure::new(AuthFailureKind::ReauthRequired, "external auth is not configured")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{Account, AuthFailure, AuthFailureKind, Caller, Mode, Profile, Snapshot};
    use crate::token::AccessToken;

    fn snapshot(revision: u64) -> Snapshot {
        let token = AccessToken::new("token");
        Snapshot { revision, token, identity: None, profile: Profile::default(), owner: None, found: false }
    }

    #[tokio::test]
    async fn work_that_must_not_use_the_next_credential_fails_though_that_is_in_force_already() {
        let account = Account::new(Mode::External, snapshot(1), Default::default(), None);
        account.replace_for_next(snapshot(2), AuthFailure::new(AuthFailureKind::AccountMismatch, "another account"));
        assert_eq!(account.snapshot().revision, 2, "the next work is to have it");
        let failure = account.recover(1, &Caller::Program).await.unwrap_err();
        assert_eq!(failure.kind, AuthFailureKind::AccountMismatch);
        account.replace(snapshot(3));
        assert_eq!(account.recover(2, &Caller::Program).await.unwrap().revision, 3);
    }
}
