//! How an account gets a new credential: the one place that knows whether it is lent or kept.

mod kept;
mod parent;

use std::sync::Arc;

pub(crate) use self::kept::Kept;
pub(crate) use self::parent::Borrowing;
use crate::account::{Account, Landing, Why};
use crate::external::Waiters;
use crate::issuer::Reason;

/// How an account gets a new credential.
#[derive(Clone)]
pub(crate) enum Renewal {
    /// The parent is asked for another one.
    Lent(Borrowing),
    /// The issuer is, with the refresh token that is kept.
    Kept(Kept),
}

impl Renewal {
    /// Whether it is done ahead of the expiry.
    pub(crate) fn ahead(&self) -> bool {
        match self {
            Self::Lent(borrowing) => borrowing.rules.ahead,
            Self::Kept(_) => true,
        }
    }

    /// Whether it has failed for good.
    pub(crate) fn is_spent(&self) -> bool {
        match self {
            Self::Lent(_) => false,
            Self::Kept(kept) => kept.is_spent(),
        }
    }
}

impl Account {
    pub(crate) async fn renew(
        self: &Arc<Self>,
        renewal: &Renewal,
        rejected: u64,
        why: Why,
        waiters: Waiters,
    ) -> Landing {
        match renewal {
            Renewal::Lent(borrowing) => {
                let landing = self.ask_parent(borrowing, rejected, why == Why::ExpiresSoon, waiters).await;
                if let Landing::Ended(Err(failure)) = &landing {
                    tracing::warn!(%failure, "the parent gave no token that can be used");
                }
                landing
            }
            Renewal::Kept(kept) => {
                let reason = if why == Why::Asked { Reason::Forced } else { Reason::UnauthorizedRecovery };
                Landing::Ended(self.redeem(kept, reason).await)
            }
        }
    }
}
