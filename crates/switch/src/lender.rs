//! Answers an app server whose token was refused, and remembers which token of each account it has. Which account it
//! is to use is decided in `parent`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use valet_auth::{Account, Caller, Snapshot};
use valet_protocol::v2::ChatgptAuthTokensRefreshResponse;
use valet_protocol::{ErrorKind, ErrorObject, Secret};

use crate::wallet::Wallet;

/// For so long a token that was lent in answer to a refusal is lent again to whoever asks: the reference asks once for
/// each turn that was refused.
const ECHO: Duration = Duration::from_secs(10);

/// What was lent, by the account's id.
#[derive(Default)]
pub(crate) struct LentTokens(Mutex<HashMap<String, Entry>>);

#[derive(Clone)]
struct Entry {
    name: String,
    fingerprint: String,
    /// When it was lent in answer to a refusal.
    answered: Option<Instant>,
}

impl LentTokens {
    /// The app server gets this token by a login.
    pub(crate) fn note(&self, name: &str, lent: &Snapshot) {
        self.enter(name, lent, None);
    }

    fn enter(&self, name: &str, lent: &Snapshot, answered: Option<Instant>) {
        let entry = Entry { name: name.to_owned(), fingerprint: lent.token.fingerprint(), answered };
        // Values are replaced as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(account_id(lent), entry);
    }

    fn find(&self, account_id: &str) -> Option<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(account_id).cloned()
    }

    /// The name here of an account of which something was lent.
    pub(crate) fn name(&self, account_id: &str) -> Option<String> {
        self.find(account_id).map(|entry| entry.name)
    }

    /// Whether the token that an account has now is the one that was lent.
    pub(crate) fn holds(&self, account: &Account) -> bool {
        let now = account.snapshot();
        self.find(&account_id(&now)).is_some_and(|lent| lent.fingerprint == now.token.fingerprint())
    }
}

/// Whoever answers.
#[derive(Clone)]
pub(crate) struct Lender {
    pub(crate) wallet: Arc<Wallet>,
    pub(crate) lent_tokens: Arc<LentTokens>,
}

impl Lender {
    /// A token for the account that the refused one was for, and for no other.
    pub(crate) async fn answer(
        &self,
        refused_for: Option<String>,
    ) -> Result<ChatgptAuthTokensRefreshResponse, ErrorObject> {
        let refused =
            |why: String| ErrorObject { code: -32000, ..ErrorObject::internal(why).kind(ErrorKind::ReauthRequired) };
        let entry = refused_for.as_deref().and_then(|id| self.lent_tokens.find(id));
        let name = match (&entry, &refused_for) {
            (Some(entry), _) => entry.name.clone(),
            (None, Some(id)) => {
                let found = self.wallet.by_account_id(id).map_err(|error| refused(error.to_string()))?;
                found.ok_or_else(|| refused(format!("no login here is of the account {id}")))?
            }
            (None, None) => self.wallet.active().map_err(|error| refused(error.to_string()))?,
        };
        let account = self.wallet.account(&name).await.map_err(|error| refused(error.to_string()))?;
        let again = entry.as_ref().and_then(|entry| entry.answered).is_some_and(|at| at.elapsed() < ECHO);
        let snapshot = if self.lent_tokens.holds(&account) && !again {
            let renewed = account.recover(account.snapshot().revision, &Caller::Program).await;
            renewed.map_err(|failure| refused(failure.message))?
        } else {
            account.snapshot()
        };
        self.lent_tokens.enter(&name, &snapshot, Some(Instant::now()));
        Ok(ChatgptAuthTokensRefreshResponse {
            access_token: Secret::new(snapshot.token.expose()),
            chatgpt_account_id: account_id(&snapshot),
            chatgpt_plan_type: snapshot.profile.plan.clone(),
        })
    }
}

/// Whose a credential is, in the backend's words.
pub(crate) fn account_id(snapshot: &Snapshot) -> String {
    snapshot.identity.as_ref().map(|identity| identity.account_id.clone()).unwrap_or_default()
}
