//! What the backend says about the workspace of a ChatGPT login: its name, and where it is served.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Request, Url};
use serde::Deserialize;
use valet_auth::{Account, SendError, send_authorized};
use valet_protocol::v2::WorkspaceRouting;

use super::Shared;

/// How long a login may wait for the backend before it is announced without the workspace's name.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Where the backend serves whoever has no place of their own.
const DEFAULT_ORIGIN: &str = "https://chatgpt.com";
const NO_CONSTRAINT: &str = "NO_CONSTRAINT";

/// What is known of a workspace.
#[derive(Clone, Debug)]
pub(super) struct Workspace {
    pub(super) account_id: String,
    pub(super) name: Option<String>,
    pub(super) routing: Option<WorkspaceRouting>,
}

/// Why the backend's word is not known. For the log.
#[derive(Debug, thiserror::Error)]
enum DiscoveryError {
    #[error("chatgpt_base_url is not a URL")]
    Url,
    #[error("{0}")]
    Send(#[from] SendError),
    #[error("{0}")]
    Http(#[from] reqwest::Error),
}

#[derive(Deserialize)]
struct AccountsCheck {
    accounts: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    name: Option<String>,
    workspace_backend_origin: Option<String>,
    account_routing_override: Option<String>,
}

impl Shared {
    /// Asks the backend. A failure is logged and harms nothing: the token is good for turns without it. Ends
    /// early when somebody else logs in or out.
    pub(super) async fn discover(&self, account: &Arc<Account>) -> Option<Workspace> {
        let superseded = async {
            loop {
                let changed = self.auth.changed();
                match self.auth.current() {
                    Some(current) if Arc::ptr_eq(&current, account) => changed.await,
                    _ => return,
                }
            }
        };
        let asked = tokio::select! {
            asked = tokio::time::timeout(TIME_LIMIT, self.ask(account)) => asked,
            () = superseded => return None,
        };
        match asked {
            Ok(Ok(workspace)) => workspace,
            Ok(Err(error)) => {
                tracing::warn!(%error, "workspace discovery failed");
                None
            }
            Err(_elapsed) => {
                tracing::warn!("workspace discovery took too long");
                None
            }
        }
    }

    async fn ask(&self, account: &Arc<Account>) -> Result<Option<Workspace>, DiscoveryError> {
        let url = Url::parse(&format!("{}/wham/accounts/check", self.config.chatgpt_base_url()));
        let url = url.map_err(|_| DiscoveryError::Url)?;
        let request = Request::new(Method::GET, url);
        let response = send_authorized(self.http.get()?, Some(account), request, TIME_LIMIT).await?;
        let check: AccountsCheck = response.error_for_status()?.json().await?;
        let snapshot = account.snapshot();
        let Some(identity) = &snapshot.identity else { return Ok(None) };
        let entry = check.accounts.into_iter().find(|entry| entry.id == identity.account_id);
        Ok(entry.map(|entry| Workspace { routing: routing(&entry), account_id: entry.id, name: entry.name }))
    }
}

fn routing(entry: &Entry) -> Option<WorkspaceRouting> {
    let origin = match entry.workspace_backend_origin.as_deref() {
        None | Some(NO_CONSTRAINT) => DEFAULT_ORIGIN,
        Some(origin) => origin,
    };
    let url = Url::parse(origin).ok()?;
    let trusted = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    trusted.then(|| WorkspaceRouting {
        chatgpt_account_id: entry.id.clone(),
        backend_origin: origin.to_owned(),
        account_routing_override: entry.account_routing_override.clone().unwrap_or_else(|| NO_CONSTRAINT.to_owned()),
    })
}
