//! `account/logout`.

use valet_protocol::methods::AccountLogout;
use valet_protocol::v2::LogoutAccountResponse;
use valet_protocol::{ErrorKind, ErrorObject, NoParams};

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for AccountLogout {
    async fn handle(context: Context, _: NoParams, responder: Responder<Self>) {
        match context.host.accounts.logout(context.connection.id).await {
            Ok(change) => {
                responder.respond(Ok(LogoutAccountResponse {}));
                context.host.accounts.announce(change);
                context.forget_if_gone();
            }
            Err(error) => {
                let message = format!("logout failed: {error}");
                responder.respond(Err(ErrorObject::internal(message).kind(ErrorKind::FileSystem)));
            }
        }
    }
}
