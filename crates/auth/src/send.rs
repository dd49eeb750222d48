//! The one way to the backend. Every call of every part of the host goes through [`send_authorized`].

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Client, Request, Response, StatusCode};

use crate::account::Account;
use crate::external::Caller;
use crate::failure::AuthFailure;
use crate::http::HttpError;
use crate::secrets::Secrets;
use crate::snapshot::Snapshot;

/// One with what is found, and one with the issuer.
const MOST_RECOVERIES: u32 = 2;

const ACCOUNT_HEADER: HeaderName = HeaderName::from_static("chatgpt-account-id");

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No good credential was to be had.
    #[error(transparent)]
    Auth(#[from] AuthFailure),
    /// The backend could not be reached.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The backend took the request and did not answer in time.
    #[error("no response headers in time")]
    Silent,
}

/// Sends with the current credential. After a 401: recovers, sends once more, and returns whatever came.
///
/// So one call costs at most one refresh and two requests; three where another process had renewed the token, and that
/// one was refused as well. Without an account the request goes out as it
/// is. The body must be in memory, because it may be sent more than once; one that cannot be copied is sent once.
///
/// `caller` says on whose behalf this is, for whoever has to find somebody to ask for a new token.
/// `limit` is how long the backend may take to answer each request with headers. Waiting for the parent
/// does not count: that has a deadline of its own. What the response carries of the request's secrets, whoever shows
/// it to somebody hides with [`Secrets`].
pub async fn send_authorized(
    client: &Client,
    account: Option<&Arc<Account>>,
    caller: &Caller,
    request: Request,
    limit: Duration,
) -> Result<Response, SendError> {
    let Some(account) = account else { return send(client, request, limit).await };
    let mut left = if account.is_renewable() { MOST_RECOVERIES } else { 0 };
    let (mut request, mut snapshot) = (request, account.snapshot());
    loop {
        let again = request.try_clone();
        let response = send(client, authorize(request, &snapshot), limit).await?;
        match again {
            Some(again) if response.status() == StatusCode::UNAUTHORIZED && left > 0 => request = again,
            _ => {
                if response.status() == StatusCode::UNAUTHORIZED && left < MOST_RECOVERIES && account.is_renewable() {
                    let token = snapshot.token.fingerprint();
                    tracing::warn!(token, "the backend refuses a new token, too: somebody has to log in again");
                }
                return Ok(response);
            }
        }
        snapshot = account.recover(snapshot.revision, caller).await?;
        left = if snapshot.found { left - 1 } else { 0 };
    }
}

async fn send(client: &Client, request: Request, limit: Duration) -> Result<Response, SendError> {
    let secrets = Secrets::of_request(&request);
    match tokio::time::timeout(limit, client.execute(request)).await {
        Ok(sent) => {
            let mut response = sent.map_err(HttpError::from)?;
            response.extensions_mut().insert(secrets);
            Ok(response)
        }
        Err(_elapsed) => Err(SendError::Silent),
    }
}

fn authorize(mut request: Request, snapshot: &Snapshot) -> Request {
    let headers = request.headers_mut();
    // A token with characters that no header can carry is sent as none, and the backend says 401.
    if let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {}", snapshot.token.expose())) {
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    let account_id = snapshot.identity.as_ref().map(|identity| HeaderValue::try_from(&identity.account_id));
    if let Some(Ok(account_id)) = account_id {
        headers.insert(ACCOUNT_HEADER, account_id);
    }
    request
}
