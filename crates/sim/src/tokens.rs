//! The issuer: tokens with a limited number of uses and a limited life, and who may pass.
//! It decides; the HTTP form of a refusal is in `http`.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{jwt, log::fingerprint, script::TokenPolicy, shared::lock};

/// What a token is to say and how long it is to last. See [`TokenRequest::default`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The account (workspace) id.
    pub account: String,
    /// The user id.
    pub user: String,
    /// The user's email address.
    pub email: String,
    /// The plan, for example `pro`.
    pub plan: String,
    /// Turn requests the token is good for; `None`: as the script says. `u64::MAX` has no end.
    pub uses: Option<u64>,
    /// Time until it expires by the clock; `None`: as the script says.
    pub lifetime: Option<Duration>,
}

/// Account `acct-1`, user `user-1`, `user@example.com`, plan `pro`.
impl Default for TokenRequest {
    fn default() -> Self {
        Self {
            account: "acct-1".to_owned(),
            user: "user-1".to_owned(),
            email: "user@example.com".to_owned(),
            plan: "pro".to_owned(),
            uses: None,
            lifetime: None,
        }
    }
}

impl TokenRequest {
    /// The defaults, for another account.
    pub fn account(account: impl Into<String>) -> Self {
        Self { account: account.into(), ..Self::default() }
    }

    /// Sets the plan.
    #[must_use]
    pub fn plan(mut self, plan: impl Into<String>) -> Self {
        self.plan = plan.into();
        self
    }

    /// Sets the number of turn requests the token is good for.
    #[must_use]
    pub fn uses(mut self, uses: u64) -> Self {
        self.uses = Some(uses);
        self
    }

    /// Sets the time until the token expires by the clock.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }
}

/// A token as handed out. `Debug` shows fingerprints only; serialised it is the body of the
/// control endpoint and holds the tokens.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuedToken {
    /// The bearer token.
    pub access_token: String,
    /// The account id.
    #[serde(rename = "chatgptAccountId")]
    pub account_id: String,
    /// The user id.
    pub user_id: String,
    /// The user's email address.
    pub email: String,
    /// The plan.
    #[serde(rename = "chatgptPlanType")]
    pub plan: String,
    /// When it expires by the clock, in unix seconds.
    pub expires_at: u64,
    /// Good for one call of `POST /oauth/token`.
    pub refresh_token: String,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("access_token", &fingerprint(&self.access_token))
            .field("account_id", &self.account_id)
            .field("user_id", &self.user_id)
            .field("plan", &self.plan)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why a refresh token is refused. The text is the issuer's `error_description`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// It was redeemed before.
    #[error("refresh_token_reused")]
    Reused,
    /// It was not issued here.
    #[error("refresh_token_invalidated")]
    Unknown,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Expired,
    Unknown,
    BadKey,
    Missing,
}

/// Who a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) account: String,
    pub(crate) user: String,
    pub(crate) email: String,
    pub(crate) plan: String,
}

/// Issues tokens and knows which are still good. Part of a [`Sim`](crate::Sim).
pub struct TokenIssuer {
    book: Mutex<Book>,
}

/// Shows nothing: the book is made of secrets.
impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Book {
    policy: TokenPolicy,
    credentials: HashMap<String, Credential>,
    accounts: HashSet<String>,
    refresh_tokens: HashMap<String, RefreshToken>,
}

struct Credential {
    uses_left: Option<u64>,
    expires: Option<SystemTime>,
    revoked: bool,
}

struct RefreshToken {
    identity: Identity,
    redeemed: bool,
}

impl Credential {
    /// A credential that came from elsewhere: good until it is expired by hand.
    const fn foreign() -> Self {
        Self { uses_left: None, expires: None, revoked: false }
    }

    fn is_expired(&self) -> bool {
        self.revoked || self.expires.is_some_and(|expires| expires <= SystemTime::now())
    }

    fn spend(&mut self) -> Result<(), Refusal> {
        if self.is_expired() || self.uses_left == Some(0) {
            return Err(Refusal::Expired);
        }
        self.uses_left = self.uses_left.map(|left| left - 1);
        Ok(())
    }
}

impl TokenIssuer {
    pub(crate) fn new(policy: TokenPolicy) -> Self {
        Self { book: Mutex::new(Book { policy, ..Book::default() }) }
    }

    /// Issues a token. Each one is different, also for equal requests.
    pub fn issue(&self, request: TokenRequest) -> IssuedToken {
        let TokenRequest { account, user, email, plan, uses, lifetime } = request;
        lock(&self.book).issue(Identity { account, user, email, plan }, uses, lifetime)
    }

    /// Makes every credential seen so far, issued here or accepted from elsewhere, refused from
    /// now on. Returns how many were still good.
    pub fn expire_all(&self) -> usize {
        let mut book = lock(&self.book);
        let good = book.credentials.values_mut().filter(|credential| !credential.is_expired());
        good.map(|credential| credential.revoked = true).count()
    }

    /// Makes a credential refused from now on, also one not issued here.
    pub fn expire(&self, token: &str) {
        let mut book = lock(&self.book);
        let entry = book.credentials.entry(token.to_owned()).or_insert_with(Credential::foreign);
        entry.revoked = true;
    }

    /// Redeems a refresh token: a new access token of the same identity and a new refresh token.
    pub fn refresh(&self, refresh_token: &str) -> Result<IssuedToken, RefreshError> {
        let mut book = lock(&self.book);
        let entry = book.refresh_tokens.get_mut(refresh_token).ok_or(RefreshError::Unknown)?;
        if entry.redeemed {
            return Err(RefreshError::Reused);
        }
        entry.redeemed = true;
        let identity = entry.identity.clone();
        Ok(book.issue(identity, None, None))
    }

    pub(crate) fn set_policy(&self, policy: TokenPolicy) {
        lock(&self.book).policy = policy;
    }

    /// Decides about a turn request, and counts it.
    pub(crate) fn admit_turn(&self, bearer: Option<&str>) -> Result<(), Refusal> {
        lock(&self.book).admit_turn(bearer)
    }

    /// Decides about a side call. It never counts as a use.
    pub(crate) fn admit_side_call(&self, bearer: Option<&str>) -> Result<(), Refusal> {
        let book = lock(&self.book);
        let expired = bearer.and_then(|token| book.credentials.get(token)).is_some_and(Credential::is_expired);
        if book.policy.refuse_everywhere && expired { Err(Refusal::Expired) } else { Ok(()) }
    }
}

impl Book {
    fn issue(&mut self, identity: Identity, uses: Option<u64>, lifetime: Option<Duration>) -> IssuedToken {
        let now = SystemTime::now();
        let expires = now + lifetime.unwrap_or(Duration::from_millis(self.policy.lifetime_ms));
        let expires_at = unix_seconds(expires);
        let access_token = jwt::encode(&identity.claims(unix_seconds(now), expires_at));
        let refresh_token = format!("rt_{}", Uuid::new_v4().simple());

        let is_first = self.accounts.insert(identity.account.clone());
        let by_policy = if is_first { self.policy.first_uses.or(self.policy.uses) } else { self.policy.uses };
        let credential = Credential { uses_left: uses.or(by_policy), expires: Some(expires), revoked: false };
        self.credentials.insert(access_token.clone(), credential);
        self.refresh_tokens.insert(refresh_token.clone(), RefreshToken { identity: identity.clone(), redeemed: false });

        let Identity { account, user, email, plan } = identity;
        IssuedToken { access_token, account_id: account, user_id: user, email, plan, expires_at, refresh_token }
    }

    fn admit_turn(&mut self, bearer: Option<&str>) -> Result<(), Refusal> {
        let Some(token) = bearer else {
            return if self.policy.anonymous { Ok(()) } else { Err(Refusal::Missing) };
        };
        if let Some(credential) = self.credentials.get_mut(token) {
            return credential.spend();
        }
        if jwt::decode(token).is_some() {
            if !self.policy.accept_unknown {
                return Err(Refusal::Unknown);
            }
        } else if let Some(keys) = &self.policy.api_keys
            && !keys.iter().any(|key| key == token)
        {
            return Err(Refusal::BadKey);
        }
        self.credentials.insert(token.to_owned(), Credential::foreign());
        Ok(())
    }
}

impl Identity {
    /// What a token says about its owner, whoever issued it.
    pub(crate) fn of_token(token: &str) -> Option<Self> {
        let claims = jwt::decode(token)?;
        let auth = &claims["https://api.openai.com/auth"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Some(Self {
            account: text(&auth["chatgpt_account_id"]),
            user: text(&auth["chatgpt_user_id"]),
            email: text(&claims["email"]),
            plan: text(&auth["chatgpt_plan_type"]),
        })
    }

    fn claims(&self, issued_at: u64, expires_at: u64) -> Value {
        json!({
            "email": self.email,
            "exp": expires_at,
            "iat": issued_at,
            "jti": Uuid::new_v4(),
            "https://api.openai.com/auth": {
                "chatgpt_plan_type": self.plan,
                "chatgpt_account_id": self.account,
                "chatgpt_user_id": self.user,
            },
            "https://api.openai.com/profile": {"email": self.email},
        })
    }
}

/// Seconds since 1970; 0 for times before.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
