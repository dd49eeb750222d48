//! `getAuthStatus`.

use valet_protocol::Secret;
use valet_protocol::methods::GetAuthStatus;
use valet_protocol::v1::{GetAuthStatusParams, GetAuthStatusResponse};

use crate::account::auth_mode;
use crate::dispatch::{Context, Handler};
use crate::responder::Responder;

impl Handler for GetAuthStatus {
    async fn handle(context: Context, params: GetAuthStatusParams, responder: Responder<Self>) {
        let config = &context.host.config;
        let requires_openai_auth = config.uses_login(config.provider_id());
        let account = context.host.accounts.current().filter(|_| requires_openai_auth);
        let token = account.as_ref().and_then(|account| {
            let snapshot = account.snapshot();
            // Whoever lent the token may have it back; nobody else may.
            let lent_by_asker = snapshot.owner == Some(context.connection.id.into());
            (lent_by_asker && params.include_token == Some(true)).then(|| Secret::new(snapshot.token.expose()))
        });
        responder.respond(Ok(GetAuthStatusResponse {
            auth_method: account.as_deref().map(auth_mode),
            auth_token: token,
            requires_openai_auth: Some(requires_openai_auth),
        }));
    }
}
