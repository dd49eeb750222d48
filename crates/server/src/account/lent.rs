//! What a parent lends beside the login, and under which of it a thread runs.

use std::sync::Arc;

use valet_auth::{Account, ExternalTokens, Identity, LoginError, OwnerId};
use valet_protocol::v2::LentAccount;
use valet_protocol::{ErrorKind, ErrorObject};

use super::{Accounts, Change, harden, plan};
use crate::connection::ConnectionId;

/// What was taken back and is still to end. The response to the request comes first.
#[must_use = "what runs under the account goes on"]
pub(crate) enum TakenBack {
    /// An account beside the login.
    Lent(Arc<Account>),
    /// The login, of which everybody is told first.
    Login(Change),
}

impl Accounts {
    /// A parent lends a token of a further account, or a newer one.
    pub(crate) fn lend(&self, asker: ConnectionId, tokens: ExternalTokens, owner: OwnerId) -> Result<(), LoginError> {
        harden::process();
        self.shared.auth.lend(self.shared.scope(asker), tokens, owner)
    }

    /// What is lent to a connection.
    pub(crate) fn lent(&self, asker: ConnectionId) -> Vec<LentAccount> {
        let current = self.current(asker);
        let told = |account: Arc<Account>| {
            let snapshot = account.snapshot();
            let identity = snapshot.identity.clone()?;
            Some(LentAccount {
                chatgpt_account_id: identity.account_id,
                user_id: identity.user_id,
                email: snapshot.profile.email.clone(),
                plan_type: plan(snapshot.profile.plan.as_deref()),
                expires_at: snapshot.profile.expires_at,
                is_current: current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &account)),
            })
        };
        self.shared.auth.lent(self.shared.scope(asker)).into_iter().filter_map(told).collect()
    }

    /// Takes an account away from new work. What goes on under it goes on until [`Accounts::end`].
    pub(crate) fn take_back(&self, asker: ConnectionId, account_id: &str) -> Result<TakenBack, ErrorObject> {
        let scope = self.shared.scope(asker);
        let taken = self.shared.auth.take_back(scope, account_id);
        let (account, was_login) = taken.ok_or_else(|| not_lent(account_id, "lend it with `valet/account/lend`"))?;
        Ok(match was_login {
            true => TakenBack::Login(Change::logout(scope, Some(account))),
            false => TakenBack::Lent(account),
        })
    }

    /// Fails what goes on under what was taken back.
    pub(crate) fn end(&self, taken: TakenBack) {
        match taken {
            TakenBack::Lent(account) => account.log_out(),
            TakenBack::Login(change) => self.announce(change),
        }
    }

    /// An account that is lent to a connection, by its id.
    pub(crate) fn lent_account(&self, asker: ConnectionId, account_id: &str) -> Result<Arc<Account>, ErrorObject> {
        let is_it = |identity: &Identity| identity.account_id == account_id;
        self.find(asker, is_it).ok_or_else(|| not_lent(account_id, "lend it with `valet/account/lend`"))
    }

    /// The account for new work of a thread: the one that was chosen for it, and never another, or else the login.
    pub(crate) fn for_work(
        &self,
        asker: ConnectionId,
        chosen: Option<&Identity>,
    ) -> Result<Option<Arc<Account>>, ErrorObject> {
        let Some(chosen) = chosen else { return Ok(self.current(asker)) };
        let advice = "lend it again with `valet/account/lend`, or choose another one for the thread with \
                      `valet/thread/account/set`";
        let account = self.find(asker, |identity| identity.matches(chosen));
        account.map(Some).ok_or_else(|| not_lent(&chosen.account_id, advice))
    }

    fn find(&self, asker: ConnectionId, is_it: impl Fn(&Identity) -> bool) -> Option<Arc<Account>> {
        let lent = self.shared.auth.lent(self.shared.scope(asker));
        lent.into_iter().find(|account| account.snapshot().identity.as_ref().is_some_and(&is_it))
    }
}

fn not_lent(account_id: &str, advice: &str) -> ErrorObject {
    ErrorObject::invalid_request(format!("account {account_id} is not lent: {advice}")).kind(ErrorKind::AuthRequired)
}
