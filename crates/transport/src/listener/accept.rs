//! The sockets, and the loop that takes visitors from them. Everything before the upgrade happens within one
//! deadline and a bounded buffer; no timer is left on a connection that got in.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::linger::Lingering;
use super::penalties::Peer;
use super::{Address, ListenError};

/// The longest head of a request.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a visitor may take until it is a connection or has its answer.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// The pause after the system had no connection to give: more often than not no file is left to open.
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(unix)]
type Stream = tokio_util::either::Either<TcpStream, tokio::net::UnixStream>;
#[cfg(not(unix))]
type Stream = TcpStream;

/// A socket that listens.
pub(super) struct Socket {
    address: Address,
    kind: Kind,
}

enum Kind {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

impl Socket {
    pub(super) async fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let refused = |error| ListenError::Bind(Address::Tcp(address), error);
        Self::tcp(TcpListener::bind(address).await.map_err(refused)?).map_err(refused)
    }

    fn tcp(socket: TcpListener) -> io::Result<Self> {
        Ok(Self { address: Address::Tcp(socket.local_addr()?), kind: Kind::Tcp(socket) })
    }

    #[cfg(unix)]
    pub(super) fn unix(socket: tokio::net::UnixListener, path: std::path::PathBuf) -> Self {
        Self { address: Address::Unix(path), kind: Kind::Unix(socket) }
    }

    #[cfg(unix)]
    pub(super) fn inherited(socket: super::Inherited) -> io::Result<Self> {
        use super::Inherited;
        match socket {
            Inherited::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Self::tcp(TcpListener::from_std(socket)?)
            }
            Inherited::Unix(socket) => {
                socket.set_nonblocking(true)?;
                let path = socket.local_addr()?.as_pathname().map(std::path::Path::to_owned).unwrap_or_default();
                Ok(Self::unix(tokio::net::UnixListener::from_std(socket)?, path))
            }
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    #[cfg(unix)]
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.kind {
            Kind::Tcp(socket) => accept_tcp(socket).await.map(|(stream, peer)| (Stream::Left(stream), peer)),
            Kind::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                let peer = Peer::User(stream.peer_cred()?.uid());
                Ok((Stream::Right(stream), peer))
            }
        }
    }

    #[cfg(not(unix))]
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        let Kind::Tcp(socket) = &self.kind;
        accept_tcp(socket).await
    }
}

async fn accept_tcp(socket: &TcpListener) -> io::Result<(TcpStream, Peer)> {
    let (stream, address) = socket.accept().await?;
    // Messages are written whole; waiting for more would only cost time.
    let _ = stream.set_nodelay(true);
    Ok((stream, Peer::ip(address.ip())))
}

/// Takes visitors until it is told to stop.
pub(super) async fn run(socket: Socket, routes: Router, stop: CancellationToken) {
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                tokio::spawn(handshake(stream, peer, routes.clone()));
            }
            Err(error) if left_already(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "no connection can be taken; trying again");
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
}

/// Whether an error of `accept` is about one visitor, and not about all.
fn left_already(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected)
}

/// Serves the one request of a visitor. The deadline is for all of it, from the first byte of the request to
/// the last of the answer; an upgraded connection goes on without.
async fn handshake(stream: Stream, peer: Peer, routes: Router) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Lingering::new(stream)), service)
        .with_upgrades();
    match tokio::time::timeout(HANDSHAKE_LIMIT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a visitor was not understood"),
        Err(_) => tracing::debug!("a visitor took too long"),
    }
}
