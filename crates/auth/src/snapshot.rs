//! A credential at one moment, and what it says about its holder.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::claims::{Claims, ClaimsError};
use crate::external::{ExternalTokens, OwnerId};
use crate::store::Tokens;
use crate::token::AccessToken;

/// A token that does not say when it expires is renewed after so long.
const WITHOUT_EXPIRY_S: i64 = 8 * 24 * 3600;

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The workspace.
    pub account_id: String,
    /// The person, when the token names one.
    pub user_id: Option<String>,
}

impl Identity {
    /// Whether both are the same as far as both say: an unnamed person may be anybody.
    pub fn matches(&self, other: &Self) -> bool {
        let same_user = match (&self.user_id, &other.user_id) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        };
        self.account_id == other.account_id && same_user
    }
}

/// What a credential says about its holder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The mail address.
    pub email: Option<String>,
    /// The plan in the parent's or the token's words.
    pub plan: Option<String>,
    /// When the token expires, in unix seconds.
    pub expires_at: Option<i64>,
}

/// A credential at one moment. Never changed, only replaced.
pub struct Snapshot {
    /// Grows with every login and refresh of the process.
    pub revision: u64,
    /// The bearer credential.
    pub token: AccessToken,
    /// Whom it speaks for; an API key does not say.
    pub identity: Option<Identity>,
    /// What it says about its holder.
    pub profile: Profile,
    /// Who lent it.
    pub owner: Option<OwnerId>,
    /// Another process had it from the issuer.
    pub(crate) found: bool,
}

impl Snapshot {
    /// Of a lent token.
    pub(crate) fn of_lent(tokens: ExternalTokens, owner: OwnerId, revisions: &AtomicU64) -> Result<Self, ClaimsError> {
        let claims = Claims::of(tokens.access_token.expose())?;
        Ok(Self {
            revision: next_number(revisions),
            token: tokens.access_token,
            identity: Some(Identity { account_id: tokens.account_id, user_id: claims.user_id }),
            profile: Profile { email: claims.email, plan: tokens.plan.or(claims.plan), expires_at: claims.expires_at },
            owner: Some(owner),
            found: false,
        })
    }

    /// Of tokens that are kept.
    pub(crate) fn of_kept(tokens: &Tokens, revisions: &AtomicU64) -> Self {
        let id = Claims::of(tokens.id.expose()).unwrap_or_default();
        let access = Claims::of(tokens.access.expose()).unwrap_or_default();
        let account_id = tokens.account_id.clone().or(id.account_id).or(access.account_id).unwrap_or_default();
        Self {
            revision: next_number(revisions),
            token: tokens.access.clone(),
            identity: Some(Identity { account_id, user_id: id.user_id.or(access.user_id) }),
            profile: Profile {
                email: id.email.or(access.email),
                plan: id.plan.or(access.plan),
                expires_at: access.expires_at.or_else(|| Some(tokens.issued_at? + WITHOUT_EXPIRY_S)),
            },
            owner: None,
            found: false,
        }
    }

    /// Whether both are of the same login, which may have been renewed in between.
    pub(crate) fn has_holder_of(&self, other: &Self) -> bool {
        match (&self.identity, &other.identity) {
            (Some(one), Some(other)) => one.matches(other),
            _ => self.token == other.token,
        }
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("revision", &self.revision).finish_non_exhaustive()
    }
}

/// The next number, from 1.
pub(crate) fn next_number(numbers: &AtomicU64) -> u64 {
    numbers.fetch_add(1, Ordering::Relaxed) + 1
}
