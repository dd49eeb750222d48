//! `account/usage/read`.

use valet_protocol::methods::AccountUsageRead;
use valet_protocol::v2::GetAccountTokenUsageParams;

use super::thread_id_of;
use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for AccountUsageRead {
    async fn handle(context: Context, params: GetAccountTokenUsageParams, responder: Responder<Self>) {
        let accounts = &context.host.accounts;
        let asker = context.connection.id;
        responder.respond(match params.thread_id {
            None => accounts.token_usage(asker).await,
            Some(thread_id) => match thread_id_of(&thread_id) {
                Ok(thread_id) => accounts.thread_usage(asker, thread_id).await,
                Err(error) => Err(error),
            },
        });
    }
}
