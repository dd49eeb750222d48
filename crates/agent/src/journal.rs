//! Whoever keeps what the model is given, so that another process can go on with the conversation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use valet_auth::Account;

use crate::failure::Failure;
use crate::prompt::Scene;
use crate::settings::Provider;

/// Keeps what the model is given. Called in order from the conversation's task; may write to a disk, and no longer.
/// What could not be kept is tried again with whatever comes next.
pub trait Journal: Send + Sync + 'static {
    /// What holds for the items from here on.
    fn set_context(&self, turn_id: &str, context: &Context);

    /// Items were added to what the model is given.
    fn remember(&self, items: &[Arc<RawValue>]);

    /// The conversation so far was summed up, and goes on from these items.
    fn replace(&self, summary: &str, items: &[Arc<RawValue>]);

    /// Whether all of that is kept.
    ///
    /// # Errors
    ///
    /// Something is not: what the model does next would be lost with it.
    fn check(&self) -> Result<(), Failure>;
}

/// What a journal keeps beside the items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// What the model was told of the place where it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scene: Option<Scene>,
    /// Whose reasoning the items hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payer: Option<Payer>,
}

/// What tells payers apart: the account of a subscription, or the key. Of a key nothing is ever written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Payer {
    Account(String),
    Key(#[serde(skip)] Option<String>),
    /// Whoever pays: what a provider of chat completions has thought, and its ids, are of use to no other.
    Provider(String),
}

impl Payer {
    /// None: who pays for nothing has nothing of its own in the history.
    pub(crate) fn of(provider: &Provider, account: Option<&Account>) -> Option<Self> {
        if provider.wire.keeps_to_provider() {
            return Some(Self::Provider(provider.id.clone()));
        }
        let snapshot = account?.snapshot();
        Some(match &snapshot.identity {
            Some(identity) => Self::Account(identity.account_id.clone()),
            None => Self::Key(Some(snapshot.token.fingerprint())),
        })
    }
}

impl PartialEq for Payer {
    /// A key that was not written down may be any key.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Account(one), Self::Account(other)) | (Self::Provider(one), Self::Provider(other)) => one == other,
            (Self::Key(Some(one)), Self::Key(Some(other))) => one == other,
            (Self::Key(_), Self::Key(_)) => true,
            _ => false,
        }
    }
}

impl Eq for Payer {}
