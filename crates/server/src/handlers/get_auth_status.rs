//! `getAuthStatus`.

use valet_protocol::Secret;
use valet_protocol::methods::GetAuthStatus;
use valet_protocol::v1::{GetAuthStatusParams, GetAuthStatusResponse};

use crate::account::auth_mode;
use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for GetAuthStatus {
    async fn answer(context: Context, params: GetAuthStatusParams) -> Answered<Self> {
        let config = &context.host.config;
        if params.refresh_token == Some(true) {
            context.host.accounts.renew(context.connection.id).await;
        }
        let requires_openai_auth = config.uses_login(config.provider_id());
        let account = context.host.accounts.current(context.connection.id).filter(|_| requires_openai_auth);
        let token = account.as_ref().filter(|account| !account.is_spent()).and_then(|account| {
            let snapshot = account.snapshot();
            // Whoever lent the token may have it back; nobody else may, unless the reference's way is wanted.
            let lent_by_asker = snapshot.owner.is_some() && snapshot.owner == context.connection.owner();
            ((lent_by_asker || config.strict()) && params.include_token == Some(true))
                .then(|| Secret::new(snapshot.token.expose()))
        });
        Ok(GetAuthStatusResponse {
            auth_method: account.as_deref().map(auth_mode),
            auth_token: token,
            requires_openai_auth: Some(requires_openai_auth),
        })
    }
}
