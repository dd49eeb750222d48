//! `account/read`.

use valet_protocol::methods::AccountRead;
use valet_protocol::v2::GetAccountParams;

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for AccountRead {
    async fn handle(context: Context, params: GetAccountParams, responder: Responder<Self>) {
        let renew = params.refresh_token;
        responder.respond(context.host.accounts.read(context.connection.id, renew).await);
    }
}
