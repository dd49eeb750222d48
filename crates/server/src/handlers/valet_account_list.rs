//! `valet/account/list`.

use valet_protocol::NoParams;
use valet_protocol::methods::ValetAccountList;
use valet_protocol::v2::AccountListResponse;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for ValetAccountList {
    async fn answer(context: Context, _: NoParams) -> Answered<Self> {
        Ok(AccountListResponse { accounts: context.host.accounts.lent(context.connection.id) })
    }
}
