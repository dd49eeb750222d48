//! One refresh, from the question to the credential that is put in place.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::account::{Account, newer, not_renewable};
use crate::external::{ExternalAuth, OwnerId, RefreshFailure, RefreshRequest, Renewed, Waiters};
use crate::failure::{AuthFailure, AuthFailureKind};
use crate::manager::Rules;
use crate::snapshot::{lent, next_revision};

/// How a lent token is renewed.
#[derive(Clone)]
pub(crate) struct Renewal {
    pub(crate) parent: Arc<dyn ExternalAuth>,
    pub(crate) rules: Arc<Rules>,
    /// How many refreshes were begun.
    pub(crate) flights: Arc<AtomicU64>,
}

impl Account {
    /// Asks the parent, for as long as anybody may wait, and adopts what comes.
    pub(crate) async fn renew(
        self: &Arc<Self>,
        renewal: &Renewal,
        rejected: u64,
        ahead: bool,
        waiters: Waiters,
    ) -> Result<(), AuthFailure> {
        let snapshot = self.snapshot();
        let (Some(owner), Some(identity)) = (snapshot.owner, &snapshot.identity) else { return Err(not_renewable()) };
        let parent = &renewal.parent;
        let deadline = parent.deadline(owner);
        let flight = next_revision(&renewal.flights);
        let account_id = identity.account_id.clone();
        let request = RefreshRequest { flight, owner, account_id, ahead, deadline, waiters };
        tracing::info!(flight, ahead, "the parent is asked for a new token");
        let mut answer = parent.refresh(request.clone());
        let mut state = self.watch();
        tokio::select! {
            answer = &mut answer => self.landed(answer, owner, deadline, renewal),
            _ = state.wait_for(|state| newer(state, rejected).is_some()) => {
                parent.given_up(&request);
                Ok(())
            }
            () = tokio::time::sleep(deadline) => {
                let asked = parent.given_up(&request);
                if !renewal.rules.strict {
                    self.await_late_answer(answer, owner, rejected, renewal.clone());
                }
                let kind = if asked { AuthFailureKind::RefreshTimeout } else { AuthFailureKind::NoOwner };
                Err(AuthFailure { kind, ..AuthFailure::timeout(deadline) })
            }
        }
    }

    fn landed(
        &self,
        answer: Result<Renewed, RefreshFailure>,
        owner: OwnerId,
        deadline: Duration,
        renewal: &Renewal,
    ) -> Result<(), AuthFailure> {
        match answer {
            Ok(renewed) => self.adopt(renewed, owner, renewal),
            Err(RefreshFailure::Rejected(code)) => {
                let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
                let message = format!("auth refresh request failed: code={code}");
                Err(AuthFailure::new(AuthFailureKind::RefreshRejected, message))
            }
            Err(RefreshFailure::Malformed) => {
                Err(AuthFailure::new(AuthFailureKind::RefreshInvalid, "invalid auth refresh response"))
            }
            Err(RefreshFailure::Gone) => {
                Err(AuthFailure { kind: AuthFailureKind::NoOwner, ..AuthFailure::timeout(deadline) })
            }
        }
    }

    /// A late answer is of no use to the work that waited, but it saves the next one a 401.
    fn await_late_answer(
        self: &Arc<Self>,
        answer: BoxFuture<'static, Result<Renewed, RefreshFailure>>,
        owner: OwnerId,
        rejected: u64,
        renewal: Renewal,
    ) {
        let account = Arc::downgrade(self);
        tokio::spawn(async move {
            let Ok(renewed) = answer.await else { return };
            let Some(account) = account.upgrade() else { return };
            if account.snapshot().revision <= rejected {
                let _ = account.adopt(renewed, owner, &renewal);
            }
        });
    }

    fn adopt(&self, renewed: Renewed, owner: OwnerId, renewal: &Renewal) -> Result<(), AuthFailure> {
        let Ok(snapshot) = lent(renewed.tokens, owner, self.revisions()) else {
            let message = "auth refresh returned invalid credentials";
            return Err(AuthFailure::new(AuthFailureKind::RefreshInvalid, message));
        };
        let current = self.snapshot();
        let (Some(new), Some(known)) = (&snapshot.identity, &current.identity) else { return Err(not_renewable()) };
        if !renewal.rules.allow_workspace(&new.account_id) {
            let message = format!(
                "Login is restricted to workspace(s) {}, but current credentials belong to {}",
                renewal.rules.workspaces.join(", "),
                new.account_id,
            );
            return Err(AuthFailure::new(AuthFailureKind::WorkspaceRestricted, message));
        }
        let other = !new.matches(known);
        if other && !renewed.may_switch && !renewal.rules.strict {
            let message = "auth refresh returned credentials for another account";
            return Err(AuthFailure::new(AuthFailureKind::AccountMismatch, message));
        }
        tracing::info!(revision = snapshot.revision, token = snapshot.token.fingerprint(), "a new token was lent");
        if other && renewal.rules.strict {
            // The reference takes the token for the next turn, and fails this one.
            self.replace_for_next(snapshot);
            let message = "Fatal error: application network policy is unavailable";
            return Err(AuthFailure::new(AuthFailureKind::AccountMismatch, message));
        }
        renewal.parent.renewed(&current, &snapshot);
        self.replace(snapshot);
        Ok(())
    }
}
