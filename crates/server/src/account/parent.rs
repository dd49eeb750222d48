//! How the parent is asked for a new token: one request, to the connection that lent the old one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::value::RawValue;
use valet_auth::{AccessToken, ExternalAuth, ExternalTokens, OwnerId, RefreshFailure, RefreshRequest};
use valet_protocol::methods::ChatgptAuthTokensRefresh;
use valet_protocol::v2::{
    ChatgptAuthTokensRefreshParams, ChatgptAuthTokensRefreshReason, ChatgptAuthTokensRefreshResponse,
};
use valet_transport::Answer;

use crate::connection::Connections;
use crate::outgoing::OutgoingMessageSender;

/// The parent, through the connections.
pub(super) struct Parent {
    outgoing: OutgoingMessageSender,
    connections: Arc<Connections>,
    deadline: Duration,
}

impl Parent {
    pub(super) fn new(outgoing: OutgoingMessageSender, connections: Arc<Connections>, deadline: Duration) -> Self {
        Self { outgoing, connections, deadline }
    }
}

impl ExternalAuth for Parent {
    fn refresh(&self, request: RefreshRequest) -> BoxFuture<'static, Result<ExternalTokens, RefreshFailure>> {
        let outgoing = self.outgoing.clone();
        let ask = async move {
            let params = ChatgptAuthTokensRefreshParams {
                reason: ChatgptAuthTokensRefreshReason::Unauthorized,
                previous_account_id: Some(request.account_id),
            };
            match outgoing.request::<ChatgptAuthTokensRefresh>(request.owner.into(), params).await {
                None => Err(RefreshFailure::Gone),
                Some(Answer::Error(error)) => Err(RefreshFailure::Rejected(code(&error))),
                Some(Answer::Result(result)) => tokens(&result).ok_or(RefreshFailure::Malformed),
            }
        };
        ask.boxed()
    }

    fn deadline(&self, owner: OwnerId) -> Duration {
        let connection = self.connections.get(owner.into());
        let asked_for = connection.and_then(|connection| connection.session()?.refresh_timeout);
        asked_for.unwrap_or(self.deadline)
    }
}

fn tokens(result: &RawValue) -> Option<ExternalTokens> {
    let answer: ChatgptAuthTokensRefreshResponse = serde_json::from_str(result.get()).ok()?;
    Some(ExternalTokens {
        access_token: AccessToken::new(answer.access_token.expose()),
        account_id: answer.chatgpt_account_id,
        plan: answer.chatgpt_plan_type,
    })
}

/// The code of an error in whatever shape it came. An error without one is an error all the same.
fn code(error: &RawValue) -> Option<i64> {
    #[derive(Deserialize)]
    struct Coded {
        code: i64,
    }
    serde_json::from_str::<Coded>(error.get()).ok().map(|coded| coded.code)
}

#[cfg(test)]
mod tests {
    use super::code;
    use pretty_assertions::assert_eq;
    use serde_json::value::RawValue;

    #[test]
    fn x_18_an_error_of_any_shape_is_understood() {
        let code_of = |text: &str| code(&RawValue::from_string(text.to_owned()).unwrap());
        assert_eq!(code_of(r#"{"code":-32000,"message":"no"}"#), Some(-32000));
        assert_eq!(code_of(r#"{"message":"no"}"#), None);
        assert_eq!(code_of(r#"{"code":"E_NO"}"#), None);
        assert_eq!(code_of(r#""just words""#), None);
    }
}
