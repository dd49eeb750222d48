//! What the backend says about the workspace of a ChatGPT login: its name, and where it is served.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Request, StatusCode, Url};
use serde::Deserialize;
use valet_auth::{Account, Caller, HttpError, Scope, SendError, Snapshot, send_authorized};
use valet_protocol::v2::WorkspaceRouting;

use super::AccountsState;

/// How long a login may wait for the backend before it is announced without the workspace's name.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Where the backend serves whoever has no place of their own.
const DEFAULT_ORIGIN: &str = "https://chatgpt.com";
const NO_CONSTRAINT: &str = "NO_CONSTRAINT";

/// What the backend said, and of which credential.
pub(super) struct Discovered {
    revision: u64,
    pub(super) workspace: Option<Workspace>,
}

/// What is known of a workspace.
#[derive(Clone, Debug)]
pub(super) struct Workspace {
    pub(super) account_id: String,
    pub(super) name: Option<String>,
    pub(super) routing: Option<WorkspaceRouting>,
}

/// Why the backend's word is not known. The texts are those of the reference.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiscoveryError {
    #[error("workspace routing discovery failed")]
    Failed(String),
    #[error("workspace routing discovery unauthorized (401)")]
    Unauthorized,
    #[error("workspace routing requires a ChatGPT account id")]
    NoAccountId,
    #[error("workspace backend must use an HTTPS origin without credentials")]
    Origin,
    #[error("selected workspace missing from routing discovery")]
    Missing,
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

impl AccountsState {
    /// Asks the backend, unless it has told already of this very credential. A failure is logged; whether it matters is for the caller to say.
    pub(super) async fn discover(&self, scope: Scope, account: &Arc<Account>) -> Result<(), DiscoveryError> {
        // With a provider that takes no login, nobody is shown a workspace.
        if !self.config.uses_login(self.config.provider_id()) {
            return Ok(());
        }
        let revision = account.snapshot().revision;
        if self.workspaces().get(&scope).is_some_and(|known| known.revision == revision) {
            return Ok(());
        }
        let asked = tokio::time::timeout(TIME_LIMIT, self.ask(account)).await;
        let asked = asked.unwrap_or_else(|_elapsed| Err(DiscoveryError::Failed("no answer in time".to_owned())));
        match asked {
            Ok(workspace) => {
                let discovered = Discovered { revision: account.snapshot().revision, workspace: Some(workspace) };
                let mut workspaces = self.workspaces();
                // Else nobody wants to know any more: somebody else has logged in, or the tenant has left.
                if self.auth.current(scope).is_some_and(|current| Arc::ptr_eq(&current, account)) {
                    workspaces.insert(scope, discovered);
                }
                Ok(())
            }
            Err(error) => {
                let reason = if let DiscoveryError::Failed(reason) = &error { reason.as_str() } else { "" };
                tracing::warn!(%error, reason, "the backend did not tell of the workspace");
                Err(error)
            }
        }
    }

    async fn ask(&self, account: &Arc<Account>) -> Result<Workspace, DiscoveryError> {
        let failed = |error: &dyn std::fmt::Display| DiscoveryError::Failed(error.to_string());
        let url = Url::parse(&format!("{}/wham/accounts/check", self.config.chatgpt_base_url()));
        let request = Request::new(Method::GET, url.map_err(|error| failed(&error))?);
        let client = self.http.get().map_err(|error| failed(&error))?;
        if account_id(&account.snapshot()).is_none_or(str::is_empty) {
            return Err(DiscoveryError::NoAccountId);
        }
        let response = match send_authorized(client, Some(account), &Caller::Program, request, TIME_LIMIT).await {
            Ok(response) => response,
            Err(SendError::Auth(_)) => return Err(DiscoveryError::Unauthorized),
            Err(error) => return Err(failed(&error)),
        };
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(DiscoveryError::Unauthorized);
        }
        let response = response.error_for_status().map_err(|error| failed(&HttpError::from(error)))?;
        let check: AccountsCheck = response.json().await.map_err(|error| failed(&HttpError::from(error)))?;
        let snapshot = account.snapshot();
        let wanted = account_id(&snapshot).unwrap_or_default();
        let entry = check.accounts.into_iter().find(|entry| entry.id == wanted).ok_or(DiscoveryError::Missing)?;
        let routing = routing(&entry).ok_or(DiscoveryError::Origin)?;
        Ok(Workspace { routing: Some(routing), account_id: entry.id, name: entry.name })
    }
}

fn account_id(snapshot: &Snapshot) -> Option<&str> {
    snapshot.identity.as_ref().map(|identity| identity.account_id.as_str())
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
