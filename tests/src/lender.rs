//! A parent that lends a host tokens of a sim, for tests and benches that speak with the host as parents do.

use valet_client::{Client, Handlers, RequestError};
use valet_protocol::methods::{AccountLoginStart, ChatgptAuthTokensRefresh};
use valet_protocol::{Secret, v2};
use valet_sim::{Sim, TokenRequest};

/// Answers each request for a token with a new one. What it is to be like, `wanted` says each time.
pub fn lender(
    sim: &Sim,
    wanted: impl Fn(v2::ChatgptAuthTokensRefreshParams) -> TokenRequest + Send + Sync + 'static,
) -> Handlers {
    let sim = sim.clone();
    Handlers::new().on::<ChatgptAuthTokensRefresh, _>(move |params| {
        let token = sim.tokens().issue(wanted(params));
        std::future::ready(Ok(v2::ChatgptAuthTokensRefreshResponse {
            access_token: Secret::new(token.access_token),
            chatgpt_account_id: token.account_id,
            chatgpt_plan_type: None,
        }))
    })
}

/// Lends the host a token.
pub async fn lend(client: &Client, sim: &Sim, wanted: TokenRequest) -> Result<(), RequestError> {
    let token = sim.tokens().issue(wanted);
    let login = v2::LoginAccountParams::lend(token.access_token, token.account_id);
    client.request::<AccountLoginStart>(login).await.map(drop)
}
