//! A lent token is renewed: from the question to the parent to the credential that is put in place.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::account::{Account, Landing, newer, not_renewable};
use crate::external::{ExternalAuth, OwnerId, RefreshFailure, RefreshRequest, Renewed, Waiters};
use crate::failure::{AuthFailure, AuthFailureKind};
use crate::manager::Rules;
use crate::snapshot::{Snapshot, next_number};

/// Whom to borrow a new token from, and by which rules what comes is taken.
#[derive(Clone)]
pub(crate) struct Borrowing {
    pub(crate) parent: Arc<dyn ExternalAuth>,
    pub(crate) rules: Arc<Rules>,
    /// How many refreshes were begun.
    pub(crate) flights: Arc<AtomicU64>,
}

impl Account {
    /// Asks the parent, for as long as anybody may wait, and adopts what comes.
    pub(super) async fn ask_parent(
        self: &Arc<Self>,
        borrowing: &Borrowing,
        rejected: u64,
        ahead: bool,
        waiters: Waiters,
    ) -> Landing {
        let snapshot = self.snapshot();
        let (Some(owner), Some(identity)) = (snapshot.owner, &snapshot.identity) else {
            return Landing::Ended(Err(not_renewable()));
        };
        let parent = &borrowing.parent;
        let limit = parent.time_limit(owner);
        let deadline = Instant::now() + limit;
        let flight = next_number(&borrowing.flights);
        let account_id = identity.account_id.clone();
        let request = RefreshRequest { flight, owner, account_id, ahead, deadline, waiters: waiters.clone() };
        let token = snapshot.token.fingerprint();
        tracing::info!(flight, ahead, token, "the parent is asked for a new token");
        let mut answer = parent.refresh(request.clone());
        let mut state = self.watch();
        tokio::select! {
            biased;
            _ = state.wait_for(|state| newer(state, rejected).is_some()) => {
                parent.given_up(&request);
                Landing::Ended(Ok(()))
            }
            // Before the answer, which is late if it comes after the last waiter has left. What runs ahead is waited for
            // by nobody from the start.
            () = waiters.abandoned(), if !ahead => {
                if borrowing.rules.strict {
                    parent.given_up(&request);
                } else {
                    self.await_late_answer(answer, owner, rejected, borrowing.clone());
                }
                Landing::Abandoned
            }
            answer = &mut answer => Landing::Ended(self.landed(answer, owner, limit, borrowing)),
            () = tokio::time::sleep_until(deadline) => {
                let failure = parent.given_up(&request);
                if failure == RefreshFailure::Silent && !borrowing.rules.strict {
                    self.await_late_answer(answer, owner, rejected, borrowing.clone());
                }
                Landing::Ended(self.landed(Err(failure), owner, limit, borrowing))
            }
        }
    }

    fn landed(
        &self,
        answer: Result<Renewed, RefreshFailure>,
        owner: OwnerId,
        limit: Duration,
        borrowing: &Borrowing,
    ) -> Result<(), AuthFailure> {
        match answer {
            Ok(renewed) => self.adopt(renewed, owner, borrowing),
            Err(RefreshFailure::Rejected(code)) => {
                let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
                let message = format!("auth refresh request failed: code={code}");
                Err(AuthFailure::new(AuthFailureKind::RefreshRejected, message))
            }
            Err(RefreshFailure::Malformed) => {
                Err(AuthFailure::new(AuthFailureKind::RefreshInvalid, "invalid auth refresh response"))
            }
            Err(RefreshFailure::Silent) => Err(AuthFailure::timeout(limit)),
            Err(RefreshFailure::Gone) => {
                Err(AuthFailure { kind: AuthFailureKind::NoOwner, ..AuthFailure::timeout(limit) })
            }
        }
    }

    /// A late answer is of no use to the work that waited, but it saves the next one a 401.
    fn await_late_answer(
        self: &Arc<Self>,
        answer: BoxFuture<'static, Result<Renewed, RefreshFailure>>,
        owner: OwnerId,
        rejected: u64,
        borrowing: Borrowing,
    ) {
        let account = Arc::downgrade(self);
        let mut state = self.watch();
        let late = tokio::spawn(async move {
            let renewed = tokio::select! {
                biased;
                // Somebody logged in or out, or nobody holds the account any more.
                _ = state.wait_for(|state| newer(state, rejected).is_some()) => return,
                answer = answer => answer,
            };
            if let (Ok(renewed), Some(account)) = (renewed, account.upgrade()) {
                let _ = account.adopt(renewed, owner, &borrowing);
            }
        });
        self.await_late(late.abort_handle());
    }

    fn adopt(&self, renewed: Renewed, owner: OwnerId, borrowing: &Borrowing) -> Result<(), AuthFailure> {
        let Ok(snapshot) = Snapshot::of_lent(renewed.tokens, owner, self.revisions()) else {
            let message = "auth refresh returned invalid credentials";
            return Err(AuthFailure::new(AuthFailureKind::RefreshInvalid, message));
        };
        let current = self.snapshot();
        let (Some(new), Some(known)) = (&snapshot.identity, &current.identity) else { return Err(not_renewable()) };
        if !borrowing.rules.allow_workspace(&new.account_id) {
            let message = format!(
                "Login is restricted to workspace(s) {}, but current credentials belong to {}",
                borrowing.rules.workspaces.join(", "),
                new.account_id,
            );
            return Err(AuthFailure::new(AuthFailureKind::WorkspaceRestricted, message));
        }
        let other = !new.matches(known);
        let may_switch = renewed.may_switch && !self.is_pinned();
        if other && !may_switch && !borrowing.rules.strict {
            let message = "auth refresh returned credentials for another account";
            return Err(AuthFailure::new(AuthFailureKind::AccountMismatch, message));
        }
        let (before, token) = (current.token.fingerprint(), snapshot.token.fingerprint());
        tracing::info!(revision = snapshot.revision, before, token, "a new token was lent");
        if other && borrowing.rules.strict {
            // The reference takes the token for the next turn, and fails this one.
            let message = "Fatal error: application network policy is unavailable";
            let failure = AuthFailure::new(AuthFailureKind::AccountMismatch, message);
            self.replace_for_next(snapshot, failure.clone());
            return Err(failure);
        }
        if snapshot.revision > current.revision {
            borrowing.parent.renewed(&current, &snapshot);
        }
        self.replace(snapshot);
        Ok(())
    }
}
