//! The host as its embedder sees it, and the state that the handlers share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;
use valet_agent::{Models, Origin};
use valet_auth::HttpClient;
use valet_exec::Launcher;
use valet_transport::{Close, Link};

use crate::account::{Accounts, Whereabouts};
use crate::config::Config;
use crate::connection::{ConnectionId, ConnectionKind, Connections};
use crate::event::Event;
use crate::main_loop::MainLoop;
use crate::metrics::Metrics;
use crate::outgoing::OutgoingMessageSender;
use crate::owners::Owners;
use crate::parent_watch::{NotAParent, ParentWatch};
use crate::processes::Processes;
use crate::sandbox::SandboxWarning;
use crate::threads::Threads;
use crate::workspace::Workspace;

/// Events that may wait for the main loop. Readers wait when it is full, and so do their clients.
const EVENTS: usize = 256;

/// How long the main loop may take to say that it turns.
const ALIVE_LIMIT: Duration = Duration::from_secs(1);

/// A running host. It ends with [`Host::shutdown`].
#[derive(Clone)]
pub struct Host {
    events: mpsc::Sender<Event>,
    state: Arc<HostState>,
}

impl Host {
    /// Starts a host whose commands are started by this executable again: its `main` must begin with
    /// [`valet_exec::helper_main`]. To be called inside a runtime. Nothing is read, built or connected before it is
    /// needed.
    pub fn start(config: Config) -> Self {
        Self::start_with(config, Launcher::default())
    }

    /// The same with another way to start commands, for a program whose `main` is not its own.
    pub fn start_with(config: Config, launcher: Launcher) -> Self {
        let (events, receiver) = mpsc::channel(EVENTS);
        let state = HostState::new(config, OutgoingMessageSender::new(events.clone()), launcher);
        tokio::spawn(MainLoop::new(Arc::clone(&state), events.clone()).run(receiver));
        Self { events, state }
    }

    /// Watches a process: when it ends, the host is [abandoned](Host::abandoned). A process that cannot be
    /// seen, because it has ended already or lives in another namespace, is not watched, and a warning is
    /// logged. To be called inside a runtime.
    pub fn watch_parent(&self, pid: i64) -> Result<(), NotAParent> {
        self.state.parent_watch.watch(pid)
    }

    /// Resolves when a process that is watched has ended: one of [`Host::watch_parent`], or the
    /// `valet.processId` of the connection that the host [serves](Host::serve).
    pub async fn abandoned(&self) {
        self.state.parent_watch.gone().await;
    }

    /// Serves one of several connections. Returns when the other side has left.
    pub async fn connect(&self, link: Link) {
        self.connected(link, ConnectionKind::Guest).await;
    }

    /// Serves the connection that the host was started for, and shuts down when it ends or the host is
    /// [abandoned](Host::abandoned). What still runs then is interrupted, and the other side is told so: it
    /// may have closed only its half.
    pub async fn serve(&self, link: Link) {
        tokio::select! {
            () = self.connected(link, ConnectionKind::Parent) => {
                if !self.is_draining() {
                    tracing::info!("the client that the host lives for has left");
                }
            }
            () = self.abandoned() => {}
        }
        self.shutdown().await;
    }

    async fn connected(&self, link: Link, kind: ConnectionKind) {
        let (sender, closed) = oneshot::channel();
        // After a shutdown nobody takes the link: it is dropped, and the other side sees it closed.
        let _ = self.events.send(Event::Connected { link, kind, closed: sender }).await;
        let _ = closed.await;
    }

    /// Takes no new work, waits for the turns that run, tells everybody how they ended, and closes all
    /// connections. What still runs at the limit is interrupted; without one, nothing is. Returns when all has
    /// ended, which [`Host::shutdown`] can bring about sooner. A second call waits for the same end: the first limit holds.
    pub async fn drain(&self, limit: Option<Duration>, then: End) {
        let _ = self.events.send(Event::Drain { limit, close: then.into() }).await;
        self.ended().await;
    }

    /// Interrupts what runs, tells everybody how it ended, and closes all connections. Takes 1.5 s at most.
    pub async fn shutdown(&self) {
        let _ = self.events.send(Event::End(Close::ShuttingDown)).await;
        self.ended().await;
    }

    /// Waits until the host has ended, whoever ended it.
    pub async fn ended(&self) {
        // The sender lives in the state, so waiting cannot fail.
        let _ = self.state.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Resolves when turns have run, and then none has for so long.
    pub async fn rested(&self, time: Duration) {
        let mut running = self.state.threads.running();
        // Waiting cannot fail: the sender lives in the state.
        let _ = running.wait_for(|running| *running > 0).await;
        loop {
            let _ = running.wait_for(|running| *running == 0).await;
            if tokio::time::timeout(time, running.wait_for(|running| *running > 0)).await.is_err() {
                return;
            }
        }
    }

    /// Resolves when nobody was connected and no turn has run for so long.
    pub async fn idle_for(&self, time: Duration) {
        let mut connected = self.state.connections.count();
        let mut running = self.state.threads.running();
        loop {
            // Neither can fail: both senders live in the state.
            let _ = connected.wait_for(|connected| *connected == 0).await;
            let _ = running.wait_for(|running| *running == 0).await;
            let busy = async {
                tokio::select! {
                    _ = connected.wait_for(|connected| *connected > 0) => {}
                    _ = running.wait_for(|running| *running > 0) => {}
                }
            };
            if *self.state.connections.count().borrow() == 0 && tokio::time::timeout(time, busy).await.is_err() {
                return;
            }
        }
    }

    /// Whether the main loop still turns: it answers, or takes longer than a second.
    pub async fn is_alive(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        let asked = async { self.events.send(Event::Ping(reply)).await.is_ok() && answer.await.is_ok() };
        tokio::time::timeout(ALIVE_LIMIT, asked).await.unwrap_or_default()
    }

    /// What was counted, as text for Prometheus; none unless `valet.metrics` is set.
    pub fn metrics(&self) -> Option<String> {
        let connections = self.state.connections.all();
        let queue_bytes = connections.iter().map(|connection| connection.waiting_bytes()).sum();
        self.state.metrics.text(connections.len(), queue_bytes, *self.state.threads.running().borrow())
    }

    /// Whether new work is refused, because the host is about to end.
    pub fn is_draining(&self) -> bool {
        self.state.is_draining()
    }
}

/// Why a host ends, as its clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It goes away: close code 1001.
    Shutdown,
    /// Another one takes its place: close code 1012.
    Restart,
}

impl From<End> for Close {
    fn from(end: End) -> Self {
        match end {
            End::Shutdown => Self::ShuttingDown,
            End::Restart => Self::Restarting,
        }
    }
}

/// What the handlers share.
pub(crate) struct HostState {
    pub(crate) config: Arc<Config>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) owners: Arc<Owners>,
    pub(crate) parent_watch: Arc<ParentWatch>,
    pub(crate) accounts: Accounts,
    pub(crate) threads: Arc<Threads>,
    pub(crate) http: Arc<HttpClient>,
    pub(crate) models: Arc<Models>,
    pub(crate) metrics: Metrics,
    pub(crate) outgoing: OutgoingMessageSender,
    /// Who starts commands.
    pub(crate) launcher: Arc<Launcher>,
    pub(crate) workspace: Workspace,
    pub(crate) processes: Arc<Processes>,
    /// A random id of this process.
    pub(crate) installation_id: String,
    pub(crate) sandbox_warning: SandboxWarning,
    /// Set by the first client that initializes.
    pub(crate) origin: OnceLock<Arc<Origin>>,
    /// Whether new work is refused.
    draining: AtomicBool,
    /// Whether everything has ended.
    pub(crate) ended: watch::Sender<bool>,
}

impl HostState {
    /// Whose everything is that a connection brings, where each connection is a tenant of its own.
    pub(crate) fn tenant(&self, connection: ConnectionId) -> Option<ConnectionId> {
        self.config.per_connection().then_some(connection)
    }

    /// Whether new work is refused.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Refuses new work from now on. Says whether it was taken before.
    pub(crate) fn drain(&self) -> bool {
        !self.draining.swap(true, Ordering::Relaxed)
    }

    /// Takes out everything that is kept for a connection that has left.
    pub(crate) fn forget(&self, connection: ConnectionId) {
        self.workspace.forget(connection);
        self.processes.forget(connection);
        let is_tenant = self.config.per_connection();
        if is_tenant {
            self.accounts.forget(connection);
        }
        let threads = Arc::clone(&self.threads);
        if threads.all().is_empty() {
            return;
        }
        // Leases are given back, and that may wait for a disk.
        tokio::task::spawn_blocking(move || {
            threads.leave_all(connection);
            if is_tenant {
                threads.retire(connection);
            }
        });
    }

    fn new(config: Config, outgoing: OutgoingMessageSender, launcher: Launcher) -> Arc<Self> {
        let config = Arc::new(config);
        let connections = Arc::new(Connections::default());
        let http = Arc::new(HttpClient::default());
        let owners = Arc::new(Owners::default());
        let threads = Threads::new(&config.home, config.thread_unload_delay());
        let metrics = if config.keys.valet.metrics { Metrics::new() } else { Metrics::default() };
        let whereabouts = Whereabouts {
            metrics: metrics.clone(),
            outgoing: outgoing.clone(),
            connections: Arc::clone(&connections),
            owners: Arc::clone(&owners),
            threads: Arc::clone(&threads),
        };
        let accounts = Accounts::new(Arc::clone(&config), Arc::clone(&http), whereabouts);
        Arc::new(Self {
            config,
            connections,
            owners,
            parent_watch: Arc::default(),
            accounts,
            threads,
            http,
            models: Arc::default(),
            metrics,
            outgoing,
            launcher: Arc::new(launcher),
            workspace: Workspace::default(),
            processes: Arc::default(),
            installation_id: Uuid::new_v4().to_string(),
            sandbox_warning: SandboxWarning::default(),
            origin: OnceLock::new(),
            draining: AtomicBool::new(false),
            ended: watch::Sender::new(false),
        })
    }
}
