//! `valet/account/forget`.

use valet_protocol::methods::ValetAccountForget;
use valet_protocol::v2::{AccountForgetParams, AccountForgetResponse};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ValetAccountForget {
    async fn handle(context: Context, params: AccountForgetParams, responder: Responder<Self>) {
        let accounts = &context.host.accounts;
        match accounts.take_back(context.connection.id, &params.chatgpt_account_id) {
            Ok(taken) => {
                responder.respond(Ok(AccountForgetResponse {}));
                accounts.end(taken);
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}
