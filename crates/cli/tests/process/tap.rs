//! A wire tap: what passes between a host and its issuer, both ways, as bytes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes everything on, and keeps it.
pub(crate) struct Tap {
    /// To be taken for the issuer's.
    pub(crate) origin: String,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    pub(crate) async fn before(issuer: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let tapped = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((host, _)) = listener.accept().await {
                let (from_host, to_host) = host.into_split();
                let (from_issuer, to_issuer) = TcpStream::connect(issuer).await.unwrap().into_split();
                tokio::spawn(pass(from_host, to_issuer, Arc::clone(&tapped)));
                tokio::spawn(pass(from_issuer, to_host, Arc::clone(&tapped)));
            }
        });
        Self { origin, heard }
    }

    /// The values of a member, in forms and in JSON, as often as it was there.
    pub(crate) fn values(&self, member: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap().clone();
        let heard = String::from_utf8_lossy(&heard);
        let values = |opening: String| {
            let found = heard.split(opening.as_str()).skip(1);
            found.map(|rest| rest.split(['"', '&', '\r', ' ']).next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        [values(format!("{member}=")), values(format!("\"{member}\":\""))].concat()
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, heard: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        heard.lock().unwrap().extend(&buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
