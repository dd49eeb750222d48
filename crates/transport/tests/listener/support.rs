//! A listener whose connections are echoed, and visitors that speak HTTP by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use valet_transport::listener::{Address, Endpoint, Listener, Probes, Settings, listen};

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What an upgrade needs, beside the request line and `Host`.
pub(crate) const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A host that answers as it is told.
#[derive(Clone)]
pub(crate) struct Double {
    pub(crate) alive: Option<bool>,
    pub(crate) ready: Result<(), &'static str>,
    pub(crate) metrics: Option<&'static str>,
}

impl Default for Double {
    fn default() -> Self {
        Self { alive: Some(true), ready: Ok(()), metrics: None }
    }
}

impl Probes for Double {
    fn alive(&self) -> BoxFuture<'_, bool> {
        match self.alive {
            Some(alive) => std::future::ready(alive).boxed(),
            // A main loop that hangs.
            None => std::future::pending().boxed(),
        }
    }

    fn ready(&self) -> Result<(), &'static str> {
        self.ready
    }

    fn metrics(&self) -> Option<String> {
        self.metrics.map(str::to_owned)
    }
}

pub(crate) fn settings() -> Settings {
    Settings::new(Arc::new(Double::default()))
}

/// A running listener. Whatever is said on its connections is said back.
pub(crate) struct Server {
    pub(crate) address: Address,
    stop: CancellationToken,
}

impl Server {
    /// Takes no more connections.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

pub(crate) async fn tcp(settings: Settings) -> Server {
    serve(listen(Endpoint::Tcp("127.0.0.1:0".parse().unwrap()), settings).await.unwrap())
}

pub(crate) fn serve(mut listener: Listener) -> Server {
    let (address, stop) = (listener.address.clone(), CancellationToken::new());
    let stopped = stop.clone();
    tokio::spawn(async move {
        loop {
            let link = tokio::select! {
                link = listener.accepted.recv() => link,
                () = stopped.cancelled() => break,
            };
            let Some(mut link) = link else { return };
            tokio::spawn(async move {
                while let Some(message) = link.inbox.next().await {
                    link.outbox.push(message.clone());
                }
            });
        }
        listener.stop();
        // Held, so that what ends is ended by the call above.
        std::future::pending::<()>().await;
        drop(listener);
    });
    Server { address, stop }
}

impl Server {
    pub(crate) fn socket_address(&self) -> SocketAddr {
        let Address::Tcp(address) = self.address else { unreachable!("a TCP listener") };
        address
    }

    /// Sends one request, and returns the head of the answer with its body.
    pub(crate) async fn ask(&self, line: &str, headers: &str) -> String {
        match &self.address {
            Address::Tcp(address) => {
                let host = if headers.contains("Host:") { String::new() } else { format!("Host: {address}\r\n") };
                let stream = TcpStream::connect(address).await.unwrap();
                ask(stream, line, &format!("{host}{headers}")).await
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await.unwrap();
                ask(stream, line, &format!("Host: localhost\r\n{headers}")).await
            }
            #[cfg(not(unix))]
            Address::Unix(_) => unreachable!("there are no unix sockets"),
        }
    }

    /// The status of one request.
    pub(crate) async fn status(&self, line: &str, headers: &str) -> u16 {
        status(&self.ask(line, headers).await)
    }

    /// The status of an upgrade.
    pub(crate) async fn upgrade(&self, headers: &str) -> u16 {
        self.status("GET /rpc", &format!("{UPGRADE}{headers}")).await
    }
}

pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// Sends one request by hand. An answer that opens a websocket ends with its head.
pub(crate) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, line: &str, headers: &str) -> String {
    stream.write_all(format!("{line} HTTP/1.1\r\n{headers}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while stream.read_buf(&mut answer).await.unwrap() > 0 {
            if answer.starts_with(b"HTTP/1.1 101") && answer.ends_with(b"\r\n\r\n") {
                break;
            }
        }
    };
    tokio::time::timeout(LIMIT, reading).await.unwrap();
    String::from_utf8(answer).unwrap()
}
