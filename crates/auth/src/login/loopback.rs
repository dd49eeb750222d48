//! Listeners on the loopback interface, on one of the two ports that the issuer knows.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The ports that the issuer sends people back to, in the order in which they are tried.
pub const PORTS: [u16; 2] = [1455, 1457];

/// How often a port that another login server has is tried, and how long each time it may take to leave.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);

/// Neither port is to be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for the login: {}", .0.iter().map(|(port, error)| format!("port {port}: {error}")).collect::<Vec<_>>().join("; "))]
pub struct PortsError(Vec<(u16, std::io::Error)>);

/// Listens on IPv4 and, where there is any, on IPv6, at the first port that is free or becomes so.
pub(super) async fn listen(ports: &[u16]) -> Result<(u16, Vec<TcpListener>), PortsError> {
    let mut errors = Vec::new();
    for port in ports {
        match listen_at(*port).await {
            Ok(listeners) => return Ok((*port, listeners)),
            Err(error) => errors.push((*port, error)),
        }
    }
    Err(PortsError(errors))
}

async fn listen_at(port: u16) -> std::io::Result<Vec<TcpListener>> {
    let mut left = TRIES;
    loop {
        match bind(port).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && left > 0 => {
                // Whoever is there may be no login server, and need not answer.
                let asked = tokio::time::timeout(PAUSE, ask_to_leave(port));
                let _ = tokio::join!(asked, tokio::time::sleep(PAUSE));
                left -= 1;
            }
            bound => return bound,
        }
    }
}

async fn bind(port: u16) -> std::io::Result<Vec<TcpListener>> {
    let v4 = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await {
        Ok(v6) => Ok(vec![v4, v6]),
        // Else a browser that prefers IPv6 would bring the code to somebody else.
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(error),
        Err(_) => Ok(vec![v4]),
    }
}

async fn ask_to_leave(port: u16) -> std::io::Result<()> {
    for address in [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))] {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        let request = format!("GET /cancel HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let _ = stream.read(&mut [0; 64]).await?;
    }
    Ok(())
}
