//! `account/read`.

use valet_protocol::methods::AccountRead;
use valet_protocol::v2::GetAccountParams;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for AccountRead {
    async fn answer(context: Context, params: GetAccountParams) -> Answered<Self> {
        let renew = params.refresh_token;
        context.host.accounts.read(context.connection.id, renew).await
    }
}
