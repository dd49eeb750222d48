//! `account/login/start`.

use valet_auth::{AccessToken, ExternalTokens};
use valet_protocol::methods::AccountLoginStart;
use valet_protocol::v2::{LoginAccountParams, LoginAccountResponse};
use valet_protocol::{ErrorKind, ErrorObject};

use crate::account::Change;
use crate::convert::login_error;
use crate::dispatch::{Context, Handler};
use crate::responder::Responder;

impl Handler for AccountLoginStart {
    async fn handle(context: Context, params: LoginAccountParams, responder: Responder<Self>) {
        match log_in(&context, params) {
            Ok((response, change)) => {
                responder.respond(Ok(response));
                context.host.accounts.announce(change).await;
            }
            Err(error) => responder.respond(Err(error)),
        }
    }
}

fn log_in(context: &Context, params: LoginAccountParams) -> Result<(LoginAccountResponse, Change), ErrorObject> {
    let accounts = &context.host.accounts;
    match params {
        LoginAccountParams::ApiKey { api_key } => {
            let change = accounts.login_api_key(AccessToken::new(api_key.expose()));
            Ok((LoginAccountResponse::ApiKey {}, change.map_err(|error| login_error(&error))?))
        }
        LoginAccountParams::ChatgptAuthTokens { access_token, chatgpt_account_id, chatgpt_plan_type } => {
            let tokens = ExternalTokens {
                access_token: AccessToken::new(access_token.expose()),
                account_id: chatgpt_account_id,
                plan: chatgpt_plan_type,
            };
            let change = accounts.login_external(tokens, context.connection.id);
            Ok((LoginAccountResponse::ChatgptAuthTokens {}, change.map_err(|error| login_error(&error))?))
        }
        LoginAccountParams::Chatgpt { .. }
        | LoginAccountParams::ChatgptDeviceCode {}
        | LoginAccountParams::AmazonBedrock { .. }
        | LoginAccountParams::AmazonBedrockAccessKeys { .. } => {
            accounts.check_managed_login().map_err(|error| login_error(&error))?;
            let message = "unsupported: this version logs in with `chatgptAuthTokens` or `apiKey`";
            Err(ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported))
        }
    }
}
