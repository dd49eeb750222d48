//! `account/usage/read`.

use valet_protocol::methods::AccountUsageRead;
use valet_protocol::v2::GetAccountTokenUsageParams;

use super::thread_id_of;
use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for AccountUsageRead {
    async fn answer(context: Context, params: GetAccountTokenUsageParams) -> Answered<Self> {
        let accounts = &context.host.accounts;
        let asker = context.connection.id;
        match params.thread_id {
            None => accounts.token_usage(asker).await,
            Some(thread_id) => accounts.thread_usage(asker, thread_id_of(&thread_id)?).await,
        }
    }
}
