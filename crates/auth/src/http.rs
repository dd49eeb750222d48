//! The HTTP client, built when the first call needs it: reading the system's certificates takes longer
//! than everything else at start. And what went wrong on the way, in words.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use rustls::{ClientConfig, RootCertStore};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// One connection pool for all backend calls.
#[derive(Debug, Default)]
pub struct HttpClient(OnceLock<Client>);

/// Why there is no answer: where it was to come from, and what failed on which layer. Neither what the address has
/// after its path nor who it names may be told: there are keys in such places.
#[derive(Debug, thiserror::Error)]
#[error("{}", in_words(.0))]
pub struct HttpError(reqwest::Error);

impl From<reqwest::Error> for HttpError {
    fn from(mut error: reqwest::Error) -> Self {
        if let Some(url) = error.url_mut() {
            url.set_query(None);
            url.set_fragment(None);
            // Refused of an address that can have neither, and so has neither.
            let _ = (url.set_username(""), url.set_password(None));
        }
        Self(error)
    }
}

impl HttpError {
    /// Whether there was nobody to talk to.
    pub fn is_connect(&self) -> bool {
        self.0.is_connect()
    }
}

/// Its own words say which step failed; the reason is among its causes.
fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl HttpClient {
    /// The client, built at the first call.
    pub fn get(&self) -> Result<&Client, HttpError> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let client = builder().build().or_else(|error| match roots_of_mozilla() {
            Ok(tls) => builder().tls_backend_preconfigured(tls).build(),
            Err(_) => Err(error),
        })?;
        Ok(self.0.get_or_init(|| client))
    }
}

fn builder() -> ClientBuilder {
    // A redirect would carry the account and the conversation to a place that nobody chose.
    Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none())
}

/// For a machine without certificates of its own: it trusts those that Mozilla publishes.
fn roots_of_mozilla() -> Result<ClientConfig, rustls::Error> {
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(tls.with_root_certificates(roots).with_no_client_auth())
}
