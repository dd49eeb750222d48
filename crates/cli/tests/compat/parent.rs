//! A login on a connection of its own, for clients that bring none: an API key, or a parent that lends a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use valet_client::{Client, connect};
use valet_protocol::{Secret, methods as m, v2};
use valet_sim::{Sim, TokenRequest};
use valet_tests::{lend, lender};

/// Whoever logs in. It stays connected until it is dropped.
pub(crate) struct Parent {
    client: Client,
    asked: Arc<AtomicUsize>,
}

impl Parent {
    /// Connects, and answers each request for a token with a new one.
    async fn connect(sim: &Sim, url: &str) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let handlers = lender(sim, move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            TokenRequest::default()
        });
        let (client, _) = Client::new(connect(url, None).await.unwrap(), handlers);
        client.initialize("parent", "1", true).await.unwrap();
        Self { client, asked }
    }

    /// Lends a token.
    pub(crate) async fn lend(sim: &Sim, url: &str) -> Self {
        let parent = Self::connect(sim, url).await;
        lend(&parent.client, sim, TokenRequest::default()).await.unwrap();
        parent
    }

    /// Brings a key, which needs nobody to stay.
    pub(crate) async fn bring_a_key(sim: &Sim, url: &str) {
        let key = v2::LoginAccountParams::ApiKey { api_key: Secret::new("sk-of-the-parent".to_owned()) };
        Self::connect(sim, url).await.client.request::<m::AccountLoginStart>(key).await.unwrap();
    }

    /// How often it was asked for a token.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}
