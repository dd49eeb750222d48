//! A running session: the app server, its parent, and the door for clients.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use valet_auth::login::random;
use valet_transport::listener::Auth;
use zeroize::Zeroizing;

use crate::door;
use crate::meters::Meters;
use crate::parent::{ConnectError, Parent, Wishes};
use crate::relay;
use crate::server::{self, Program, READY, Server, ServerError};
use crate::session::Session;
use crate::wallet::Wallet;
use crate::watch::Watch;

/// What a session is made of.
pub struct Plan {
    /// The app server.
    pub program: Program,
    /// Where clients come in.
    pub listen: SocketAddr,
    /// What they have to show.
    pub auth: Auth,
    /// The accounts.
    pub wallet: Arc<Wallet>,
    /// What is known of their limits.
    pub meters: Arc<Meters>,
    /// The folders in which a change of the active account can be seen.
    pub folders: Vec<PathBuf>,
    /// What the person wants.
    pub wishes: Wishes,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// No app server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// It is there, and cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No door.
    #[error("cannot listen on {address}: {error}{}", way_out(.error))]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The operating system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// What helps, where the system's words do not say it.
fn way_out(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "; another program listens there: end it, or take another port (0: any free one)",
        _ => "",
    }
}

/// A running session. Dropping it ends it.
pub struct Switch {
    server: Arc<Server>,
    address: SocketAddr,
    tasks: JoinSet<()>,
    /// Nobody else is let in.
    closing: CancellationToken,
    /// Ends with the app server.
    parent: AbortHandle,
}

impl Switch {
    /// Starts the app server, lends it the active account, and opens the door.
    pub async fn start(plan: Plan) -> Result<Self, SwitchError> {
        let token = random()?;
        let failed = |error| SwitchError::Listen { address: plan.listen, error };
        let listener = TcpListener::bind(plan.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let server = Arc::new(Server::start(&plan.program, &token).await?);
        let (news_sender, news) = mpsc::unbounded_channel();
        let session = Arc::new(Session::new(plan.wishes.policy.acts(), plan.wishes.repeat, &random()?, news_sender));
        let connecting = async {
            let link = valet_client::connect(&format!("ws://{}", server.address), Some(&token)).await?;
            Parent::open(link, Arc::clone(&session), plan.wallet, plan.meters, plan.wishes).await
        };
        let parent = tokio::select! {
            connected = connecting => connected?,
            exit = server.ended() => return Err(ServerError::Ended { exit, last_words: server.last_words() }.into()),
            () = tokio::time::sleep(READY) => {
                let why = "it does not answer".to_owned();
                return Err(ServerError::NotReady { why, last_words: server.last_words() }.into());
            }
        };
        let mut tasks = JoinSet::new();
        let parent = tasks.spawn(parent.run(news, Watch::new(plan.folders)));
        let closing = CancellationToken::new();
        tasks.spawn(serve(listener, plan.auth, Arc::clone(&server), token, session, closing.clone()));
        Ok(Self { server, address, tasks, closing, parent })
    }

    /// Where clients come in.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the end of the app server, and says how it has ended, in words.
    pub async fn ended(&self) -> String {
        let exit = self.server.ended().await;
        format!("the app server ended {}{}", server::ended(exit), server::quoted(&self.server.last_words()))
    }

    /// Whether the app server runs.
    pub fn is_running(&self) -> bool {
        !self.parent.is_finished()
    }

    /// Ends the app server, so that it tells its clients, and returns when nothing is left.
    pub async fn end(mut self) {
        self.server.end().await;
        self.closing.cancel();
        // With the app server all end by themselves, when its farewell has reached the clients.
        let told = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(2 * relay::FAREWELL, told).await;
        self.tasks.shutdown().await;
    }
}

/// Lets clients in. Each has a connection of its own to the app server.
async fn serve(
    listener: TcpListener,
    auth: Auth,
    server: Arc<Server>,
    token: Zeroizing<String>,
    session: Arc<Session>,
    closing: CancellationToken,
) {
    let mut clients = JoinSet::new();
    while let Some(accepted) = closing.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Mostly that there are too many open files. That passes.
                tracing::warn!(%error, "a client cannot be let in");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        while clients.try_join_next().is_some() {}
        let (auth, server, token, session) = (auth.clone(), Arc::clone(&server), token.clone(), Arc::clone(&session));
        clients.spawn(async move {
            let client = match door::admit(stream, &auth).await {
                Ok(client) => client,
                Err(error) => return tracing::info!(%peer, %error, "a client was not let in"),
            };
            match door::connect(&server.address, &token).await {
                Ok(socket) => relay::run(client, socket, &session).await,
                Err(error) => {
                    tracing::warn!(%error, "the app server cannot be reached");
                    relay::refuse(client).await;
                }
            }
        });
    }
    while clients.join_next().await.is_some() {}
}
