//! The issuer's own device flow, which is not that of RFC 8628: the verifier comes from the issuer, and whoever has
//! not been allowed yet gets a 403 or 404.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::{Issuer, IssuerError, send};
use crate::http::HttpClient;
use crate::store::Tokens;

/// How long a person may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// Where the issuer does not say how often it may be asked.
const INTERVAL: Duration = Duration::from_secs(5);

/// A code for a person to type in at another machine.
pub struct DeviceCode {
    /// Where it is typed in.
    pub verification_url: String,
    /// What is typed in.
    pub user_code: String,
    device_auth_id: Zeroizing<String>,
    interval: Duration,
}

/// Why there is no login by a device code.
#[derive(Debug, thiserror::Error)]
pub enum DeviceCodeError {
    /// This issuer has none.
    #[error("device code login is not enabled for this Codex server. Use the browser login or verify the server URL.")]
    Disabled,
    /// It gave no code.
    #[error("failed to request device code: {}", in_full(.0))]
    Request(IssuerError),
    /// Nobody typed the code in.
    #[error("device auth timed out after 15 minutes")]
    Timeout,
    /// It gave a code, and no tokens for it.
    #[error("{0}")]
    Login(#[from] IssuerError),
}

#[derive(Deserialize)]
struct UserCode {
    device_auth_id: Zeroizing<String>,
    #[serde(alias = "usercode")]
    user_code: String,
    /// Seconds, as text or as a number.
    interval: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Allowed {
    authorization_code: Zeroizing<String>,
    code_verifier: Zeroizing<String>,
}

impl Issuer {
    /// Begins a login on another machine.
    pub async fn device_code(&self, http: &HttpClient) -> Result<DeviceCode, DeviceCodeError> {
        let url = format!("{}/api/accounts/deviceauth/usercode", self.origin);
        let request = http.get().map_err(|error| DeviceCodeError::Request(error.into()))?.post(url);
        let response = send(request.json(&json!({ "client_id": self.client_id }))).await;
        let response = response.map_err(DeviceCodeError::Request)?;
        match response.status() {
            StatusCode::NOT_FOUND => return Err(DeviceCodeError::Disabled),
            status if !status.is_success() => {
                return Err(DeviceCodeError::Request(IssuerError::of(response, &[]).await));
            }
            _ => {}
        }
        let code: UserCode = response.json().await.map_err(|_| DeviceCodeError::Request(IssuerError::Malformed))?;
        let seconds = code.interval.and_then(|value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok()));
        Ok(DeviceCode {
            verification_url: format!("{}/codex/device", self.origin),
            user_code: code.user_code,
            device_auth_id: code.device_auth_id,
            interval: seconds.map_or(INTERVAL, |seconds| Duration::from_secs(seconds.max(1))),
        })
    }

    /// Waits until the person has typed the code in.
    pub async fn wait_for_device(&self, http: &HttpClient, code: &DeviceCode) -> Result<Tokens, DeviceCodeError> {
        let until = Instant::now() + LIMIT;
        let url = format!("{}/api/accounts/deviceauth/token", self.origin);
        let body = json!({ "device_auth_id": code.device_auth_id.as_str(), "user_code": code.user_code });
        loop {
            let request = http.get().map_err(IssuerError::from)?.post(&url).json(&body);
            let refused = match send(request).await {
                Ok(response) if response.status() == StatusCode::OK => {
                    let allowed: Allowed = response.json().await.map_err(|_| IssuerError::Malformed)?;
                    let redirect = format!("{}/deviceauth/callback", self.origin);
                    let tokens = self.exchange(http, &allowed.authorization_code, &allowed.code_verifier, &redirect);
                    return Ok(tokens.await?);
                }
                Ok(response) if is_undecided(response.status()) => None,
                Ok(response) => Some(IssuerError::of(response, &[code.device_auth_id.as_str()]).await),
                Err(error) => Some(error),
            };
            // A person who has the code in hand is not sent away because a packet was lost.
            match refused {
                Some(error) if !error.is_passing() => return Err(error.into()),
                _ if Instant::now() + code.interval >= until => return Err(DeviceCodeError::Timeout),
                _ => sleep(code.interval).await,
            }
        }
    }
}

/// In the words of the reference.
fn in_full(error: &IssuerError) -> String {
    match error {
        IssuerError::Refused { status, .. } => format!("device code request failed with status {status}"),
        _ => error.to_string(),
    }
}

fn is_undecided(status: StatusCode) -> bool {
    matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
}
