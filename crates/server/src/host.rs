//! The host as its embedder sees it, and the state that the handlers share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use valet_agent::Origin;
use valet_auth::HttpClient;
use valet_transport::Link;

use crate::account::{Accounts, Whereabouts};
use crate::config::Config;
use crate::connection::{ConnectionId, ConnectionKind, Connections};
use crate::event::Event;
use crate::main_loop::MainLoop;
use crate::outgoing::OutgoingMessageSender;
use crate::owners::Owners;
use crate::threads::Threads;
use crate::workspace::Workspace;

/// Events that may wait for the main loop. Readers wait when it is full, and so do their clients.
const EVENTS: usize = 256;

/// How long a shutdown may take.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// A running host. It ends with [`Host::shutdown`].
#[derive(Clone)]
pub struct Host {
    events: mpsc::Sender<Event>,
}

impl Host {
    /// Starts a host. To be called inside a runtime. Nothing is read, built or connected before it is needed.
    pub fn start(config: Config) -> Self {
        let (events, receiver) = mpsc::channel(EVENTS);
        let state = HostState::new(config, OutgoingMessageSender::new(events.clone()));
        tokio::spawn(MainLoop::new(state, events.clone()).run(receiver));
        Self { events }
    }

    /// Serves one of several connections. Returns when the other side has left.
    pub async fn connect(&self, link: Link) {
        self.connected(link, ConnectionKind::Guest).await;
    }

    /// Serves the connection that the host was started for, and shuts down when it ends. What still runs
    /// then is interrupted, and the other side is told so: it may have closed only its half.
    pub async fn serve(&self, link: Link) {
        self.connected(link, ConnectionKind::Parent).await;
        self.shutdown().await;
    }

    async fn connected(&self, link: Link, kind: ConnectionKind) {
        let (sender, closed) = oneshot::channel();
        // After a shutdown nobody takes the link: it is dropped, and the other side sees it closed.
        let _ = self.events.send(Event::Connected { link, kind, closed: sender }).await;
        let _ = closed.await;
    }

    /// Interrupts what runs, tells everybody how it ended, and closes all connections. Takes 2 s at most.
    pub async fn shutdown(&self) {
        let (sender, done) = oneshot::channel();
        if self.events.send(Event::Shutdown(sender)).await.is_ok() {
            // A client that does not read must not keep the process alive.
            let _ = tokio::time::timeout(SHUTDOWN_LIMIT, done).await;
        }
    }
}

/// What the handlers share.
pub(crate) struct HostState {
    pub(crate) config: Arc<Config>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) owners: Arc<Owners>,
    pub(crate) accounts: Accounts,
    pub(crate) threads: Arc<Threads>,
    pub(crate) http: Arc<HttpClient>,
    pub(crate) workspace: Workspace,
    /// A random id of this process.
    pub(crate) installation_id: String,
    /// Set by the first client that initializes.
    pub(crate) origin: OnceLock<Arc<Origin>>,
}

impl HostState {
    /// Whose everything is that a connection brings, where each connection is a tenant of its own.
    pub(crate) fn tenant(&self, connection: ConnectionId) -> Option<ConnectionId> {
        self.config.per_connection().then_some(connection)
    }

    /// Takes out everything that is kept for a connection that has left.
    pub(crate) fn forget(&self, connection: ConnectionId) {
        self.owners.left(connection);
        self.threads.unsubscribe_everywhere(connection);
        self.workspace.forget(connection);
        if self.config.per_connection() {
            self.accounts.forget(connection);
            self.threads.retire(connection);
        }
    }

    fn new(config: Config, outgoing: OutgoingMessageSender) -> Arc<Self> {
        let config = Arc::new(config);
        let connections = Arc::new(Connections::default());
        let http = Arc::new(HttpClient::default());
        let owners = Arc::new(Owners::default());
        let threads = Arc::new(Threads::default());
        let whereabouts = Whereabouts {
            outgoing,
            connections: Arc::clone(&connections),
            owners: Arc::clone(&owners),
            threads: Arc::clone(&threads),
        };
        let accounts = Accounts::new(Arc::clone(&config), Arc::clone(&http), whereabouts);
        Arc::new(Self {
            config,
            connections,
            owners,
            accounts,
            threads,
            http,
            workspace: Workspace::default(),
            installation_id: Uuid::new_v4().to_string(),
            origin: OnceLock::new(),
        })
    }
}
