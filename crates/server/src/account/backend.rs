//! Calls to the backend about an account, and what they fail with, in the reference's words.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Request, StatusCode, Url};
use serde::de::DeserializeOwned;
use valet_auth::{Account, AuthFailure, Caller, HttpError, Mode, Secrets, SendError, send_authorized};
use valet_protocol::{ErrorKind, ErrorObject};

use super::{Accounts, AccountsState};
use crate::config::Config;
use crate::connection::ConnectionId;
use crate::convert;

/// How long the backend may take to answer one request with headers.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Why the backend's word is not known.
pub(super) enum Failed {
    /// No good credential was to be had.
    Auth(AuthFailure),
    /// It answered with an error status.
    Status(StatusCode, String),
    /// Anything else.
    Other(String),
}

/// An answer, with what is said of it when it makes no sense.
pub(super) struct Answer {
    url: String,
    kind: String,
    body: String,
}

impl Failed {
    fn of(error: &dyn Display) -> Self {
        Self::Other(error.to_string())
    }

    /// The answer to a client. `what` was to be done.
    pub(super) fn error(self, what: &str) -> ErrorObject {
        let (reason, kind) = match self {
            Self::Auth(failure) => {
                return ErrorObject::internal(failure.message).kind(convert::auth_kind(failure.kind));
            }
            Self::Status(StatusCode::UNAUTHORIZED, reason) => (reason, ErrorKind::ReauthRequired),
            Self::Status(_, reason) | Self::Other(reason) => (reason, ErrorKind::Upstream),
        };
        ErrorObject::internal(format!("failed to fetch {what}: {reason}")).kind(kind)
    }
}

impl Answer {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        serde_json::from_str(&self.body).map_err(|error| {
            let Self { url, kind, body } = self;
            Failed::Other(format!("Decode error for {url}: {error}; content-type={kind}; body={body}"))
        })
    }
}

impl Accounts {
    /// The ChatGPT login of a connection. `what` wants to be read.
    pub(super) fn subscriber(&self, asker: ConnectionId, what: &str) -> Result<Arc<Account>, ErrorObject> {
        let refused = |who: &str| {
            let message = format!("{who} authentication required to read {what}");
            ErrorObject::invalid_request(message).kind(ErrorKind::AuthRequired)
        };
        let account = self.current(asker).ok_or_else(|| refused("codex account"))?;
        if account.mode() == Mode::ApiKey { Err(refused("chatgpt")) } else { Ok(account) }
    }
}

impl AccountsState {
    /// A request to a path below `chatgpt_base_url`.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<Request, Failed> {
        let url = Url::parse(&format!("{}{path}", self.config.chatgpt_base_url()));
        Ok(Request::new(method, url.map_err(|error| Failed::of(&error))?))
    }

    /// Sends it. The parent may be asked for a new token in between.
    pub(super) async fn fetch(
        &self,
        account: &Arc<Account>,
        caller: &Caller,
        request: Request,
    ) -> Result<Answer, Failed> {
        // The time for headers and body of two requests, and for the parent in between.
        let asked = tokio::time::timeout(3 * TIME_LIMIT, self.answer(account, caller, request)).await;
        asked.unwrap_or_else(|_elapsed| Err(Failed::Other("no answer in time".to_owned())))
    }

    async fn answer(&self, account: &Arc<Account>, caller: &Caller, request: Request) -> Result<Answer, Failed> {
        let client = self.http.get().map_err(|error| Failed::of(&error))?;
        let (method, mut url) = (request.method().clone(), request.url().clone());
        let _ = (url.set_username(""), url.set_password(None));
        let response = match send_authorized(client, Some(account), caller, request, TIME_LIMIT).await {
            Ok(response) => response,
            Err(SendError::Auth(failure)) => return Err(Failed::Auth(failure)),
            // The reference does not say what to do.
            Err(SendError::Http(error)) if error.is_connect() && !self.config.strict() => {
                return Err(Failed::Other(format!("{error}; {}", Config::unreached("`chatgpt_base_url`"))));
            }
            Err(error) => return Err(Failed::of(&error)),
        };
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        let secrets = Secrets::of(&response);
        let body = secrets.hide_in(response.text().await.map_err(|error| Failed::of(&HttpError::from(error)))?);
        if status.is_success() {
            return Ok(Answer { url: url.into(), kind, body });
        }
        Err(Failed::Status(status, format!("{method} {url} failed: {status}; content-type={kind}; body={body}")))
    }
}
