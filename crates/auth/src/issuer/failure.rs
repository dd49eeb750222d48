//! Why the issuer gave nothing, and whether it ever will.

use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::HttpError;
use crate::secrets::hide;

/// How much of an answer is read, and said to people.
const EXCERPT: usize = 300;

/// A refusal that lasts: this refresh token will never be good again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Permanent {
    /// Nobody used it for too long.
    Expired,
    /// It was spent before.
    Reused,
    /// Somebody took it back.
    Revoked,
    /// The issuer does not say why.
    Other,
}

/// Why the issuer gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// This refresh token will never be good again.
    #[error("{0}")]
    Permanent(Permanent),
    /// It refused, and may not the next time.
    #[error("{status}{}", if detail.is_empty() { String::new() } else { format!(": {detail}") })]
    Refused {
        /// With which status.
        status: StatusCode,
        /// In its words.
        detail: String,
    },
    /// It could not be reached.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Its answer is not what OAuth says it is.
    #[error("the issuer's answer holds no tokens")]
    Malformed,
}

/// In the words of the reference.
impl std::fmt::Display for Permanent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = match self {
            Self::Expired => " because your refresh token has expired",
            Self::Reused => " because your refresh token was already used",
            Self::Revoked => " because your refresh token was revoked",
            Self::Other => "",
        };
        write!(f, "Your access token could not be refreshed{why}. Please log out and sign in again.")
    }
}

impl IssuerError {
    /// Reads a refusal. What it says of `secrets` is not repeated.
    pub(super) async fn of(response: Response, secrets: &[&str]) -> Self {
        let status = response.status();
        let body = read(response).await;
        Self::refused(status, &body, secrets)
    }

    /// Reads the refusal of a refresh, which may be for good.
    pub(super) async fn of_refresh(response: Response, refresh_token: &str) -> Self {
        let status = response.status();
        let body = read(response).await;
        let permanent = code(&body).and_then(Permanent::of_code);
        match permanent.or_else(|| (status == StatusCode::UNAUTHORIZED).then_some(Permanent::Other)) {
            Some(permanent) => Self::Permanent(permanent),
            None => Self::refused(status, &body, &[refresh_token]),
        }
    }

    fn refused(status: StatusCode, body: &Value, secrets: &[&str]) -> Self {
        let words = body["error_description"].as_str().or(body["error"]["message"].as_str()).or(code(body));
        // Before it is cut: of a secret that is cut nothing would be found.
        let detail = hide(words.unwrap_or_default().to_owned(), secrets.iter().copied());
        Self::Refused { status, detail: detail.chars().take(EXCERPT).collect() }
    }

    /// Whether the same request may be answered at another time: nothing is wrong with it.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Http(_) => true,
            Self::Refused { status, .. } => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Permanent(_) | Self::Malformed => false,
        }
    }
}

async fn read(response: Response) -> Value {
    let text = response.text().await.unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// OAuth says `{"error": "code"}`, the rest of the backend `{"error": {"code": ...}}`.
fn code(body: &Value) -> Option<&str> {
    body["error"]["code"].as_str().or(body["error"].as_str()).or(body["code"].as_str())
}

impl Permanent {
    fn of_code(code: &str) -> Option<Self> {
        match code {
            "refresh_token_expired" => Some(Self::Expired),
            "refresh_token_reused" => Some(Self::Reused),
            "refresh_token_invalidated" => Some(Self::Revoked),
            "invalid_grant" => Some(Self::Other),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::{EXCERPT, IssuerError, StatusCode};

    #[test]
    fn a_secret_is_not_repeated_wherever_the_excerpt_ends() {
        let words = format!("{}secret-token, and more", "x".repeat(EXCERPT - 3));
        let body = json!({ "error_description": words });
        let refused = IssuerError::refused(StatusCode::BAD_REQUEST, &body, &["secret-token", ""]);
        let IssuerError::Refused { detail, .. } = refused else { panic!("{refused}") };
        assert_eq!(detail, format!("{}[re", "x".repeat(EXCERPT - 3)));
    }
}
