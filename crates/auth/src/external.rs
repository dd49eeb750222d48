//! The parent application, as far as this crate knows it: somebody who lends tokens and is asked for new
//! ones.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::token::AccessToken;

/// Who lent a token. The host chooses the numbers; here they are only compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(pub u64);

/// A token as it is lent.
#[derive(Clone)]
pub struct ExternalTokens {
    /// The token.
    pub access_token: AccessToken,
    /// The workspace that it is for.
    pub account_id: String,
    /// The plan in the parent's words. None: read from the token.
    pub plan: Option<String>,
}

/// What is asked of the parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRequest {
    /// Who lent the token that the backend refused.
    pub owner: OwnerId,
    /// The account that the new token must be for.
    pub account_id: String,
}

/// Why no token came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshFailure {
    /// The parent answered with an error; the code, if it gave one.
    Rejected(Option<i64>),
    /// The parent's answer was not of the agreed shape.
    Malformed,
    /// The parent has left.
    Gone,
}

/// How the host asks the parent.
pub trait ExternalAuth: Send + Sync + 'static {
    /// Asks for a new token. The future may stay unresolved for as long as the parent is silent: the
    /// deadline is kept by the caller, and a late answer is still of use.
    fn refresh(&self, request: RefreshRequest) -> BoxFuture<'static, Result<ExternalTokens, RefreshFailure>>;

    /// How long this owner may take.
    fn deadline(&self, owner: OwnerId) -> Duration;
}
