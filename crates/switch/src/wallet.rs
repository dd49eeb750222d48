//! The accounts of a home: which there are, which one is used, and a token of each that is good for a while. They lie
//! where the commands for logins and the hosts of the home expect them, and other processes move them at any time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use valet_auth::store::{CredentialStore, Login, OfAccount, PATIENCE, Shelf, Shelving, StoreError};
use valet_auth::{
    Account, AuthFailure, AuthFailureKind, AuthManager, Caller, HttpClient, Keeping, LoginError, Redeemer, Rules,
    Scope, issuer::Issuer,
};

/// Where the accounts are, and who issues them.
pub struct Parts {
    /// Where the login is that is used.
    pub store: Arc<dyn CredentialStore>,
    /// Where the others are.
    pub shelf: Shelf,
    /// What they are allowed to be.
    pub rules: Rules,
    /// Who issues them.
    pub issuer: Issuer,
    /// How the issuer and the backend are reached.
    pub http: Arc<HttpClient>,
    /// What renews their tokens. None: this process, which must not be killed meanwhile.
    pub redeemer: Option<Redeemer>,
}

/// The accounts of a home.
pub struct Wallet {
    parts: Parts,
    /// By name, those that were asked for.
    managers: Mutex<HashMap<String, Arc<AuthManager>>>,
}

/// How an account came to be the one that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activated {
    /// It took the place of another one.
    Now,
    /// It had been that before.
    Already,
}

/// Why an account cannot be had. A sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// There is no login that is used.
    #[error("nobody is logged in; `valet login` makes a login, and `valet accounts use` takes one of several")]
    Nobody,
    /// The login that is used is none of a subscription.
    #[error("the login that is used is an API key, which cannot be lent; `valet accounts use` takes another one")]
    ApiKey,
    /// It was removed, or there never was one of that name.
    #[error("no ChatGPT login is called `{0}`; `valet accounts list` says which there are")]
    Unknown(String),
    /// The configuration does not allow it.
    #[error(transparent)]
    Refused(#[from] LoginError),
    /// What is kept cannot be read, or nothing can be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It has no good token, and none was to be had.
    #[error(transparent)]
    Auth(#[from] AuthFailure),
}

impl WalletError {
    /// Whether nothing but a person can help: by a new login, or another configuration.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Nobody | Self::ApiKey | Self::Unknown(_) | Self::Refused(_) => true,
            Self::Store(error) => {
                !matches!(error, StoreError::Io { .. } | StoreError::Locked { .. } | StoreError::Keyring(_))
            }
            Self::Auth(failure) => failure.kind != AuthFailureKind::Issuer,
        }
    }
}

impl Wallet {
    /// Nothing is read yet.
    pub fn new(parts: Parts) -> Self {
        Self { parts, managers: Mutex::default() }
    }

    /// How the backend is reached.
    pub fn http(&self) -> &HttpClient {
        &self.parts.http
    }

    /// The names of the ChatGPT logins that the rules allow, the one that is used first. One that cannot be read is
    /// among them: whoever asks for it is told why. Reads a few small files.
    pub fn names(&self) -> Result<Vec<String>, WalletError> {
        let Parts { store, shelf, .. } = &self.parts;
        let used = store.load()?.map(|login| (login.name(), self.serves(&login)));
        let mut names = shelf.names_after(used.as_ref().map(|(name, _)| name.as_str()))?;
        names.retain(|name| match &used {
            Some((used, serves)) if used == name => *serves,
            _ => shelf.get(name).map_or(true, |login| login.is_some_and(|login| self.serves(&login))),
        });
        Ok(names)
    }

    fn serves(&self, login: &Login) -> bool {
        matches!(login, Login::Chatgpt(_)) && self.parts.rules.check(login).is_ok()
    }

    /// The name of the login that is used.
    pub fn active(&self) -> Result<String, WalletError> {
        let login = self.parts.store.load()?.ok_or(WalletError::Nobody)?;
        if matches!(login, Login::ApiKey(_)) {
            return Err(WalletError::ApiKey);
        }
        self.parts.rules.check(&login)?;
        Ok(login.name())
    }

    /// Makes a login, also an API key, the one that is used; the one that was stays beside it. Blocks while another
    /// process writes.
    pub fn activate(&self, name: &str) -> Result<Activated, WalletError> {
        let Parts { store, shelf, rules, .. } = &self.parts;
        let shelving = Shelving::new(Arc::clone(store), shelf.clone());
        let locked = shelving.lock(PATIENCE)?;
        if locked.load()?.is_some_and(|login| login.name() == name) {
            return Ok(Activated::Already);
        }
        let login = shelf.get(name)?.ok_or_else(|| WalletError::Unknown(name.to_owned()))?;
        rules.check(&login)?;
        locked.save(&login)?;
        Ok(Activated::Now)
    }

    /// The account of that name: the same one for everybody, until it cannot go on. When this returns, its token is
    /// good for some minutes if one can be had, and if not, it has not expired.
    pub async fn account(&self, name: &str) -> Result<Arc<Account>, WalletError> {
        let unknown = || WalletError::Unknown(name.to_owned());
        let place = self.place(name);
        // What was removed meanwhile is nobody's to use, however long its token would be good.
        match place.load()? {
            Some(login @ Login::Chatgpt(_)) => self.parts.rules.check(&login)?,
            Some(Login::ApiKey(_)) | None => {
                self.managers().remove(name);
                return Err(unknown());
            }
        }
        let manager = Arc::clone(self.managers().entry(name.to_owned()).or_insert_with(|| self.manager(place)));
        let account = manager.current(Scope::default()).ok_or_else(unknown)?;
        account.fresh(&Caller::Program).await?;
        Ok(account)
    }

    /// The name of an account of that workspace: of the one that is used, if it is theirs, else of the first one.
    pub fn by_account_id(&self, account_id: &str) -> Result<Option<String>, WalletError> {
        let is_theirs = |name: &String| {
            let login = self.place(name).load().ok().flatten();
            matches!(login, Some(Login::Chatgpt(tokens)) if tokens.account_id.as_deref() == Some(account_id))
        };
        Ok(self.names()?.into_iter().find(is_theirs))
    }

    fn place(&self, name: &str) -> OfAccount {
        OfAccount::new(Arc::clone(&self.parts.store), self.parts.shelf.clone(), name)
    }

    fn manager(&self, place: OfAccount) -> Arc<AuthManager> {
        let Parts { issuer, http, rules, redeemer, .. } = &self.parts;
        let keeping = Keeping::new(Arc::new(place), issuer.clone(), Arc::clone(http), false);
        let keeping = match redeemer {
            Some(program) => keeping.redeemed_by(program.clone()),
            None => keeping,
        };
        Arc::new(AuthManager::of(keeping, rules.clone()))
    }

    fn managers(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<AuthManager>>> {
        // Nothing under this lock can panic half-way.
        self.managers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
