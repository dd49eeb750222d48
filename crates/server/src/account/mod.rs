//! Who is logged in, as clients see it.

mod announce;
mod attempts;
mod backend;
mod discovery;
mod harden;
mod lent;
mod limits;
mod meters;
mod parent;
mod token_usage;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use valet_auth::store::{Login, StoreError};
use valet_auth::{
    AccessToken, Account, AuthManager, ExternalTokens, HttpClient, Keeping, LoginError, Mode, OwnerId, Scope,
};
use valet_protocol::v1::{AuthMode, PlanType};
use valet_protocol::{ErrorObject, v2};
use valet_store::Creator;

use crate::config::Config;
use crate::connection::{Audience, ConnectionId, Connections};
use crate::convert::login_error;

pub(crate) use announce::Change;
use attempts::Attempts;
use discovery::{Discovered, Workspace};
pub(crate) use meters::Meters;
use parent::Parent;
pub(crate) use parent::Whereabouts;

/// Who is logged in.
#[derive(Clone)]
pub(crate) struct Accounts {
    shared: Arc<AccountsState>,
    meters: Arc<Meters>,
    /// Who announces the changes of each scope.
    announcers: Arc<Mutex<HashMap<Scope, mpsc::UnboundedSender<Change>>>>,
}

struct AccountsState {
    auth: AuthManager,
    config: Arc<Config>,
    connections: Arc<Connections>,
    http: Arc<HttpClient>,
    keeping: Option<Keeping>,
    attempts: Attempts,
    /// What the backend said about the workspace of each scope's account.
    workspaces: Mutex<HashMap<Scope, Discovered>>,
}

impl Accounts {
    pub(crate) fn new(config: Arc<Config>, http: Arc<HttpClient>, whereabouts: Whereabouts) -> Self {
        let connections = Arc::clone(&whereabouts.connections);
        let parent = Parent::new(whereabouts, config.refresh_timeout(), config.strict());
        let keeping = config.keeping(&http);
        let auth = AuthManager::new(Arc::new(parent.clone()), config.rules(), keeping.clone());
        let (attempts, workspaces) = (Attempts::default(), Mutex::default());
        let shared = Arc::new(AccountsState { auth, config, connections, http, keeping, attempts, workspaces });
        parent.report_to(&shared);
        Self { shared, meters: Arc::default(), announcers: Arc::default() }
    }

    /// What is known of everybody's limits.
    pub(crate) fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// The account for new work of a connection.
    pub(crate) fn current(&self, asker: ConnectionId) -> Option<Arc<Account>> {
        self.shared.auth.current(self.shared.scope(asker))
    }

    /// The holder of that login, if it says who that is, as threads note it.
    pub(crate) fn creator(&self, asker: ConnectionId) -> Option<Creator> {
        self.current(asker).as_deref().and_then(creator)
    }

    /// The holders of everything that a connection has: of the login and of what is lent beside it.
    pub(crate) fn creators(&self, asker: ConnectionId) -> Vec<Creator> {
        let lent = self.shared.auth.lent(self.shared.scope(asker));
        self.current(asker).iter().chain(&lent).filter_map(|account| creator(account)).collect()
    }

    /// Whether a ChatGPT login that the host would own may begin now.
    pub(crate) fn check_chatgpt_login(&self, asker: ConnectionId) -> Result<(), LoginError> {
        self.shared.auth.check_chatgpt_login(self.shared.scope(asker))
    }

    /// Whether a login that the host would own may begin now.
    pub(crate) fn check_managed_login(&self, asker: ConnectionId) -> Result<(), LoginError> {
        self.shared.auth.check_managed_login(self.shared.scope(asker))
    }

    /// A parent lends a token. A login that waits for a person is ended.
    pub(crate) async fn login_external(
        &self,
        asker: ConnectionId,
        tokens: ExternalTokens,
        owner: OwnerId,
    ) -> Result<Change, LoginError> {
        harden::process();
        let scope = self.shared.scope(asker);
        let account = self.shared.auth.login_external(scope, tokens, owner)?;
        self.shared.attempts.end_all().await;
        Ok(Change::login(scope, account, None))
    }

    pub(crate) async fn login_api_key(&self, asker: ConnectionId, key: AccessToken) -> Result<Change, LoginError> {
        let scope = self.shared.scope(asker);
        let account = self.shared.auth.log_in(scope, Login::ApiKey(key)).await?;
        self.shared.attempts.end_all().await;
        Ok(Change::login(scope, account, None))
    }

    pub(crate) async fn logout(&self, asker: ConnectionId) -> Result<Change, StoreError> {
        let scope = self.shared.scope(asker);
        let left = self.shared.auth.log_out(scope).await?;
        Ok(Change::logout(scope, left))
    }

    /// Resolves when the issuer was told of every logout.
    pub(crate) async fn revoked(&self) {
        if let Some(keeping) = &self.shared.keeping {
            keeping.revoked().await;
        }
    }

    /// Forgets a tenant that has left. What still runs goes on to its end.
    pub(crate) fn forget(&self, tenant: ConnectionId) {
        let scope = self.shared.scope(tenant);
        self.shared.auth.forget(scope);
        self.shared.workspaces().remove(&scope);
        self.announcers.lock().unwrap_or_else(PoisonError::into_inner).remove(&scope);
    }

    /// Has a login that the host owns renewed, before it is due. If that fails it stays as it is, unless it has failed
    /// for good. Whoever lends a token decides alone when there is another.
    pub(crate) async fn renew(&self, asker: ConnectionId) {
        let account = self.current(asker).filter(|account| account.mode() == Mode::Chatgpt);
        if let Some(account) = account
            && let Err(error) = account.renew_now(&asker.caller()).await
        {
            tracing::warn!(%error, "the login was not renewed");
        }
    }

    /// The answer to `account/read`: from memory, except in strict mode.
    pub(crate) async fn read(&self, asker: ConnectionId, renew: bool) -> Result<v2::GetAccountResponse, ErrorObject> {
        if renew {
            self.renew(asker).await;
        }
        let config = &self.shared.config;
        let scope = self.shared.scope(asker);
        let requires_openai_auth = config.uses_login(config.provider_id());
        let account = self.shared.auth.current(scope).filter(|account| requires_openai_auth && !account.is_spent());
        let nobody = v2::GetAccountResponse {
            account: None,
            user_id: None,
            requires_openai_auth,
            workspace_routing: None,
            valet: None,
        };
        let Some(account) = account else { return Ok(nobody) };
        if config.strict() && account.mode() != Mode::ApiKey {
            self.shared.discover(scope, &account).await.map_err(|error| ErrorObject::internal(error.to_string()))?;
        }
        let snapshot = account.snapshot();
        let valet = (!config.strict())
            .then(|| v2::ValetAccountInfo { expires_at: snapshot.profile.expires_at, revision: snapshot.revision });
        let Some(identity) = &snapshot.identity else {
            return Ok(v2::GetAccountResponse { account: Some(v2::Account::ApiKey {}), valet, ..nobody });
        };
        let workspace = self.shared.workspace(scope, &identity.account_id);
        Ok(v2::GetAccountResponse {
            account: Some(v2::Account::Chatgpt {
                email: snapshot.profile.email.clone(),
                plan_type: plan(snapshot.profile.plan.as_deref()),
                workspace_name: workspace.as_ref().and_then(|workspace| workspace.name.clone()),
            }),
            user_id: identity.user_id.clone(),
            workspace_routing: workspace.and_then(|workspace| workspace.routing),
            valet,
            ..nobody
        })
    }
}

impl AccountsState {
    fn scope(&self, connection: ConnectionId) -> Scope {
        if self.config.per_connection() { Scope(connection.0) } else { Scope::default() }
    }

    fn keeping(&self) -> Result<Keeping, ErrorObject> {
        self.keeping.clone().ok_or_else(|| login_error(&LoginError::NotKept))
    }

    fn audience(&self, scope: Scope) -> Audience {
        if self.config.per_connection() { Audience::One(ConnectionId(scope.0)) } else { Audience::Everybody }
    }

    fn workspaces(&self) -> MutexGuard<'_, HashMap<Scope, Discovered>> {
        // Values are replaced as a whole.
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn workspace(&self, scope: Scope, account_id: &str) -> Option<Workspace> {
        let workspace = self.workspaces().get(&scope)?.workspace.clone();
        workspace.filter(|workspace| workspace.account_id == account_id)
    }
}

/// The holder of an account, as threads note it.
pub(crate) fn creator(account: &Account) -> Option<Creator> {
    let identity = account.snapshot().identity.clone()?;
    Some(Creator { account_id: identity.account_id, user_id: identity.user_id })
}

/// How an account is logged in, in the words of the protocol.
pub(crate) fn auth_mode(account: &Account) -> AuthMode {
    match account.mode() {
        Mode::ApiKey => AuthMode::ApiKey,
        Mode::External => AuthMode::ChatgptAuthTokens,
        Mode::Chatgpt => AuthMode::Chatgpt,
    }
}

fn plan(words: Option<&str>) -> PlanType {
    words.map_or(PlanType::UnknownPlan, PlanType::from_words)
}
