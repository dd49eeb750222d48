//! Telling clients who is logged in: changes one after another, newcomers at once.

use std::sync::{Arc, PoisonError};

use tokio::sync::mpsc;
use valet_auth::{Account, Mode, Scope, Snapshot};
use valet_protocol::methods as m;
use valet_protocol::v1::AuthMode;
use valet_protocol::v2;

use crate::connection::Connection;

use super::{Accounts, AccountsState, auth_mode, plan};

/// A change that is in force and is still to be told. The response to the request comes first.
#[must_use = "clients wait to be told"]
pub(crate) struct Change {
    scope: Scope,
    account: Option<Arc<Account>>,
    /// The account that was logged out. What goes on under it fails after the change was told.
    left: Option<Arc<Account>>,
    /// It is a login, of that id where it has one.
    login: Option<Option<String>>,
}

impl Change {
    /// Somebody has logged in: of that login attempt, where it is one with an id.
    pub(super) fn login(scope: Scope, account: Arc<Account>, login_id: Option<String>) -> Self {
        Self { scope, account: Some(account), left: None, login: Some(login_id) }
    }

    /// Nobody is logged in any more.
    pub(super) fn logout(scope: Scope, left: Option<Arc<Account>>) -> Self {
        Self { scope, account: None, left, login: None }
    }
}

impl Accounts {
    /// Has a change told to everybody, after those that came before it in the same scope. Returns at once: an
    /// announcement may wait for the backend, and the next login or logout must not.
    pub(crate) fn announce(&self, change: Change) {
        let connection = change.scope.tenant();
        match &change.account {
            Some(account) => tracing::info!(connection, mode = ?account.mode(), "a login is in force"),
            None => tracing::info!(connection, "nobody is logged in any more"),
        }
        let mut announcers = self.announcers.lock().unwrap_or_else(PoisonError::into_inner);
        let announcer = announcers.entry(change.scope).or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            tokio::spawn(announce_all(Arc::clone(&self.shared), receiver));
            sender
        });
        // The announcer lives as long as its sender does.
        let _ = announcer.send(change);
    }

    /// Tells a newcomer who is logged in, if somebody is.
    pub(crate) fn greet(&self, newcomer: &Arc<Connection>) {
        let scope = self.shared.scope(newcomer.id);
        let Some(account) = self.shared.auth.current(scope) else { return };
        if !self.shared.config.strict() {
            newcomer.notify::<m::AccountUpdated>(&updated(Some(&account)));
            return;
        }
        // The reference asks the backend first.
        let (shared, newcomer) = (Arc::clone(&self.shared), Arc::clone(newcomer));
        tokio::spawn(async move {
            if shared.discover(scope, &account).await.is_ok() {
                newcomer.notify::<m::AccountUpdated>(&updated(Some(&account)));
            }
        });
    }
}

impl AccountsState {
    /// Tells of a login that somebody has made elsewhere.
    pub(super) fn tell_taken_up(&self, account: &Account) {
        self.connections.tell::<m::AccountUpdated>(self.audience(Scope::default()), &updated(Some(account)));
    }

    /// Tells of a credential that differs in plan or account, if it is one of a current account.
    pub(super) fn tell_renewed(&self, before: &Snapshot, after: &Snapshot) {
        for (scope, account) in self.auth.all() {
            if account.snapshot().revision == before.revision {
                let told = updated_to(auth_mode(&account), after);
                self.connections.tell::<m::AccountUpdated>(self.audience(scope), &told);
            }
        }
    }
}

/// Tells everybody of one change after the other. For a ChatGPT login the backend is asked first what the
/// workspace is called: clients read the account as soon as they are told of it.
async fn announce_all(shared: Arc<AccountsState>, mut changes: mpsc::UnboundedReceiver<Change>) {
    let mut next = None;
    loop {
        let change = match next.take() {
            Some(change) => Some(change),
            None => changes.recv().await,
        };
        let Some(Change { scope, account, left, login }) = change else { return };
        shared.workspaces().remove(&scope);
        let mut discovered = Ok(());
        if let Some(account) = account.as_ref().filter(|account| account.mode() != Mode::ApiKey) {
            // Nobody needs the name of a workspace that is not the last one any more.
            tokio::select! {
                asked = shared.discover(scope, account) => discovered = asked,
                Some(change) = changes.recv() => next = Some(change),
            }
        }
        // A token is good for turns even if the backend has not said what the workspace is called.
        let failure = discovered.err().filter(|_| shared.config.strict()).map(|error| error.to_string());
        let success = failure.is_none();
        let audience = shared.audience(scope);
        if let Some(login_id) = login {
            let told = v2::AccountLoginCompletedNotification {
                login_id,
                success,
                error: failure,
                onboarding_entrypoint: None,
            };
            shared.connections.tell::<m::AccountLoginCompleted>(audience, &told);
        }
        if success {
            shared.connections.tell::<m::AccountUpdated>(audience, &updated(account.as_deref()));
        }
        if let Some(left) = left {
            left.log_out();
        }
    }
}

fn updated(account: Option<&Account>) -> v2::AccountUpdatedNotification {
    match account {
        Some(account) => updated_to(auth_mode(account), &account.snapshot()),
        None => v2::AccountUpdatedNotification { auth_mode: None, plan_type: None },
    }
}

fn updated_to(mode: AuthMode, snapshot: &Snapshot) -> v2::AccountUpdatedNotification {
    let plan_type = snapshot.identity.as_ref().map(|_| plan(snapshot.profile.plan.as_deref()));
    v2::AccountUpdatedNotification { auth_mode: Some(mode), plan_type }
}
