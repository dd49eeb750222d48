//! What all connections of one sim share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::{ids::Ids, issuer::Issuer, log::RequestLog, playback::Playback, script::Script, tokens::TokenIssuer};

/// The state behind a [`Sim`](crate::Sim) and its endpoints.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) playback: Playback,
    pub(crate) tokens: TokenIssuer,
    pub(crate) issuer: Issuer,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) ids: Ids,
    pub(crate) stop: Stop,
}

impl Shared {
    /// Starts another script. Tokens, logins, ids and the log stay.
    pub(crate) fn replace_script(&self, script: Script) {
        self.tokens.set_policy(script.tokens.clone());
        self.issuer.set_policy(script.issuer.clone());
        self.playback.replace(script);
    }
}

/// The end of the sim, to be awaited anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Stop(pub(crate) watch::Receiver<bool>);

impl Stop {
    /// Returns when the sim stops or its last handle is dropped.
    pub(crate) async fn reached(&mut self) {
        // An error means that the sender is gone, which is the end as well.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// Locks, also after a panic elsewhere: the states here are whole after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
