//! A login on a connection of its own, for clients that bring none: an API key, or a parent that lends a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use valet_client::{Client, Handlers, connect};
use valet_protocol::{Secret, methods as m, v2};
use valet_sim::{Sim, TokenRequest};

/// Whoever logs in. It stays connected until it is dropped.
pub(crate) struct Parent {
    client: Client,
    asked: Arc<AtomicUsize>,
}

impl Parent {
    /// Connects, and answers each request for a token with a new one.
    async fn connect(sim: &Sim, url: &str) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let (issuer, count) = (sim.clone(), Arc::clone(&asked));
        let handlers = Handlers::new().on::<m::ChatgptAuthTokensRefresh, _>(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            let token = issuer.tokens().issue(TokenRequest::default());
            async move {
                Ok(v2::ChatgptAuthTokensRefreshResponse {
                    access_token: Secret::new(token.access_token),
                    chatgpt_account_id: token.account_id,
                    chatgpt_plan_type: None,
                })
            }
        });
        let (client, _) = Client::new(connect(url, None).await.unwrap(), handlers);
        client.initialize("parent", "1", true).await.unwrap();
        Self { client, asked }
    }

    /// Lends a token.
    pub(crate) async fn lend(sim: &Sim, url: &str) -> Self {
        let parent = Self::connect(sim, url).await;
        let token = sim.tokens().issue(TokenRequest::default());
        parent.log_in(v2::LoginAccountParams::lend(token.access_token, token.account_id)).await;
        parent
    }

    /// Brings a key, which needs nobody to stay.
    pub(crate) async fn bring_a_key(sim: &Sim, url: &str) {
        let key = v2::LoginAccountParams::ApiKey { api_key: Secret::new("sk-of-the-parent".to_owned()) };
        Self::connect(sim, url).await.log_in(key).await;
    }

    async fn log_in(&self, login: v2::LoginAccountParams) {
        self.client.request::<m::AccountLoginStart>(login).await.unwrap();
    }

    /// How often it was asked for a token.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}
