//! `valet/account/lend`.

use valet_auth::{AccessToken, ExternalTokens};
use valet_protocol::ErrorObject;
use valet_protocol::methods::ValetAccountLend;
use valet_protocol::v2::{AccountLendParams, AccountLendResponse};

use super::not_empty;
use crate::context::Context;
use crate::convert::login_error;
use crate::dispatch::{Answered, Answers};

impl Answers for ValetAccountLend {
    async fn answer(context: Context, params: AccountLendParams) -> Answered<Self> {
        let lent = lend(&context, params);
        context.forget_if_gone();
        lent
    }
}

fn lend(context: &Context, params: AccountLendParams) -> Result<AccountLendResponse, ErrorObject> {
    not_empty(context, "chatgptAccountId", &params.chatgpt_account_id)?;
    let tokens = ExternalTokens {
        access_token: AccessToken::new(params.access_token.expose()),
        account_id: params.chatgpt_account_id,
        plan: params.chatgpt_plan_type,
    };
    let owner = context.connection.owner().ok_or_else(|| ErrorObject::internal("not initialized"))?;
    let lent = context.host.accounts.lend(context.connection.id, tokens, owner);
    lent.map(|()| AccountLendResponse {}).map_err(|error| login_error(&error))
}
