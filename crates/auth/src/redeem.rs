//! A refresh in company. Of all the processes that share a store one redeems the refresh token, under the lock of the
//! store; the others find what it brought.

mod apart;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

pub(crate) use apart::Apart;
pub use apart::{Outcome, Redeemer};

use crate::http::HttpClient;
use crate::issuer::{Issuer, IssuerError, Permanent, Reason};
use crate::store::{CredentialStore, Locked, Login, PATIENCE, StoreError, Tokens};

/// What is asked for. It holds no secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Redemption {
    /// The name of the account whose login it is, wherever that is kept. None: the one that is used.
    #[serde(default)]
    pub name: Option<String>,
    /// The fingerprint of the access token that is of no use any more.
    pub rejected: String,
    /// The workspace that the tokens must be for.
    pub account_id: Option<String>,
    /// A refresh token that is known to be no good, by its fingerprint, and why.
    pub spent: Option<(String, Permanent)>,
    /// What the issuer is told.
    pub reason: Reason,
}

/// Why there are no new tokens.
#[derive(Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RedeemError {
    /// The issuer will never take this refresh token again.
    #[error("{permanent}")]
    Permanent {
        /// Which one.
        fingerprint: String,
        /// Why.
        permanent: Permanent,
    },
    /// Nobody is logged in any more, or somebody else is.
    #[error("somebody else is logged in")]
    Other,
    /// The issuer gave nothing, and may the next time; or what is kept cannot be read, or nothing can be kept.
    #[error("{0}")]
    Failed(String),
}

impl From<IssuerError> for RedeemError {
    fn from(error: IssuerError) -> Self {
        // What it says may be anything; people are told what it comes to.
        if let IssuerError::Refused { status, detail } = &error {
            tracing::warn!(%status, detail, "the issuer gave no new tokens");
            return Self::Failed(status.to_string());
        }
        Self::Failed(error.to_string())
    }
}

impl From<StoreError> for RedeemError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What there is now.
#[derive(Debug)]
pub struct Redeemed {
    /// Newer tokens than the rejected ones.
    pub tokens: Tokens,
    /// Another process had put them there. The backend may know better about them.
    pub found: bool,
}

/// Who redeems.
pub trait Redeem: Send + Sync + 'static {
    /// Gets newer tokens than the rejected one.
    fn redeem(&self, request: Redemption) -> BoxFuture<'static, Result<Redeemed, RedeemError>>;
}

/// Redeems in this process.
pub struct InProcess {
    /// Where the login is kept.
    pub store: Arc<dyn CredentialStore>,
    /// Who issued it.
    pub issuer: Issuer,
    /// How the issuer is reached.
    pub http: Arc<HttpClient>,
}

impl Redeem for InProcess {
    fn redeem(&self, request: Redemption) -> BoxFuture<'static, Result<Redeemed, RedeemError>> {
        let (store, issuer, http) = (Arc::clone(&self.store), self.issuer.clone(), Arc::clone(&self.http));
        let runtime = Handle::current();
        // Locks and files block. Once begun, it ends: nobody may drop it between the issuer and the store.
        let redeemed = tokio::task::spawn_blocking(move || {
            let renew = |old: &Tokens| runtime.block_on(issuer.refresh(&http, old, request.reason));
            redeem(&*store, &request, renew)
        });
        async move { redeemed.await.unwrap_or_else(|error| Err(RedeemError::Failed(error.to_string()))) }.boxed()
    }
}

/// Redeems, unless somebody was faster. To be called where it may block.
pub fn redeem(
    store: &dyn CredentialStore,
    request: &Redemption,
    renew: impl FnOnce(&Tokens) -> Result<Tokens, IssuerError>,
) -> Result<Redeemed, RedeemError> {
    let locked = store.lock(PATIENCE)?;
    let kept = of_account(locked.load()?, request)?;
    if kept.access.fingerprint() != request.rejected && !has_expired(&kept) {
        tracing::info!("another process has renewed the token");
        return Ok(Redeemed { tokens: kept, found: true });
    }
    let fingerprint = kept.refresh.fingerprint();
    if let Some((_, permanent)) = request.spent.as_ref().filter(|(spent, _)| *spent == fingerprint) {
        return Err(RedeemError::Permanent { fingerprint, permanent: *permanent });
    }
    // What could not be kept is not asked for: the old token would be spent, and the new one lost.
    locked.save(&Login::Chatgpt(kept.clone()))?;
    match renew(&kept) {
        Ok(renewed) => {
            keep(&*locked, &renewed);
            Ok(Redeemed { tokens: renewed, found: false })
        }
        Err(IssuerError::Permanent(permanent)) => {
            // A program that does not know the lock may have been faster.
            match of_account(locked.load()?, request) {
                Ok(moved_on) if moved_on.refresh != kept.refresh => Ok(Redeemed { tokens: moved_on, found: true }),
                _ => Err(RedeemError::Permanent { fingerprint, permanent }),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The tokens that are kept, if they are those of the account that is asked for.
fn of_account(login: Option<Login>, request: &Redemption) -> Result<Tokens, RedeemError> {
    match login {
        Some(Login::Chatgpt(tokens)) if request.account_id.is_none() || tokens.account_id == request.account_id => {
            Ok(tokens)
        }
        _ => Err(RedeemError::Other),
    }
}

fn has_expired(tokens: &Tokens) -> bool {
    tokens.expires_at().is_some_and(|expires_at| expires_at <= Utc::now().timestamp())
}

/// It could be kept a moment ago. If it cannot be now, it is good for as long as this process lives.
fn keep(locked: &dyn Locked, renewed: &Tokens) {
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(100);
    for left in (0..TRIES).rev() {
        match locked.save(&Login::Chatgpt(renewed.clone())) {
            Ok(()) => return,
            Err(_) if left > 0 => std::thread::sleep(PAUSE),
            Err(error) => tracing::error!(%error, "the new login could not be kept; log in again before the host ends"),
        }
    }
}

#[cfg(test)]
mod tests;
