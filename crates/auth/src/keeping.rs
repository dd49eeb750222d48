//! Logins that the host owns: read where they are kept, put there before they are used, and taken back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio_util::task::TaskTracker;

use crate::account::{Account, Mode};
use crate::http::HttpClient;
use crate::issuer::Issuer;
use crate::manager::{AuthManager, LoginError, Scope};
use crate::redeem::{Apart, InProcess, Redeem, Redeemer};
use crate::renewal::{Kept, Renewal};
use crate::snapshot::Snapshot;
use crate::store::{CredentialStore, Locked, Login, PATIENCE, StoreError, Tokens};

/// Where logins are kept, and who issues them. There is one of each for the whole process.
#[derive(Clone)]
pub struct Keeping {
    store: Arc<dyn CredentialStore>,
    issuer: Issuer,
    http: Arc<HttpClient>,
    redeem: Arc<dyn Redeem>,
    /// Whether a logout takes the tokens back at the issuer.
    revoke: bool,
    revocations: TaskTracker,
    look: Arc<Mutex<Look>>,
}

/// How the store is looked at for a login that another process has put there, as long as nobody is logged in.
#[derive(Debug)]
struct Look {
    /// Not before.
    next: Instant,
    /// Whose login is not taken up, even if it was renewed: a logout left it where it is, or it is made here.
    left: Option<Arc<Snapshot>>,
    /// What a store says that was asked and is not waited for.
    coming: Option<oneshot::Receiver<Result<Option<Login>, StoreError>>>,
    /// Whether nobody has looked yet.
    first: bool,
}

impl Look {
    fn after(left: Option<Arc<Snapshot>>) -> Self {
        Self { next: Instant::now(), left, coming: None, first: false }
    }
}

/// How long what was found is believed.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

impl Keeping {
    /// Logins in a store, renewed by this process.
    pub fn new(store: Arc<dyn CredentialStore>, issuer: Issuer, http: Arc<HttpClient>, revoke: bool) -> Self {
        let redeem = InProcess { store: Arc::clone(&store), issuer: issuer.clone(), http: Arc::clone(&http) };
        Self {
            store,
            issuer,
            http,
            redeem: Arc::new(redeem),
            revoke,
            revocations: TaskTracker::new(),
            look: Arc::new(Mutex::new(Look { first: true, ..Look::after(None) })),
        }
    }

    /// The same, renewed by a program of its own, which goes on when this process is killed. It has to find the same
    /// store.
    pub fn redeemed_by(self, program: Redeemer) -> Self {
        let redeem = Arc::new(Apart { program, store: Arc::clone(&self.store), otherwise: Arc::clone(&self.redeem) });
        Self { redeem, ..self }
    }

    /// Who issues the logins.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// How the issuer is reached.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Writes. What a client sends after a login counts on it, so this is done at once if nobody else writes; else it
    /// waits its turn where it may block.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&dyn Locked) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.store.is_quick() {
            match self.store.lock(Duration::ZERO) {
                Err(StoreError::Locked { .. }) => {}
                locked => return change(&*locked?),
            }
        }
        let store = Arc::clone(&self.store);
        aside(move || change(&*store.lock(PATIENCE)?)).await
    }

    /// Whether a login could be kept, as far as that is known now: a person is not to log in for nothing.
    pub async fn check(&self) -> Result<(), StoreError> {
        if self.store.is_quick() {
            return takes_logins(&*self.store);
        }
        let store = Arc::clone(&self.store);
        aside(move || takes_logins(&*store)).await
    }

    async fn load(&self) -> Result<Option<Login>, StoreError> {
        if self.store.is_quick() {
            return self.store.load();
        }
        let store = Arc::clone(&self.store);
        aside(move || store.load()).await
    }
}

/// Works where it may block.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn takes_logins(store: &dyn CredentialStore) -> Result<(), StoreError> {
    match store.lock(Duration::ZERO).and_then(|locked| locked.load()) {
        // Who writes now will have ended by then, and a login that is not served gives way to another.
        Err(StoreError::Locked { .. } | StoreError::Unsupported { .. }) => Ok(()),
        found => found.map(drop),
    }
}

/// A login that cannot be read is none, and that is said.
fn readable(found: Result<Option<Login>, StoreError>) -> Option<Login> {
    found.unwrap_or_else(|error| {
        tracing::warn!(%error, "the login that is kept cannot be used");
        None
    })
}

impl AuthManager {
    /// Takes up the login that is kept, if nobody is logged in, or nobody who could go on. Another process may have put
    /// it there at any time.
    pub(crate) fn look(&self) {
        let Some(keeping) = &self.keeping else { return };
        let first = keeping.looking().first;
        let Some(login) = readable(keeping.find()).filter(|login| self.rules().check(login).is_ok()) else { return };
        let account = self.account_of(keeping, &login);
        if !keeping.was_left(&account.snapshot()) && self.adopt(&account) {
            let (token, mode) = (account.snapshot().token.fingerprint(), account.mode());
            let whose = if first { "the login that is kept" } else { "the login of another process" };
            tracing::info!(token, ?mode, "{whose} was taken up");
            self.parent().taken_up(&account);
        }
    }

    /// Somebody logs in for good: kept first, then in force. What the issuer has given for a login that there will not
    /// be is taken back, except in strict mode.
    pub async fn log_in(&self, scope: Scope, login: Login) -> Result<Arc<Account>, LoginError> {
        let given = match &login {
            Login::Chatgpt(tokens) if !self.rules().strict => Some(tokens.clone()),
            _ => None,
        };
        let account = self.log_in_with(scope, login).await;
        if account.is_err()
            && let Some((keeping, tokens)) = self.keeping.as_ref().zip(given)
            && !keeping.holds(&tokens).await
        {
            keeping.revoke(tokens);
        }
        account
    }

    async fn log_in_with(&self, scope: Scope, login: Login) -> Result<Arc<Account>, LoginError> {
        self.check_managed_login(scope)?;
        self.rules().check(&login)?;
        let Some(keeping) = self.keeping.as_ref().filter(|_| scope == Scope::default()) else {
            return match login {
                Login::ApiKey(key) => Ok(self.set_api_key(scope, key)),
                // A tenant's login would be everybody's.
                Login::Chatgpt(_) => Err(LoginError::NotKept),
            };
        };
        let account = self.account_of(keeping, &login);
        let left = keeping.set_look(Look::after(Some(account.snapshot()))).left;
        let kept = self.keep(keeping, scope, login).await;
        if kept.is_ok() {
            self.put_in_force(scope, &account);
        }
        keeping.set_look(Look::after(left.filter(|_| kept.is_err())));
        kept.map(|()| account)
    }

    /// Keeps a login, unless a parent lends a token in the meantime.
    async fn keep(&self, keeping: &Keeping, scope: Scope, login: Login) -> Result<(), LoginError> {
        let before = keeping.replace(login.clone()).await?;
        let checked = self.check_managed_login(scope);
        if checked.is_err()
            && let Err(error) = keeping.put_back(login, before).await
        {
            tracing::warn!(%error, "a login that is not used stays where logins are kept");
        }
        checked
    }

    /// Takes the current account away from new work, and forgets it where it is kept. What goes on under it goes on,
    /// until the caller says [`Account::log_out`]. A lent token is forgotten, and nothing that is kept is touched, except
    /// in strict mode.
    pub async fn log_out(&self, scope: Scope) -> Result<Option<Arc<Account>>, StoreError> {
        let keeping = self.keeping.as_ref().filter(|_| scope == Scope::default());
        let lent = self.current(scope).is_some_and(|account| account.mode() == Mode::External);
        if let Some(keeping) = keeping {
            // The reference takes a stored login away, too, when a lent token is given back.
            if lent && !self.rules().strict {
                let left = readable(keeping.load().await);
                let left = left.map(|login| self.account_of(keeping, &login).snapshot());
                keeping.set_look(Look::after(left));
            } else {
                // Together: what is taken back is what was kept last, whoever renewed it.
                let login = keeping.change(|store| {
                    let login = readable(store.load());
                    store.clear().map(|()| login)
                });
                let login = login.await?;
                keeping.set_look(Look::after(None));
                if let Some(Login::Chatgpt(tokens)) = login.filter(|_| keeping.revoke) {
                    keeping.revoke(tokens);
                }
            }
        }
        Ok(self.take_current(scope))
    }

    fn account_of(&self, keeping: &Keeping, login: &Login) -> Arc<Account> {
        match login {
            Login::ApiKey(key) => self.api_key_account(key.clone()),
            Login::Chatgpt(tokens) => {
                let snapshot = Snapshot::of_kept(tokens, &self.revisions);
                let renewal = Renewal::Kept(Kept::new(Arc::clone(&keeping.redeem), self.parent()));
                Account::new(Mode::Chatgpt, snapshot, Arc::clone(&self.revisions), Some(renewal))
            }
        }
    }
}

impl Keeping {
    fn looking(&self) -> MutexGuard<'_, Look> {
        // Nothing under this lock can panic half-way.
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept, if it is time to look. A store that is not quick is waited for at the first time only; after that
    /// what it says comes with a later look, and with none if somebody has logged in or out since.
    fn find(&self) -> Result<Option<Login>, StoreError> {
        {
            let mut look = self.looking();
            if let Some(coming) = &mut look.coming {
                let said = coming.try_recv();
                if matches!(said, Err(TryRecvError::Empty)) {
                    return Ok(None);
                }
                look.coming = None;
                return said.unwrap_or(Ok(None));
            }
            let now = Instant::now();
            if now < look.next {
                return Ok(None);
            }
            look.next = now + LOOK_PAUSE;
            let first = std::mem::take(&mut look.first);
            if !self.store.is_quick() && !first {
                let (finds, coming) = oneshot::channel();
                look.coming = Some(coming);
                let store = Arc::clone(&self.store);
                tokio::task::spawn_blocking(move || finds.send(store.load()));
                return Ok(None);
            }
        }
        self.store.load()
    }

    fn was_left(&self, login: &Snapshot) -> bool {
        self.looking().left.as_ref().is_some_and(|left| left.has_holder_of(login))
    }

    fn set_look(&self, look: Look) -> Look {
        std::mem::replace(&mut self.looking(), look)
    }

    /// Keeps a login. Returns what was in its place, if that can be told.
    async fn replace(&self, login: Login) -> Result<Option<Option<Login>>, StoreError> {
        self.change(move |store| {
            let before = store.load().ok();
            store.save(&login)?;
            Ok(before)
        })
        .await
    }

    /// Undoes that, unless somebody else has written since.
    async fn put_back(&self, login: Login, before: Option<Option<Login>>) -> Result<(), StoreError> {
        let Some(before) = before else { return Ok(()) };
        self.change(move |store| {
            let is_there = store.load()?.is_some_and(|kept| kept.secret() == login.secret());
            match before {
                Some(before) if is_there => store.save(&before),
                None if is_there => store.clear(),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Whether these tokens are the ones that are kept.
    async fn holds(&self, tokens: &Tokens) -> bool {
        let login = Login::Chatgpt(tokens.clone());
        self.load().await.is_ok_and(|kept| kept.is_some_and(|kept| kept.secret() == login.secret()))
    }

    /// Resolves when no tokens are being taken back.
    pub async fn revoked(&self) {
        self.revocations.close();
        self.revocations.wait().await;
    }

    /// Only the end of the host waits for it: who logs out is logged out here.
    fn revoke(&self, tokens: Tokens) {
        let keeping = self.clone();
        self.revocations.spawn(async move {
            if let Err(error) = keeping.issuer.revoke(&keeping.http, &tokens).await {
                tracing::warn!(%error, "the issuer did not take the tokens back");
            }
        });
    }
}

#[cfg(test)]
mod tests;
