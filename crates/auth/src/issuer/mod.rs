//! The issuer of ChatGPT logins: OAuth 2 (RFC 6749) with PKCE (RFC 7636), and a device flow of its own. Each call is
//! one request; who may make it, and what becomes of the tokens, is decided elsewhere.

mod device;
mod failure;

use std::time::Duration;

use chrono::Utc;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use device::{DeviceCode, DeviceCodeError};
pub use failure::{IssuerError, Permanent};

use crate::http::{HttpClient, HttpError};
use crate::store::Tokens;
use crate::token::AccessToken;

const ORIGIN: &str = "https://auth.openai.com";
/// The variables of the environment that hold addresses of the issuer, by the names of the reference: where it is, where
/// tokens are renewed, and where they are taken back.
pub const ADDRESS_VARIABLES: [&str; 3] =
    ["CODEX_APP_SERVER_LOGIN_ISSUER", "CODEX_REFRESH_TOKEN_URL_OVERRIDE", "CODEX_REVOKE_TOKEN_URL_OVERRIDE"];
/// The id of the command line client. It is no secret.
const CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";
/// The issuer's answers are short. One that takes longer is as good as none.
const LIMIT: Duration = Duration::from_secs(30);

/// Where logins are issued.
#[derive(Clone, Debug)]
pub struct Issuer {
    origin: String,
    client_id: String,
    token_url: String,
    revoke_url: String,
}

/// Why new tokens are asked for. The issuer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The backend refused the old one, or it is about to expire.
    UnauthorizedRecovery,
    /// Somebody asked for it.
    Forced,
}

impl Issuer {
    /// An issuer at an origin, such as `https://auth.openai.com`.
    pub fn at(origin: &str) -> Self {
        let origin = origin.trim_end_matches('/').to_owned();
        Self {
            token_url: format!("{origin}/oauth/token"),
            revoke_url: format!("{origin}/oauth/revoke"),
            client_id: CLIENT_ID.to_owned(),
            origin,
        }
    }

    /// The issuer that the environment names, by the variables of the reference; else the one that is configured, by
    /// its origin; else the usual one.
    pub fn from_environment(configured: Option<&str>) -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let [origin, token_url, revoke_url] = ADDRESS_VARIABLES;
        let origin = variable(origin);
        let mut issuer = Self::at(origin.as_deref().or(configured).unwrap_or(ORIGIN));
        let overrides = [
            ("CODEX_APP_SERVER_LOGIN_CLIENT_ID", &mut issuer.client_id),
            (token_url, &mut issuer.token_url),
            (revoke_url, &mut issuer.revoke_url),
        ];
        for (name, value) in overrides {
            if let Some(named) = variable(name) {
                *value = named;
            }
        }
        issuer
    }

    /// Where a person allows the login.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// By what name the issuer knows this program.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// New tokens for a code that the issuer has sent.
    pub async fn exchange(
        &self,
        http: &HttpClient,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
    ) -> Result<Tokens, IssuerError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &self.client_id),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", redirect_uri),
        ];
        // Not the URL that the environment names: that one is for refreshes.
        let url = format!("{}/oauth/token", self.origin);
        let response = send(http.get()?.post(url).form(&form)).await?;
        if response.status() != StatusCode::OK {
            return Err(IssuerError::of(response, &[code, verifier]).await);
        }
        read_tokens(response, None).await
    }

    /// New tokens for a refresh token, which is spent by this.
    pub async fn refresh(&self, http: &HttpClient, old: &Tokens, reason: Reason) -> Result<Tokens, IssuerError> {
        #[derive(Serialize)]
        struct Body<'a> {
            client_id: &'a str,
            grant_type: &'a str,
            refresh_token: &'a str,
            refresh_reason: Reason,
        }

        let body = Body {
            client_id: &self.client_id,
            grant_type: "refresh_token",
            refresh_token: old.refresh.expose(),
            refresh_reason: reason,
        };
        let response = send(http.get()?.post(&self.token_url).json(&body)).await?;
        if response.status() != StatusCode::OK {
            return Err(IssuerError::of_refresh(response, old.refresh.expose()).await);
        }
        read_tokens(response, Some(old)).await
    }

    /// Takes a refresh token back, and with it what was issued for it.
    pub async fn revoke(&self, http: &HttpClient, tokens: &Tokens) -> Result<(), IssuerError> {
        let body = serde_json::json!({
            "client_id": self.client_id,
            "token": tokens.refresh.expose(),
            "token_type_hint": "refresh_token",
        });
        let response = send(http.get()?.post(&self.revoke_url).json(&body)).await?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(IssuerError::of(response, &[tokens.refresh.expose()]).await)
    }
}

/// What the token endpoint answers.
#[derive(Deserialize)]
struct Issued {
    id_token: Option<Zeroizing<String>>,
    access_token: Option<Zeroizing<String>>,
    refresh_token: Option<Zeroizing<String>>,
}

async fn send(request: RequestBuilder) -> Result<Response, IssuerError> {
    Ok(request.timeout(LIMIT).send().await.map_err(HttpError::from)?)
}

/// Members that a refresh leaves out stay as they are.
async fn read_tokens(response: Response, old: Option<&Tokens>) -> Result<Tokens, IssuerError> {
    let body = Zeroizing::new(response.bytes().await.map_err(HttpError::from)?.to_vec());
    let issued: Issued = serde_json::from_slice(&body).map_err(|_| IssuerError::Malformed)?;
    let token = |new: Option<Zeroizing<String>>, old: Option<&AccessToken>| {
        new.map(|text| AccessToken::new(text.as_str())).or_else(|| old.cloned())
    };
    let access = token(issued.access_token, None).ok_or(IssuerError::Malformed)?;
    let id = token(issued.id_token, old.map(|old| &old.id)).ok_or(IssuerError::Malformed)?;
    let refresh = token(issued.refresh_token, old.map(|old| &old.refresh)).ok_or(IssuerError::Malformed)?;
    let mut tokens = Tokens::issued(id, access, refresh, Utc::now().timestamp());
    if tokens.account_id.is_none() {
        tokens.account_id = old.and_then(|old| old.account_id.clone());
    }
    Ok(tokens)
}
