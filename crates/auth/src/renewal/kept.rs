//! A login that the host owns is renewed: from the store to the credential that is put in place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::account::Account;
use crate::external::ExternalAuth;
use crate::failure::{AuthFailure, AuthFailureKind};
use crate::issuer::{Permanent, Reason};
use crate::redeem::{Redeem, RedeemError, Redeemed, Redemption};
use crate::snapshot::Snapshot;

/// Where new tokens come from.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) redeem: Arc<dyn Redeem>,
    /// Who wants to know.
    told: Arc<dyn ExternalAuth>,
    /// A refresh token that will never be good again, by its fingerprint.
    spent: Arc<Mutex<Option<(String, Permanent)>>>,
}

impl Kept {
    pub(crate) fn new(redeem: Arc<dyn Redeem>, told: Arc<dyn ExternalAuth>) -> Self {
        Self { redeem, told, spent: Arc::default() }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.spent().is_some()
    }

    fn spent(&self) -> MutexGuard<'_, Option<(String, Permanent)>> {
        // The value is replaced as a whole.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// Gets the tokens that another process has put into the store, or else new ones from the issuer.
    pub(super) async fn redeem(&self, kept: &Kept, reason: Reason) -> Result<(), AuthFailure> {
        let before = self.snapshot();
        let request = Redemption {
            name: None,
            rejected: before.token.fingerprint(),
            account_id: before.identity.as_ref().map(|known| known.account_id.clone()).filter(|id| !id.is_empty()),
            spent: kept.spent().clone(),
            reason,
        };
        match kept.redeem.redeem(request).await {
            Ok(Redeemed { tokens, found }) => {
                let snapshot = Snapshot { found, ..Snapshot::of_kept(&tokens, self.revisions()) };
                tracing::info!(
                    revision = snapshot.revision,
                    token = snapshot.token.fingerprint(),
                    "a token was renewed"
                );
                *kept.spent() = None;
                kept.told.renewed(&before, &snapshot);
                self.replace(snapshot);
                Ok(())
            }
            Err(error) => {
                if let RedeemError::Permanent { fingerprint, permanent } = &error {
                    let refused = Some((fingerprint.clone(), *permanent));
                    // Who asks again hears it again, and the log does not.
                    if std::mem::replace(&mut *kept.spent(), refused.clone()) != refused {
                        tracing::warn!(token = fingerprint, reason = %permanent, "a login is refused for good: log in again");
                    }
                }
                Err(failure(&error))
            }
        }
    }
}

/// In the words of the reference where it has any.
fn failure(error: &RedeemError) -> AuthFailure {
    let spent = AuthFailureKind::Spent;
    match error {
        RedeemError::Permanent { permanent, .. } => AuthFailure::new(spent, permanent.to_string()),
        RedeemError::Other => AuthFailure::new(
            spent,
            "Your access token could not be refreshed because you have since logged out or signed in to another \
             account. Please sign in again.",
        ),
        RedeemError::Failed(why) => {
            AuthFailure::new(AuthFailureKind::Issuer, format!("Failed to refresh token: {why}"))
        }
    }
}
