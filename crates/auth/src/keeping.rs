//! Logins that the host owns: read where they are kept, put there before they are used, and taken back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::account::{Account, Mode};
use crate::http::HttpClient;
use crate::issuer::Issuer;
use crate::manager::{AuthManager, LoginError, Scope};
use crate::redeem::{Apart, InProcess, Program, Redeem};
use crate::renewal::{Kept, Renewal, kept};
use crate::snapshot::Snapshot;
use crate::store::{CredentialStore, Locked, Login, StoreError, Tokens};

/// Whoever holds the lock may wait for the issuer.
const PATIENCE: Duration = Duration::from_secs(45);

/// Where logins are kept, and who issues them. There is one of each for the whole process.
#[derive(Clone)]
pub struct Keeping {
    store: Arc<dyn CredentialStore>,
    issuer: Issuer,
    http: Arc<HttpClient>,
    redeem: Arc<dyn Redeem>,
    /// Whether a logout takes the tokens back at the issuer.
    revoke: bool,
    look: Arc<Mutex<Look>>,
}

/// When the store is looked at for a login that somebody else has put there.
#[derive(Clone, Copy, Debug)]
enum Look {
    /// From then on, as long as nobody is logged in.
    From(Instant),
    /// Somebody has logged out here, and will log in here.
    Never,
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
            look: Arc::new(Mutex::new(Look::From(Instant::now()))),
        }
    }

    /// The same, renewed by a program of its own, which goes on when this process is killed. It has to find the same
    /// store.
    pub fn redeemed_by(self, program: Program) -> Self {
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
    async fn change(
        &self,
        change: impl FnOnce(&dyn Locked) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        if self.store.is_quick() {
            match self.store.lock(Duration::ZERO) {
                Err(StoreError::Locked { .. }) => {}
                locked => return change(&*locked?),
            }
        }
        let store = Arc::clone(&self.store);
        let changed = tokio::task::spawn_blocking(move || change(&*store.lock(PATIENCE)?)).await;
        changed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

impl AuthManager {
    /// Takes up the login that is kept, if nobody is logged in, or nobody who could go on. Another process may have put
    /// it there at any time.
    pub(crate) fn look(&self) {
        let Some(keeping) = self.keeping.as_ref().filter(|keeping| keeping.should_look()) else { return };
        match keeping.store.load() {
            Ok(Some(login)) if self.rules().check(&login).is_ok() => {
                let account = self.account_of(keeping, &login);
                self.adopt(&account);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the login that is kept cannot be used"),
        }
    }

    /// Somebody logs in for good: kept first, then in force.
    pub async fn log_in(&self, scope: Scope, login: Login) -> Result<Arc<Account>, LoginError> {
        self.check_managed_login(scope)?;
        self.rules().check(&login)?;
        let Some(keeping) = self.keeping.as_ref().filter(|_| scope == Scope::default()) else {
            return match login {
                Login::ApiKey(key) => Ok(self.set_api_key(scope, key)),
                // A tenant's login would be everybody's.
                Login::Chatgpt(_) => Err(LoginError::NotKept),
            };
        };
        let keep = login.clone();
        keeping.change(move |store| store.save(&keep)).await?;
        // A parent may have lent a token in the meantime.
        self.check_managed_login(scope)?;
        keeping.set_look(Look::From(Instant::now()));
        let account = self.account_of(keeping, &login);
        self.put_in_force(scope, &account);
        Ok(account)
    }

    /// Takes the current account away from new work, and forgets it where it is kept. What goes on under it goes on,
    /// until the caller says [`Account::log_out`]. A lent token is forgotten, and nothing that is kept is touched, except
    /// in strict mode.
    pub async fn log_out(&self, scope: Scope) -> Result<Option<Arc<Account>>, StoreError> {
        let keeping = self.keeping.as_ref().filter(|_| scope == Scope::default());
        let lent = self.current(scope).is_some_and(|account| account.mode() == Mode::External);
        // The reference takes a stored login away, too, when a lent token is given back.
        if let Some(keeping) = keeping.filter(|_| !lent || self.rules().strict) {
            let login = keeping.store.load().ok().flatten();
            keeping.change(|store| store.clear()).await?;
            if let Some(Login::Chatgpt(tokens)) = login.filter(|_| keeping.revoke) {
                keeping.revoke(tokens);
            }
        }
        if let Some(keeping) = keeping {
            keeping.set_look(Look::Never);
        }
        Ok(self.take_current(scope))
    }

    fn account_of(&self, keeping: &Keeping, login: &Login) -> Arc<Account> {
        match login {
            Login::ApiKey(key) => self.api_key_account(key.clone()),
            Login::Chatgpt(tokens) => {
                let snapshot: Snapshot = kept(tokens, &self.revisions);
                let renewal = Renewal::Kept(Kept::new(Arc::clone(&keeping.redeem), self.parent()));
                Account::new(Mode::Chatgpt, snapshot, Arc::clone(&self.revisions), Some(renewal))
            }
        }
    }
}

impl Keeping {
    fn should_look(&self) -> bool {
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match *look {
            Look::From(time) if time <= now => {
                *look = Look::From(now + LOOK_PAUSE);
                true
            }
            Look::From(_) | Look::Never => false,
        }
    }

    fn set_look(&self, look: Look) {
        *self.look.lock().unwrap_or_else(PoisonError::into_inner) = look;
    }

    /// Nobody waits for it: who logs out is logged out here.
    fn revoke(&self, tokens: Tokens) {
        let keeping = self.clone();
        tokio::spawn(async move {
            if let Err(error) = keeping.issuer.revoke(&keeping.http, &tokens).await {
                tracing::warn!(%error, "the issuer did not take the tokens back");
            }
        });
    }
}
