//! Which account new work gets, and the rules by which it changes.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::account::{Account, Mode};
use crate::claims::ClaimsError;
use crate::external::{ExternalAuth, ExternalTokens, NoParent, OwnerId};
use crate::keeping::Keeping;
use crate::renewal::{Borrowing, Renewal};
use crate::snapshot::{Identity, Profile, Snapshot, next_number};
use crate::store::{Login, StoreError};
use crate::token::AccessToken;

/// What the configuration allows and wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `forced_chatgpt_workspace_id`; empty: any.
    pub workspaces: Vec<String>,
    /// `forced_login_method = "api"`.
    pub api_key_only: bool,
    /// `forced_login_method = "chatgpt"`.
    pub chatgpt_only: bool,
    /// Whether a token is renewed before it expires.
    pub ahead: bool,
    /// Whether everything is as in the reference: late answers are ignored, and a switch of accounts ends
    /// what runs.
    pub strict: bool,
}

impl Rules {
    pub(crate) fn allow_workspace(&self, account_id: &str) -> bool {
        self.workspaces.is_empty() || self.workspaces.iter().any(|workspace| workspace == account_id)
    }

    /// Whether a login that the host owns is allowed.
    pub fn check(&self, login: &Login) -> Result<(), LoginError> {
        match login {
            Login::ApiKey(_) if self.chatgpt_only => Err(LoginError::ApiKeyDisabled),
            Login::Chatgpt(_) if self.api_key_only => Err(LoginError::ChatgptDisabled),
            Login::Chatgpt(tokens) => {
                let account_id = tokens.account_id.clone().unwrap_or_default();
                if self.allow_workspace(&account_id) {
                    return Ok(());
                }
                Err(LoginError::OtherWorkspace { allowed: self.workspaces.clone(), received: account_id })
            }
            Login::ApiKey(_) => Ok(()),
        }
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
    /// `forced_login_method = "api"`, for a ChatGPT login that the host would own.
    #[error("ChatGPT login is disabled. Use API key login instead.")]
    ChatgptDisabled,
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
    /// The account is lent already, as somebody else's. Ours, not the reference's.
    #[error("account {0} is lent for another user; forget that one first")]
    OtherUser(String),
    /// The token is no token.
    #[error("failed to set external auth: {0}")]
    Token(#[from] ClaimsError),
    /// `forced_chatgpt_workspace_id`, for a ChatGPT login that the host would own.
    #[error("Login is restricted to workspace(s) {}, but current credentials belong to {received}", allowed.join(", "))]
    OtherWorkspace {
        /// The ones that are allowed.
        allowed: Vec<String>,
        /// The one that came.
        received: String,
    },
    /// This host keeps no logins, or not for one connection alone.
    #[error("unsupported: this host keeps no logins of its own")]
    NotKept,
    /// The login could not be kept.
    #[error("failed to save the login: {0}")]
    Store(#[from] StoreError),
}

/// For whom a login holds. The host chooses the numbers: one for the whole process, or one per tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope(pub u64);

impl Scope {
    /// Whose it is, for the log. None: everybody's.
    pub fn tenant(self) -> Option<u64> {
        (self != Self::default()).then_some(self.0)
    }
}

/// Who is logged in.
pub struct AuthManager {
    borrowing: Borrowing,
    pub(crate) keeping: Option<Keeping>,
    pub(crate) revisions: Arc<AtomicU64>,
    scopes: Mutex<HashMap<Scope, Accounts>>,
}

/// The accounts of one scope.
#[derive(Default)]
struct Accounts {
    current: Option<Arc<Account>>,
    /// Those that work can be bound to by their ids, the first to be lent first. The current one may be among them.
    lent: Vec<Arc<Account>>,
    /// Accounts that were current and under which work may still go on.
    former: Vec<Weak<Account>>,
}

impl AuthManager {
    /// Nobody is logged in at first.
    pub fn new(parent: Arc<dyn ExternalAuth>, rules: Rules, keeping: Option<Keeping>) -> Self {
        let borrowing = Borrowing { parent, rules: Arc::new(rules), flights: Arc::default() };
        Self { borrowing, keeping, revisions: Arc::default(), scopes: Mutex::default() }
    }

    /// The login that is kept, and no other.
    pub fn of(keeping: Keeping, rules: Rules) -> Self {
        Self::new(Arc::new(NoParent), rules, Some(keeping))
    }

    fn scopes(&self) -> MutexGuard<'_, HashMap<Scope, Accounts>> {
        // Nothing under this lock can panic half-way.
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account for new work.
    pub fn current(&self, scope: Scope) -> Option<Arc<Account>> {
        let current = || self.scopes().get(&scope)?.current.clone();
        match current() {
            Some(account) if !account.is_spent() => Some(account),
            _ if scope == Scope::default() => {
                self.look();
                current()
            }
            nobody_else => nobody_else,
        }
    }

    /// The current account of every scope.
    pub fn all(&self) -> Vec<(Scope, Arc<Account>)> {
        let scopes = self.scopes();
        scopes.iter().filter_map(|(scope, accounts)| Some((*scope, accounts.current.clone()?))).collect()
    }

    /// A parent lends a token. Work that goes on under another account is not disturbed; work that waits
    /// for a token of the same account gets this one.
    pub fn login_external(
        &self,
        scope: Scope,
        tokens: ExternalTokens,
        owner: OwnerId,
    ) -> Result<Arc<Account>, LoginError> {
        let snapshot = self.lent_snapshot(scope, tokens, owner)?;
        let mut scopes = self.scopes();
        let accounts = scopes.entry(scope).or_default();
        let account = self.account_with(accounts, snapshot);
        self.set_current(accounts, &account);
        Ok(account)
    }

    /// A parent lends a token for work that is bound to its account by the id, or a newer one. Who is logged in does not
    /// change.
    pub fn lend(&self, scope: Scope, tokens: ExternalTokens, owner: OwnerId) -> Result<(), LoginError> {
        let account_id = tokens.account_id.clone();
        let snapshot = self.lent_snapshot(scope, tokens, owner)?;
        let mut scopes = self.scopes();
        let accounts = scopes.entry(scope).or_default();
        if let Some(known) = accounts.lent_as(&account_id) {
            // An id that stood for two people would stand for either.
            let before = known.snapshot();
            let both = before.identity.as_ref().zip(snapshot.identity.as_ref());
            if both.is_none_or(|(before, now)| !before.matches(now)) {
                return Err(LoginError::OtherUser(account_id));
            }
            known.replace(snapshot);
            return Ok(());
        }
        let account = self.account_with(accounts, snapshot);
        account.pin();
        accounts.lent.push(account);
        Ok(())
    }

    /// The accounts that work can be bound to.
    pub fn lent(&self, scope: Scope) -> Vec<Arc<Account>> {
        self.scopes().get(&scope).map(|accounts| accounts.lent.clone()).unwrap_or_default()
    }

    /// Takes an account that was lent away from new work, and says whether it was the current one, too. What goes on
    /// under it goes on, until the caller says [`Account::log_out`].
    pub fn take_back(&self, scope: Scope, account_id: &str) -> Option<(Arc<Account>, bool)> {
        let mut scopes = self.scopes();
        let accounts = scopes.get_mut(&scope)?;
        let account = accounts.lent_as(account_id)?;
        accounts.lent.retain(|lent| !Arc::ptr_eq(lent, &account));
        let was_current = accounts.current.take_if(|current| Arc::ptr_eq(current, &account)).is_some();
        Some((account, was_current))
    }

    /// A credential of what a parent lends, if that is allowed.
    fn lent_snapshot(&self, scope: Scope, tokens: ExternalTokens, owner: OwnerId) -> Result<Snapshot, LoginError> {
        let rules = &self.borrowing.rules;
        if rules.api_key_only {
            return Err(LoginError::ExternalDisabled);
        }
        if !rules.allow_workspace(&tokens.account_id) {
            return Err(LoginError::Workspace { allowed: rules.workspaces.clone(), received: tokens.account_id });
        }
        let snapshot = Snapshot::of_lent(tokens, owner, &self.revisions)?;
        let (revision, token) = (snapshot.revision, snapshot.token.fingerprint());
        tracing::info!(connection = scope.tenant(), revision, token, "a token was lent");
        Ok(snapshot)
    }

    /// The account of this identity, with this credential in place. There is one for each.
    fn account_with(&self, accounts: &Accounts, snapshot: Snapshot) -> Arc<Account> {
        if let Some(account) = snapshot.identity.as_ref().and_then(|identity| accounts.find(identity)) {
            account.replace(snapshot);
            return account;
        }
        let renewal = Some(Renewal::Lent(self.borrowing.clone()));
        Account::new(Mode::External, snapshot, Arc::clone(&self.revisions), renewal)
    }

    /// Somebody logs in with an API key that is not kept.
    pub(crate) fn set_api_key(&self, scope: Scope, key: AccessToken) -> Arc<Account> {
        let account = self.api_key_account(key);
        self.put_in_force(scope, &account);
        account
    }

    pub(crate) fn put_in_force(&self, scope: Scope, account: &Arc<Account>) {
        self.set_current(self.scopes().entry(scope).or_default(), account);
    }

    /// Puts an account in the place of nobody, or of one that cannot go on. Whoever has logged in in the meantime stays.
    /// Says whether the account is in force now.
    pub(crate) fn adopt(&self, account: &Arc<Account>) -> bool {
        let mut scopes = self.scopes();
        let accounts = scopes.entry(Scope::default()).or_default();
        let free = accounts
            .current
            .as_ref()
            .is_none_or(|current| current.is_spent() && current.snapshot().token != account.snapshot().token);
        if free {
            self.set_current(accounts, account);
        }
        free
    }

    pub(crate) fn parent(&self) -> Arc<dyn ExternalAuth> {
        Arc::clone(&self.borrowing.parent)
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.borrowing.rules
    }

    pub(crate) fn api_key_account(&self, key: AccessToken) -> Arc<Account> {
        let snapshot = Snapshot {
            revision: next_number(&self.revisions),
            token: key,
            identity: None,
            profile: Profile::default(),
            owner: None,
            found: false,
        };
        Account::new(Mode::ApiKey, snapshot, Arc::clone(&self.revisions), None)
    }

    /// Whether a ChatGPT login that the host would own may begin now.
    pub fn check_chatgpt_login(&self, scope: Scope) -> Result<(), LoginError> {
        self.check_managed_login(scope)?;
        if self.borrowing.rules.api_key_only { Err(LoginError::ChatgptDisabled) } else { Ok(()) }
    }

    /// Whether a login that the host would own may begin now.
    pub fn check_managed_login(&self, scope: Scope) -> Result<(), LoginError> {
        match self.current(scope) {
            Some(account) if account.mode() == Mode::External => Err(LoginError::ExternalActive),
            _ => Ok(()),
        }
    }

    pub(crate) fn take_current(&self, scope: Scope) -> Option<Arc<Account>> {
        let mut scopes = self.scopes();
        let accounts = scopes.get_mut(&scope)?;
        let current = accounts.current.take()?;
        accounts.lent.retain(|lent| !Arc::ptr_eq(lent, &current));
        Some(current)
    }

    /// Forgets everybody in a scope. What goes on under them goes on, and their tokens go with it.
    pub fn forget(&self, scope: Scope) {
        self.scopes().remove(&scope);
    }

    fn set_current(&self, accounts: &mut Accounts, account: &Arc<Account>) {
        let replaced = accounts.set_current(account);
        if let Some(replaced) = replaced.filter(|_| self.borrowing.rules.strict) {
            replaced.log_out();
        }
    }
}

impl Accounts {
    /// The account of this id that work can be bound to.
    fn lent_as(&self, account_id: &str) -> Option<Arc<Account>> {
        let is_it = |account: &&Arc<Account>| {
            account.snapshot().identity.as_ref().is_some_and(|identity| identity.account_id == account_id)
        };
        self.lent.iter().find(is_it).cloned()
    }

    /// An account of this identity that is current or lent, or under which work still goes on.
    fn find(&self, identity: &Identity) -> Option<Arc<Account>> {
        let former = self.former.iter().filter_map(Weak::upgrade);
        let mut known = self.current.iter().chain(&self.lent).cloned().chain(former);
        known.find(|account| {
            let snapshot = account.snapshot();
            let same = snapshot.identity.as_ref().is_some_and(|known| known.matches(identity));
            account.mode() == Mode::External && same && !account.is_logged_out()
        })
    }

    /// Returns the account that this one takes the place of, if it is another.
    fn set_current(&mut self, account: &Arc<Account>) -> Option<Arc<Account>> {
        self.former.retain(|former| former.upgrade().is_some_and(|former| !Arc::ptr_eq(&former, account)));
        let replaced = self.current.replace(Arc::clone(account)).filter(|replaced| !Arc::ptr_eq(replaced, account))?;
        self.former.push(Arc::downgrade(&replaced));
        Some(replaced)
    }
}
