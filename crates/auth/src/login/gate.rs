//! What comes back from the issuer, by the browser or pasted by hand, and who lets it in.

use std::sync::{Arc, Mutex, PoisonError};

use subtle::ConstantTimeEq;
use tokio::sync::{mpsc, oneshot};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

/// What a person is shown when it is over.
pub(super) type Shown = Result<(), String>;

/// A code that the issuer has sent, or its refusal.
pub(super) struct Callback {
    pub(super) code: Result<Zeroizing<String>, String>,
    /// Who waits to be shown the outcome.
    pub(super) show: oneshot::Sender<Shown>,
}

/// Why something that came was not let in. The texts are those of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not the answer to this login, or not the first one.
    #[error("State mismatch")]
    State,
    /// It holds neither a code nor an error.
    #[error("Missing authorization code")]
    Code,
    /// What was pasted is no URL of this login's.
    #[error("this is not the address that the browser was sent to")]
    Address,
}

/// Lets one answer in: the first that knows the state.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    state: Zeroizing<String>,
    redirect_uri: String,
    /// None: somebody was let in.
    callbacks: Mutex<Option<mpsc::Sender<Callback>>>,
}

impl Gate {
    pub(super) fn new(state: Zeroizing<String>, redirect_uri: String) -> (Self, mpsc::Receiver<Callback>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(Arc::new(Inner { state, redirect_uri, callbacks: Mutex::new(Some(sender)) })), receiver)
    }

    /// Takes the address that a browser on another machine ended at and could not open. Returns when the login is
    /// over, with what a person would have been shown.
    pub async fn paste(&self, address: &str) -> Result<Result<(), String>, Refusal> {
        let address = Url::parse(address.trim()).map_err(|_| Refusal::Address)?;
        let expected = Url::parse(&self.0.redirect_uri).map_err(|_| Refusal::Address)?;
        if address.path() != expected.path() {
            return Err(Refusal::Address);
        }
        self.let_in(address.query().unwrap_or_default()).await
    }

    /// Lets in what the browser brings; resolves with what is to be shown.
    pub(super) async fn let_in(&self, query: &str) -> Result<Shown, Refusal> {
        let shown = self.admit(query)?;
        // Whoever began the login may be gone.
        Ok(shown.await.unwrap_or_else(|_| Err("The login was cancelled.".to_owned())))
    }

    fn admit(&self, query: &str) -> Result<oneshot::Receiver<Shown>, Refusal> {
        let value = |name: &str| {
            let pair = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
            pair.map(|(_, value)| Zeroizing::new(value.into_owned())).filter(|value| !value.is_empty())
        };
        let state = value("state").unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(self.0.state.as_bytes())) {
            return Err(Refusal::State);
        }
        let code = match (value("error"), value("code")) {
            (Some(error), _) => Err(value("error_description").unwrap_or(error).to_string()),
            (None, Some(code)) => Ok(code),
            (None, None) => return Err(Refusal::Code),
        };
        let sender = self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (show, shown) = oneshot::channel();
        // There is room for the one that there can be.
        let _ = sender.ok_or(Refusal::State)?.try_send(Callback { code, show });
        Ok(shown)
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use zeroize::Zeroizing;

    use super::{Gate, Refusal};

    fn gate() -> (Gate, tokio::sync::mpsc::Receiver<super::Callback>) {
        Gate::new(Zeroizing::new("s3cret".to_owned()), "http://127.0.0.1:1455/auth/callback".to_owned())
    }

    #[test]
    fn the_first_answer_with_the_state_is_let_in_and_no_other() {
        let (gate, mut callbacks) = gate();
        for query in
            ["", "code=c", "code=c&state=", "code=c&state=s3cre", "code=c&state=s3cretx", "state=S3CRET&code=c"]
        {
            assert_eq!(gate.admit(query).unwrap_err(), Refusal::State, "{query}");
        }
        assert_eq!(gate.admit("state=s3cret").unwrap_err(), Refusal::Code);
        assert_eq!(gate.admit("state=s3cret&code=").unwrap_err(), Refusal::Code);
        assert!(gate.admit("state=s3cret&code=c%2B1").is_ok());
        assert_eq!(gate.admit("state=s3cret&code=c2").unwrap_err(), Refusal::State, "a replay");
        assert_eq!(callbacks.try_recv().unwrap().code.unwrap().as_str(), "c+1");
    }

    #[test]
    fn a_refusal_of_the_issuer_is_passed_on_in_its_words() {
        let (gate, mut callbacks) = gate();
        assert!(gate.admit("state=s3cret&error=access_denied&error_description=Not+today").is_ok());
        assert_eq!(callbacks.try_recv().unwrap().code.unwrap_err(), "Not today");
    }

    #[tokio::test]
    async fn what_is_pasted_must_be_the_address_of_this_login() {
        let (gate, mut callbacks) = gate();
        for address in
            ["", "code", "/auth/callback?code=c&state=s3cret", "http://127.0.0.1:1455/other?code=c&state=s3cret"]
        {
            assert_eq!(gate.paste(address).await.unwrap_err(), Refusal::Address, "{address}");
        }
        let address = " http://localhost:1455/auth/callback?state=s3cret&code=c\n";
        let (pasted, ()) = tokio::join!(gate.paste(address), async {
            let _ = callbacks.recv().await.unwrap().show.send(Ok(()));
        });
        assert_eq!(pasted, Ok(Ok(())));
    }
}
