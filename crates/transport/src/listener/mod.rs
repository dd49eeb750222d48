//! Listeners: where connections come from, over TCP, a unix socket or a socket that was handed over. Every
//! door has the same guard: no web pages, a deadline for the handshake, and a credential where one is asked
//! for. What is said on a connection that got in is the affair of `websocket`.

mod accept;
mod auth;
#[cfg(unix)]
mod control_socket;
mod door;
mod linger;
mod origin;
mod penalties;
mod probes;
mod routes;
mod signed;

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::link::Link;
use crate::outbox::OutboxLimits;

pub use auth::{Auth, AuthError, Refusal};
pub use origin::{AllowedOrigin, BadOrigin};
pub use probes::Probes;
pub use signed::SignedRules;

use accept::Socket;
#[cfg(unix)]
use control_socket::SocketFile;
use door::Door;

/// Where to listen.
#[derive(Debug)]
pub enum Endpoint {
    /// An IP address; port 0 for any free port.
    Tcp(SocketAddr),
    /// A socket file. Its directory is made when it does not exist.
    #[cfg(unix)]
    Unix(PathBuf),
    /// A socket that whoever started the process has opened; see [`Endpoint::inherited`].
    #[cfg(unix)]
    Inherited(Inherited),
}

/// A socket that was handed over by systemd or a program like it.
#[cfg(unix)]
#[derive(Debug)]
pub enum Inherited {
    /// A TCP socket.
    Tcp(std::net::TcpListener),
    /// A unix socket.
    Unix(std::os::unix::net::UnixListener),
}

#[cfg(unix)]
impl Endpoint {
    /// Takes the one socket that `LISTEN_FDS` tells of, and removes the variable: child processes have no use
    /// for it. To be called before there are other threads, which could be reading the environment.
    pub fn inherited() -> Result<Self, ListenError> {
        let mut sockets = listenfd::ListenFd::from_env();
        if sockets.len() != 1 {
            return Err(ListenError::Inherited(sockets.len()));
        }
        // A socket of the wrong kind is left in its place, so both kinds can be tried.
        if let Ok(Some(socket)) = sockets.take_unix_listener(0) {
            return Ok(Self::Inherited(Inherited::Unix(socket)));
        }
        match sockets.take_tcp_listener(0) {
            Ok(Some(socket)) => Ok(Self::Inherited(Inherited::Tcp(socket))),
            _ => Err(ListenError::InheritedKind),
        }
    }
}

/// Where a listener can be reached, as a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// With the port that the system chose.
    Tcp(SocketAddr),
    /// The path of the socket file.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(out, "ws://{address}"),
            Self::Unix(path) => write!(out, "unix://{}", path.display()),
        }
    }
}

/// Who may come in, and what visitors are told.
#[derive(Clone)]
pub struct Settings {
    /// What may wait on each connection.
    pub outbox: OutboxLimits,
    /// The credential that is asked for, if any. Needed where others than this machine can reach the address.
    pub auth: Option<Auth>,
    /// The web pages that may connect.
    pub origins: Vec<AllowedOrigin>,
    /// Whether there is a `/metrics`.
    pub metrics: bool,
    /// Who answers `/healthz`, `/readyz` and `/metrics`.
    pub probes: Arc<dyn Probes>,
}

impl Settings {
    /// Nobody but programs of this machine, and no metrics.
    pub fn new(probes: Arc<dyn Probes>) -> Self {
        Self { outbox: OutboxLimits::default(), auth: None, origins: Vec::new(), metrics: false, probes }
    }
}

/// Why a listener was not started.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Anybody who reaches the address could use the host.
    #[error(
        "refusing to start non-loopback websocket listener {0} without auth; configure `--ws-auth capability-token` or `--ws-auth signed-bearer-token`"
    )]
    NotLoopback(SocketAddr),
    /// The system refused the address.
    #[error("cannot listen on {0}: {1}{way_out}", way_out = way_out(.0, .1))]
    Bind(Address, std::io::Error),
    /// There has to be one socket to take over.
    #[error("systemd:// takes one socket, and LISTEN_FDS hands over {0}")]
    Inherited(usize),
    /// The socket that was handed over speaks neither TCP nor is it a unix stream socket.
    #[error("systemd:// takes a TCP or a unix stream socket, and was handed something else")]
    InheritedKind,
    /// The system refused the socket that was handed over.
    #[error("the socket that LISTEN_FDS hands over cannot be used: {0}")]
    InheritedSocket(std::io::Error),
    /// A server that lives has the socket file.
    #[error("app-server control socket is already in use at {}", .0.display())]
    InUse(PathBuf),
    /// Something else than a socket is at the path.
    #[error("app-server control socket path exists and is not a socket: {}", .0.display())]
    NotASocket(PathBuf),
    /// The system has no room for the path.
    #[error("app-server control socket path is too long for a socket ({length} bytes): {}; name a shorter one with --listen unix://PATH", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// Others could put a socket of their own in the place of ours.
    #[error("refusing to put the app-server control socket into {}, which others may write to (mode {mode:04o}); name a directory of your own, or `chmod go-w` it", directory.display())]
    OpenDirectory {
        /// The directory.
        directory: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The directory of the socket file belongs to somebody else.
    #[error("refusing to put the app-server control socket into {}, which belongs to another user", .0.display())]
    ForeignDirectory(PathBuf),
}

/// What helps, where the system's words do not say it.
fn way_out(address: &Address, error: &std::io::Error) -> &'static str {
    match (address, error.kind()) {
        (Address::Tcp(_), ErrorKind::AddrInUse) => {
            "; another program listens there: end it, or take another port (0: any free one)"
        }
        (Address::Tcp(_), ErrorKind::AddrNotAvailable) => "; this machine has no such address",
        _ => "",
    }
}

/// A listener and the connections that it accepts. The socket file goes when it is dropped.
#[derive(Debug)]
pub struct Listener {
    /// Where it listens.
    pub address: Address,
    /// One link per connection.
    pub accepted: mpsc::Receiver<Link>,
    stop: CancellationToken,
    #[cfg(unix)]
    file: Option<SocketFile>,
}

impl Listener {
    /// Takes no more connections, and frees the address for the next server. Connections that stand are not
    /// touched.
    pub fn stop(&mut self) {
        #[cfg(unix)]
        drop(self.file.take());
        self.stop.cancel();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts a listener. To be called inside a runtime.
pub async fn listen(endpoint: Endpoint, settings: Settings) -> Result<Listener, ListenError> {
    if let Endpoint::Tcp(address) = endpoint {
        refuse_open(address, &settings)?;
    }
    #[cfg(unix)]
    let (socket, file) = match endpoint {
        Endpoint::Tcp(address) => (Socket::bind(address).await?, None),
        Endpoint::Unix(path) => {
            let (socket, file) = SocketFile::listen(&path)?;
            (Socket::unix(socket, path), Some(file))
        }
        Endpoint::Inherited(socket) => (Socket::inherited(socket).map_err(ListenError::InheritedSocket)?, None),
    };
    #[cfg(not(unix))]
    let Endpoint::Tcp(address) = endpoint;
    #[cfg(not(unix))]
    let socket = Socket::bind(address).await?;
    let address = socket.address().clone();
    if let Address::Tcp(address) = address {
        refuse_open(address, &settings)?;
    }
    let (links, accepted) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let routes = routes::routes(Door::new(settings, &address, links));
    tokio::spawn(accept::run(socket, routes, stop.clone()));
    Ok(Listener {
        address,
        accepted,
        stop,
        #[cfg(unix)]
        file,
    })
}

/// An address that others can reach needs a lock on its door.
fn refuse_open(address: SocketAddr, settings: &Settings) -> Result<(), ListenError> {
    if settings.auth.is_none() && !address.ip().to_canonical().is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    Ok(())
}
