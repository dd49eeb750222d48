//! `account/logout`.

use valet_protocol::NoParams;
use valet_protocol::methods::AccountLogout;
use valet_protocol::v2::LogoutAccountResponse;

use crate::dispatch::{Context, Handler};
use crate::responder::Responder;

impl Handler for AccountLogout {
    async fn handle(context: Context, _: NoParams, responder: Responder<Self>) {
        let change = context.host.accounts.logout(context.connection.id);
        responder.respond(Ok(LogoutAccountResponse {}));
        context.host.accounts.announce(change);
    }
}
