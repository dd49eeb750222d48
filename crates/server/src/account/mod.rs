//! Who is logged in, as clients see it: logins and their announcements.

mod discovery;
mod parent;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use valet_auth::{AccessToken, Account, AuthManager, ExternalTokens, HttpClient, LoginError, Mode};
use valet_protocol::methods as m;
use valet_protocol::v1::{AuthMode, PlanType};
use valet_protocol::v2;

use crate::config::Config;
use crate::connection::{ConnectionId, Connections};
use crate::outgoing::OutgoingMessageSender;

use discovery::Workspace;
use parent::Parent;

/// Changes that may wait to be announced before the next login waits too.
const CHANGES: usize = 64;

/// Who is logged in.
#[derive(Clone)]
pub(crate) struct Accounts {
    shared: Arc<Shared>,
    changes: mpsc::Sender<Change>,
}

struct Shared {
    auth: AuthManager,
    config: Arc<Config>,
    connections: Arc<Connections>,
    http: Arc<HttpClient>,
    /// What the backend said about the current account's workspace.
    workspace: Mutex<Option<Workspace>>,
}

/// A change that is in force and is still to be told. The response to the request comes first.
#[must_use = "clients wait to be told"]
pub(crate) struct Change {
    account: Option<Arc<Account>>,
    is_login: bool,
}

impl Accounts {
    pub(crate) fn new(
        config: Arc<Config>,
        connections: Arc<Connections>,
        http: Arc<HttpClient>,
        outgoing: OutgoingMessageSender,
    ) -> Self {
        let parent = Parent::new(outgoing, Arc::clone(&connections), config.refresh_timeout());
        let auth = AuthManager::new(Arc::new(parent), config.restrictions());
        let shared = Arc::new(Shared { auth, config, connections, http, workspace: Mutex::default() });
        let (changes, receiver) = mpsc::channel(CHANGES);
        tokio::spawn(announce_all(Arc::clone(&shared), receiver));
        Self { shared, changes }
    }

    /// The account for new work.
    pub(crate) fn current(&self) -> Option<Arc<Account>> {
        self.shared.auth.current()
    }

    /// Whether a login that the host would own may begin now.
    pub(crate) fn check_managed_login(&self) -> Result<(), LoginError> {
        self.shared.auth.check_managed_login()
    }

    pub(crate) fn login_external(&self, tokens: ExternalTokens, owner: ConnectionId) -> Result<Change, LoginError> {
        let account = self.shared.auth.login_external(tokens, owner.into())?;
        Ok(Change { account: Some(account), is_login: true })
    }

    pub(crate) fn login_api_key(&self, key: AccessToken) -> Result<Change, LoginError> {
        let account = self.shared.auth.login_api_key(key)?;
        Ok(Change { account: Some(account), is_login: true })
    }

    pub(crate) fn logout(&self) -> Change {
        self.shared.auth.logout();
        Change { account: None, is_login: false }
    }

    /// Has a change told to everybody, after those that came before it. Returns at once: an announcement
    /// may wait for the backend, and the next login or logout must not.
    pub(crate) async fn announce(&self, change: Change) {
        // The announcer lives as long as a sender does.
        let _ = self.changes.send(change).await;
    }

    /// The current account as `account/updated` tells it; none when nobody is logged in.
    pub(crate) fn update_for_newcomer(&self) -> Option<v2::AccountUpdatedNotification> {
        self.current().map(|account| updated(Some(&account)))
    }

    /// The answer to `account/read`, from memory.
    pub(crate) fn read(&self) -> v2::GetAccountResponse {
        let config = &self.shared.config;
        let requires_openai_auth = config.uses_login(config.provider_id());
        let account = self.current().filter(|_| requires_openai_auth);
        let Some(account) = account else {
            return v2::GetAccountResponse {
                account: None,
                user_id: None,
                requires_openai_auth,
                workspace_routing: None,
            };
        };
        let snapshot = account.snapshot();
        let Some(identity) = &snapshot.identity else {
            return v2::GetAccountResponse {
                account: Some(v2::Account::ApiKey {}),
                user_id: None,
                requires_openai_auth,
                workspace_routing: None,
            };
        };
        let workspace = self.shared.workspace().clone();
        let workspace = workspace.filter(|workspace| workspace.account_id == identity.account_id);
        v2::GetAccountResponse {
            account: Some(v2::Account::Chatgpt {
                email: snapshot.profile.email.clone(),
                plan_type: plan(snapshot.profile.plan.as_deref()),
                workspace_name: workspace.as_ref().and_then(|workspace| workspace.name.clone()),
            }),
            user_id: identity.user_id.clone(),
            requires_openai_auth,
            workspace_routing: workspace.and_then(|workspace| workspace.routing),
        }
    }
}

impl Shared {
    fn workspace(&self) -> MutexGuard<'_, Option<Workspace>> {
        // The value is replaced as a whole.
        self.workspace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells everybody of one change after the other. For a ChatGPT login the backend is asked first what the
/// workspace is called: clients read the account as soon as they are told of it.
async fn announce_all(shared: Arc<Shared>, mut changes: mpsc::Receiver<Change>) {
    while let Some(Change { account, is_login }) = changes.recv().await {
        let workspace = match &account {
            Some(account) if account.mode() == Mode::External => shared.discover(account).await,
            _ => None,
        };
        *shared.workspace() = workspace;
        if is_login {
            shared.connections.broadcast::<m::AccountLoginCompleted>(&v2::AccountLoginCompletedNotification {
                login_id: None,
                success: true,
                error: None,
                onboarding_entrypoint: None,
            });
        }
        shared.connections.broadcast::<m::AccountUpdated>(&updated(account.as_deref()));
    }
}

/// How an account is logged in, in the words of the protocol.
pub(crate) fn auth_mode(account: &Account) -> AuthMode {
    match account.mode() {
        Mode::ApiKey => AuthMode::ApiKey,
        Mode::External => AuthMode::ChatgptAuthTokens,
    }
}

fn updated(account: Option<&Account>) -> v2::AccountUpdatedNotification {
    let plan_type = account.and_then(|account| {
        let snapshot = account.snapshot();
        snapshot.identity.as_ref().map(|_| plan(snapshot.profile.plan.as_deref()))
    });
    v2::AccountUpdatedNotification { auth_mode: account.map(auth_mode), plan_type }
}

fn plan(words: Option<&str>) -> PlanType {
    words.map_or(PlanType::UnknownPlan, PlanType::from_words)
}
