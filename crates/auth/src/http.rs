//! The HTTP client, built when the first call needs it: reading the system's certificates takes longer
//! than everything else at start.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// One connection pool for all backend calls.
#[derive(Debug, Default)]
pub struct HttpClient(OnceLock<Client>);

impl HttpClient {
    /// The client, built at the first call.
    pub fn get(&self) -> Result<&Client, reqwest::Error> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        // A machine without certificates of its own gets the ones that Mozilla publishes.
        let client = builder().build().or_else(|_| {
            let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
            let roots = roots.filter_map(|root| Certificate::from_der(root).ok());
            builder().tls_certs_only(roots).build()
        })?;
        Ok(self.0.get_or_init(|| client))
    }
}

/// What an error says, and what its causes say: the layer that failed is among them.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn builder() -> ClientBuilder {
    // A redirect would carry the account and the conversation to a place that nobody chose.
    Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none())
}
