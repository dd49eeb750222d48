//! Which account new work gets, and the rules by which it changes.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::account::{Account, Identity, Mode, Profile, Renewal, Snapshot, lent, next_revision};
use crate::claims::ClaimsError;
use crate::external::{ExternalAuth, ExternalTokens, OwnerId};
use crate::token::AccessToken;

/// What the configuration allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// `forced_chatgpt_workspace_id`; empty: any.
    pub workspaces: Vec<String>,
    /// `forced_login_method = "api"`.
    pub api_key_only: bool,
    /// `forced_login_method = "chatgpt"`.
    pub chatgpt_only: bool,
}

impl Restrictions {
    pub(crate) fn allow_workspace(&self, account_id: &str) -> bool {
        self.workspaces.is_empty() || self.workspaces.iter().any(|workspace| workspace == account_id)
    }
}

/// Why a login was refused. The texts are those of the reference.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// `forced_login_method = "api"`.
    #[error("External ChatGPT auth is disabled. Use API key login instead.")]
    ExternalDisabled,
    /// `forced_login_method = "chatgpt"`.
    #[error("API key login is disabled. Use ChatGPT login instead.")]
    ApiKeyDisabled,
    /// `forced_chatgpt_workspace_id`.
    #[error("External auth must use one of workspace(s) {allowed:?}, but received {received:?}.")]
    Workspace {
        /// The ones that are allowed.
        allowed: Vec<String>,
        /// The one that came.
        received: String,
    },
    /// A token is lent, and another kind of login was tried.
    #[error(
        "External auth is active. Use account/login/start (chatgptAuthTokens) to update it or account/logout to clear it."
    )]
    ExternalActive,
    /// The token is no token.
    #[error("failed to set external auth: {0}")]
    Token(#[from] ClaimsError),
}

/// Who is logged in.
pub struct AuthManager {
    renewal: Renewal,
    revisions: Arc<AtomicU64>,
    state: Mutex<State>,
    changes: Notify,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Account>>,
    /// Accounts that were current and under which work may still go on.
    former: Vec<Weak<Account>>,
}

impl AuthManager {
    /// Nobody is logged in at first.
    pub fn new(parent: Arc<dyn ExternalAuth>, restrictions: Restrictions) -> Self {
        let renewal = Renewal { parent, restrictions: Arc::new(restrictions) };
        Self { renewal, revisions: Arc::default(), state: Mutex::default(), changes: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account for new work.
    pub fn current(&self) -> Option<Arc<Account>> {
        self.state().current.clone()
    }

    /// Resolves when somebody logs in or out after this call.
    pub fn changed(&self) -> impl Future<Output = ()> {
        // The future counts as waiting from here on, not from its first poll.
        self.changes.notified()
    }

    fn set_current(&self, state: &mut State, account: Option<Arc<Account>>) {
        state.set_current(account);
        self.changes.notify_waiters();
    }

    /// A parent lends a token. Work that goes on under another account is not disturbed; work that waits
    /// for a token of the same account gets this one.
    pub fn login_external(&self, tokens: ExternalTokens, owner: OwnerId) -> Result<Arc<Account>, LoginError> {
        let restrictions = &self.renewal.restrictions;
        if restrictions.api_key_only {
            return Err(LoginError::ExternalDisabled);
        }
        if !restrictions.allow_workspace(&tokens.account_id) {
            let allowed = restrictions.workspaces.clone();
            return Err(LoginError::Workspace { allowed, received: tokens.account_id });
        }
        let snapshot = lent(tokens, owner, &self.revisions)?;
        tracing::info!(revision = snapshot.revision, token = snapshot.token.fingerprint(), "a token was lent");
        let mut state = self.state();
        let account = match snapshot.identity.as_ref().and_then(|identity| state.find(identity)) {
            Some(account) => {
                account.replace(snapshot);
                account
            }
            None => Account::new(Mode::External, snapshot, Arc::clone(&self.revisions), Some(self.renewal.clone())),
        };
        self.set_current(&mut state, Some(Arc::clone(&account)));
        Ok(account)
    }

    /// Somebody logs in with an API key.
    pub fn login_api_key(&self, key: AccessToken) -> Result<Arc<Account>, LoginError> {
        self.check_managed_login()?;
        if self.renewal.restrictions.chatgpt_only {
            return Err(LoginError::ApiKeyDisabled);
        }
        let snapshot = Snapshot {
            revision: next_revision(&self.revisions),
            token: key,
            identity: None,
            profile: Profile::default(),
            owner: None,
        };
        let account = Account::new(Mode::ApiKey, snapshot, Arc::clone(&self.revisions), None);
        self.set_current(&mut self.state(), Some(Arc::clone(&account)));
        Ok(account)
    }

    /// Whether a login that the host would own may begin now.
    pub fn check_managed_login(&self) -> Result<(), LoginError> {
        match self.current() {
            Some(account) if account.mode() == Mode::External => Err(LoginError::ExternalActive),
            _ => Ok(()),
        }
    }

    /// Forgets the current account. Whatever goes on under it fails.
    pub fn logout(&self) -> Option<Arc<Account>> {
        let account = self.state().current.take();
        self.changes.notify_waiters();
        if let Some(account) = &account {
            account.log_out();
        }
        account
    }
}

impl State {
    /// An account of this identity that is current, or under which work still goes on.
    fn find(&self, identity: &Identity) -> Option<Arc<Account>> {
        let former = self.former.iter().filter_map(Weak::upgrade);
        let mut known = self.current.iter().cloned().chain(former);
        known.find(|account| {
            let snapshot = account.snapshot();
            account.mode() == Mode::External && snapshot.identity.as_ref().is_some_and(|known| known.matches(identity))
        })
    }

    fn set_current(&mut self, account: Option<Arc<Account>>) {
        self.former.retain(|former| former.strong_count() > 0);
        let replaced = std::mem::replace(&mut self.current, account);
        if let Some(replaced) = replaced
            && !self.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &replaced))
        {
            self.former.push(Arc::downgrade(&replaced));
        }
    }
}
