//! `account/login/start`.

use valet_auth::{AccessToken, Claims, ExternalTokens};
use valet_protocol::methods::AccountLoginStart;
use valet_protocol::v2::{LoginAccountParams, LoginAccountResponse};
use valet_protocol::{ErrorKind, ErrorObject, Secret};

use super::not_empty;
use crate::account::Change;
use crate::context::Context;
use crate::convert::login_error;
use crate::dispatch::Handler;
use crate::responder::Responder;

impl Handler for AccountLoginStart {
    async fn handle(context: Context, params: LoginAccountParams, responder: Responder<Self>) {
        match log_in(&context, params).await {
            Ok((response, change)) => {
                responder.respond(Ok(response));
                if let Some(change) = change {
                    context.host.accounts.announce(change);
                }
                context.forget_if_gone();
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}

/// The response, and what is in force at once.
async fn log_in(
    context: &Context,
    params: LoginAccountParams,
) -> Result<(LoginAccountResponse, Option<Change>), ErrorObject> {
    let accounts = &context.host.accounts;
    let asker = context.connection.id;
    match params {
        LoginAccountParams::ApiKey { api_key } => {
            not_empty(context, "apiKey", api_key.expose())?;
            let change = accounts.login_api_key(asker, AccessToken::new(api_key.expose())).await;
            Ok((LoginAccountResponse::ApiKey {}, Some(change.map_err(|error| login_error(&error))?)))
        }
        LoginAccountParams::ChatgptAuthTokens { access_token, chatgpt_account_id, chatgpt_plan_type, id_token } => {
            let id_token = id_token.filter(|_| !context.host.config.strict());
            let account_id = chatgpt_account_id.or_else(|| account_id_of_claims(&access_token, &id_token?));
            let missing = || ErrorObject::undecodable("missing field `chatgptAccountId`");
            let account_id = account_id.ok_or_else(missing)?;
            not_empty(context, "chatgptAccountId", &account_id)?;
            let access_token = AccessToken::new(access_token.expose());
            let tokens = ExternalTokens { access_token, account_id, plan: chatgpt_plan_type };
            let owner = context.connection.owner().ok_or_else(|| ErrorObject::internal("not initialized"))?;
            let change = accounts.login_external(asker, tokens, owner).await;
            Ok((LoginAccountResponse::ChatgptAuthTokens {}, Some(change.map_err(|error| login_error(&error))?)))
        }
        LoginAccountParams::Chatgpt { .. } => {
            let session = context.connection.session();
            let originator = session.map_or("", |session| session.origin.originator.as_str());
            Ok((accounts.begin_browser_login(asker, originator).await?, None))
        }
        LoginAccountParams::ChatgptDeviceCode {} => Ok((accounts.begin_device_login(asker).await?, None)),
        LoginAccountParams::AmazonBedrock { .. } | LoginAccountParams::AmazonBedrockAccessKeys { .. } => {
            accounts.check_managed_login(asker).map_err(|error| login_error(&error))?;
            Err(unsupported())
        }
    }
}

fn unsupported() -> ErrorObject {
    let message =
        "unsupported: this version logs in with `chatgpt`, `chatgptDeviceCode`, `chatgptAuthTokens` or `apiKey`";
    ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported)
}

/// The first version of this login had no account id. It stands in the tokens.
fn account_id_of_claims(access_token: &Secret, id_token: &Secret) -> Option<String> {
    let of = |token: &Secret| Claims::of(token.expose()).ok()?.account_id;
    of(access_token).or_else(|| of(id_token))
}
