//! `account/rateLimits/read`.

use valet_protocol::methods::AccountRateLimitsRead;
use valet_protocol::v2::GetAccountRateLimitsParams;

use crate::context::Context;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for AccountRateLimitsRead {
    async fn handle(context: Context, params: GetAccountRateLimitsParams, responder: Responder<Self>) {
        responder.respond(context.host.accounts.rate_limits(context.connection.id, &params).await);
    }
}
