//! `account/rateLimits/read`.

use valet_protocol::NoParams;
use valet_protocol::methods::AccountRateLimitsRead;

use crate::dispatch::{Context, Handler};
use crate::responder::Responder;

impl Handler for AccountRateLimitsRead {
    async fn handle(context: Context, _: NoParams, responder: Responder<Self>) {
        responder.respond(context.host.accounts.rate_limits(context.connection.id).await);
    }
}
