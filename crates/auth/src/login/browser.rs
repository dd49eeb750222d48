//! One login by browser, from the URL to the tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::gate::{Callback, Gate, Refusal, Shown};
use super::loopback::{PORTS, PortsError, listen};
use super::page;
use super::pkce::{Pkce, random};
use crate::http::HttpClient;
use crate::issuer::{Issuer, IssuerError};
use crate::store::Tokens;

const SCOPE: &str = "openid profile email offline_access api.connectors.read api.connectors.invoke";
/// How long a person may take.
const LIMIT: Duration = Duration::from_secs(10 * 60);
/// How long the browser may take to fetch the last page.
const LINGER: Duration = Duration::from_secs(2);

/// What a login may be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who asks, as the issuer is told.
    pub originator: String,
    /// The workspaces that are allowed; empty: any.
    pub workspaces: Vec<String>,
    /// The ports to listen on. The issuer knows those of [`PORTS`] and no others.
    pub ports: Vec<u16>,
}

impl Options {
    /// Of a program of that name, without restriction.
    pub fn of(originator: impl Into<String>) -> Self {
        Self { originator: originator.into(), workspaces: Vec::new(), ports: PORTS.to_vec() }
    }
}

/// Why there is no login.
#[derive(Debug, thiserror::Error)]
pub enum BrowserLoginError {
    /// Nobody can be sent back here.
    #[error("{0}")]
    Ports(#[from] PortsError),
    /// The system has no randomness.
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// The person took too long.
    #[error("Login timed out")]
    Timeout,
    /// Somebody asked the listener to leave.
    #[error("Login cancelled")]
    Cancelled,
    /// The issuer, or the person there, said no.
    #[error("Sign-in failed: {0}")]
    Denied(String),
    /// The issuer gave no tokens for its code.
    #[error("Token exchange failed: {}", in_full(.0))]
    Exchange(#[from] IssuerError),
}

/// In the words of the reference.
fn in_full(error: &IssuerError) -> String {
    match error {
        IssuerError::Refused { .. } => format!("token endpoint returned status {error}"),
        _ => error.to_string(),
    }
}

/// A login that waits for a person. The listeners end with it.
pub struct BrowserLogin {
    /// What is to be opened in a browser.
    pub auth_url: String,
    gate: Gate,
    callbacks: mpsc::Receiver<Callback>,
    verifier: Zeroizing<String>,
    redirect_uri: String,
    site: Arc<Site>,
    servers: JoinSet<()>,
}

/// Tokens for somebody who looks at a page that is still empty.
pub struct Granted {
    /// What the issuer gave.
    pub tokens: Tokens,
    show: oneshot::Sender<Shown>,
    site: Arc<Site>,
    _servers: JoinSet<()>,
}

/// What the listeners share.
struct Site {
    gate: Gate,
    cancelled: Notify,
    /// The last page was fetched.
    seen: Notify,
}

impl BrowserLogin {
    /// Listens, and says which URL is to be opened.
    pub async fn begin(issuer: &Issuer, options: &Options) -> Result<Self, BrowserLoginError> {
        let (state, pkce) = (random()?, Pkce::new()?);
        let (port, listeners) = listen(&options.ports).await?;
        let redirect_uri = format!("http://127.0.0.1:{port}/auth/callback");
        let auth_url = auth_url(issuer, options, &redirect_uri, &state, &pkce.challenge);
        let (gate, callbacks) = Gate::new(state, redirect_uri.clone());
        let site = Arc::new(Site { gate: gate.clone(), cancelled: Notify::new(), seen: Notify::new() });
        let servers = listeners.into_iter().map(|listener| serve(listener, Arc::clone(&site))).collect();
        Ok(Self { auth_url, gate, callbacks, verifier: pkce.verifier, redirect_uri, site, servers })
    }

    /// Where an address can be pasted.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Waits for the person, and redeems what they bring.
    pub async fn granted(mut self, issuer: &Issuer, http: &HttpClient) -> Result<Granted, BrowserLoginError> {
        let callback = tokio::select! {
            callback = self.callbacks.recv() => callback.ok_or(BrowserLoginError::Cancelled)?,
            () = self.site.cancelled.notified() => return Err(BrowserLoginError::Cancelled),
            () = tokio::time::sleep(LIMIT) => return Err(BrowserLoginError::Timeout),
        };
        let granted = match &callback.code {
            Ok(code) => {
                let tokens = issuer.exchange(http, code, &self.verifier, &self.redirect_uri).await;
                tokens.map_err(BrowserLoginError::Exchange)
            }
            Err(words) => Err(BrowserLoginError::Denied(words.clone())),
        };
        match granted {
            Ok(tokens) => Ok(Granted { tokens, show: callback.show, site: self.site, _servers: self.servers }),
            Err(error) => {
                show(callback.show, Err(error.to_string()), &self.site).await;
                Err(error)
            }
        }
    }
}

impl Granted {
    /// Shows how it ended: to be called when the tokens are kept. Then nobody listens any more.
    pub async fn show(self, outcome: Result<(), String>) {
        show(self.show, outcome, &self.site).await;
    }
}

async fn show(waiting: oneshot::Sender<Shown>, outcome: Shown, site: &Site) {
    if waiting.send(outcome).is_ok() {
        // A browser that was closed does not come for it.
        let _ = tokio::time::timeout(LINGER, site.seen.notified()).await;
    }
}

fn auth_url(issuer: &Issuer, options: &Options, redirect_uri: &str, state: &str, challenge: &str) -> String {
    let address = format!("{}/oauth/authorize?", issuer.origin());
    let begin = address.len();
    let mut query = url::form_urlencoded::Serializer::for_suffix(address, begin);
    query.append_pair("response_type", "code");
    query.append_pair("client_id", issuer.client_id());
    query.append_pair("redirect_uri", redirect_uri);
    query.append_pair("code_challenge", challenge);
    query.append_pair("code_challenge_method", "S256");
    query.append_pair("state", state);
    query.append_pair("scope", SCOPE);
    query.append_pair("id_token_add_organizations", "true");
    query.append_pair("codex_cli_simplified_flow", "true");
    query.append_pair("originator", &options.originator);
    if !options.workspaces.is_empty() {
        query.append_pair("allowed_workspace_id", &options.workspaces.join(","));
    }
    query.finish()
}

async fn serve(listener: TcpListener, site: Arc<Site>) {
    let router = Router::new()
        .route("/auth/callback", get(callback))
        .route("/success", get(success))
        .route("/cancel", get(cancel))
        .with_state(site);
    // It ends when the login does.
    let _ = axum::serve(listener, router).await;
}

async fn callback(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    match site.gate.let_in(&query.unwrap_or_default()).await {
        // The code is not to stay in the address.
        Ok(Ok(())) => (StatusCode::FOUND, [(header::LOCATION, "/success")]).into_response(),
        Ok(Err(why)) => {
            site.seen.notify_one();
            page::failure(&why)
        }
        Err(refusal @ (Refusal::State | Refusal::Code | Refusal::Address)) => {
            (StatusCode::BAD_REQUEST, refusal.to_string()).into_response()
        }
    }
}

async fn success(State(site): State<Arc<Site>>) -> Response {
    site.seen.notify_one();
    page::success()
}

async fn cancel(State(site): State<Arc<Site>>) -> &'static str {
    site.cancelled.notify_one();
    "Login cancelled"
}
