//! The issuer's tokens: a limited number of uses, a limited life, and who may pass.
//! It decides; the HTTP form of a refusal is in `http`, how people log in is in `issuer`.

mod book;
mod grant;
mod identity;

use std::{
    fmt,
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

pub use grant::{Grant, GrantKind, GrantedRefresh, Redemption, RefreshState};
pub use identity::Identity;

use crate::{log::fingerprint, script::TokenPolicy, shared::lock, step::millis};
use book::Book;
use grant::Family;

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
        let Identity { account, user, email, plan } = Identity::default();
        Self { account, user, email, plan, uses: None, lifetime: None }
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
    /// Tells the client whom it serves.
    pub id_token: String,
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
    /// Seconds from its issue until then.
    #[serde(skip)]
    pub expires_in: u64,
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

/// Why a refresh token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefreshError {
    #[error("The refresh token was used before.")]
    Reused,
    #[error("The refresh token has expired.")]
    Expired,
    #[error("The refresh token was revoked.")]
    Revoked,
    #[error("The refresh token was not issued by this sim.")]
    Unknown,
    #[error("The refresh token was issued to another client.")]
    OtherClient,
}

impl RefreshError {
    /// The issuer's `error.code`.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Reused => "refresh_token_reused",
            Self::Expired => "refresh_token_expired",
            Self::Revoked | Self::Unknown => "refresh_token_invalidated",
            Self::OtherClient => "invalid_grant",
        }
    }
}

/// What a client says when it refreshes.
pub(crate) struct RefreshRequest<'a> {
    pub(crate) refresh_token: &'a str,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Expired,
    Revoked,
    Unknown,
    BadKey,
    Missing,
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

impl TokenIssuer {
    pub(crate) fn new(policy: TokenPolicy) -> Self {
        Self { book: Mutex::new(Book::new(policy)) }
    }

    /// Issues a token, which begins a grant that any client may refresh. Each one is different,
    /// also for equal requests.
    pub fn issue(&self, request: TokenRequest) -> IssuedToken {
        let TokenRequest { account, user, email, plan, uses, lifetime } = request;
        let owner = Identity { account, user, email, plan };
        lock(&self.book).grant(Family::new(GrantKind::Issued, owner, None), uses, lifetime)
    }

    /// The tokens of a login.
    pub(crate) fn grant(&self, kind: GrantKind, owner: Identity, client_id: String) -> IssuedToken {
        lock(&self.book).grant(Family::new(kind, owner, Some(client_id)), None, None)
    }

    /// Makes every credential seen so far, issued here or accepted from elsewhere, refused from
    /// now on. Returns how many were still good.
    pub fn expire_all(&self) -> usize {
        lock(&self.book).expire_all()
    }

    /// Makes a credential refused from now on, also one not issued here.
    pub fn expire(&self, token: &str) {
        lock(&self.book).expire(token);
    }

    /// Ends the time of a refresh token, given as it is or as its [`fingerprint`]. Returns whether
    /// there is such a token.
    pub fn expire_refresh(&self, token: &str) -> bool {
        lock(&self.book).expire_refresh(token)
    }

    /// Revokes the grant of an access or refresh token, given as it is or as its [`fingerprint`].
    /// Returns whether there is such a token.
    pub fn revoke(&self, token: &str) -> bool {
        lock(&self.book).revoke(token)
    }

    /// The grants so far, in order.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        lock(&self.book).grants()
    }

    pub(crate) fn refresh(&self, request: &RefreshRequest<'_>) -> Result<IssuedToken, RefreshError> {
        lock(&self.book).refresh(request)
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
        lock(&self.book).admit_side_call(bearer)
    }
}

/// Seconds since 1970; 0 for times before.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Milliseconds since 1970; 0 for times before.
pub(crate) fn unix_millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, millis)
}
