//! `account/rateLimits/read`.

use valet_protocol::methods::AccountRateLimitsRead;
use valet_protocol::v2::GetAccountRateLimitsParams;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for AccountRateLimitsRead {
    async fn answer(context: Context, params: GetAccountRateLimitsParams) -> Answered<Self> {
        context.host.accounts.rate_limits(context.connection.id, &params).await
    }
}
