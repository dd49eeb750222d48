//! `valet/account/list`.

use valet_protocol::NoParams;
use valet_protocol::methods::ValetAccountList;
use valet_protocol::v2::AccountListResponse;

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for ValetAccountList {
    async fn handle(context: Context, _: NoParams, responder: Responder<Self>) {
        responder.respond(Ok(AccountListResponse { accounts: context.host.accounts.lent(context.connection.id) }));
    }
}
