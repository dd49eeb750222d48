//! The websocket listener: one JSON text per text frame, health routes beside it, and no visitors from
//! web pages.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::link::{Close, Link, link};
use crate::outbox::{OutboxLimits, Outlet};

const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// The library's own 128 KiB would be most of what an idle connection costs.
const READ_BUFFER_BYTES: usize = 8 * 1024;
/// How long the end of a connection may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why a listener was not started.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Anybody who reaches the address could use the host.
    #[error(
        "refusing to start non-loopback websocket listener {0} without auth; configure `--ws-auth capability-token` or `--ws-auth signed-bearer-token`"
    )]
    NotLoopback(SocketAddr),
    /// The system refused the address.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, std::io::Error),
}

/// A listener and the connections that it accepts.
#[derive(Debug)]
pub struct Listener {
    /// The address in use, with the port that the system chose.
    pub address: SocketAddr,
    /// One link per connection.
    pub accepted: mpsc::Receiver<Link>,
    stop: CancellationToken,
}

impl Listener {
    /// Takes no more connections. Those that stand are not touched.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

#[derive(Clone)]
struct Accept {
    limits: OutboxLimits,
    links: mpsc::Sender<Link>,
}

/// Listens on a loopback address.
pub async fn listen(address: SocketAddr, limits: OutboxLimits) -> Result<Listener, ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    let bind = |error| ListenError::Bind(address, error);
    let socket = TcpListener::bind(address).await.map_err(bind)?;
    let address = socket.local_addr().map_err(bind)?;
    let (links, accepted) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let router = Router::new()
        .route("/readyz", get(|| async {}))
        .route("/healthz", get(|| async {}))
        .fallback(upgrade)
        .layer(middleware::from_fn(refuse_web_pages))
        .with_state(Accept { limits, links });
    let stopped = stop.clone().cancelled_owned();
    tokio::spawn(async move {
        let serve = axum::serve(socket, router).with_graceful_shutdown(stopped);
        if let Err(error) = serve.await {
            tracing::error!(%error, "the websocket listener failed");
        }
    });
    Ok(Listener { address, accepted, stop })
}

/// A browser names the page that opens a connection. Pages are not parents.
async fn refuse_web_pages(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

async fn upgrade(State(accept): State<Accept>, request: Request) -> Response {
    let (mut parts, _body) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &accept).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .max_message_size(MAX_MESSAGE_BYTES)
        .on_upgrade(move |socket| serve(socket, accept))
}

async fn serve(socket: WebSocket, accept: Accept) {
    let (link, sender, outlet) = link(accept.limits);
    if accept.links.send(link).await.is_err() {
        return;
    }
    let (sink, mut stream) = socket.split();
    let mut writer = tokio::spawn(write(sink, outlet));
    let read = async {
        while let Some(Ok(frame)) = stream.next().await {
            match frame {
                Message::Text(text) => {
                    if sender.send(Bytes::from(text)).await.is_err() {
                        break;
                    }
                }
                Message::Binary(data) => tracing::warn!(bytes = data.len(), "a binary frame is dropped"),
                Message::Close(_) => break,
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    };
    tokio::select! {
        () = read => {}
        // The last word was written; whether the other side answers it is its own affair.
        _ = &mut writer => return,
    }
    drop(sender);
    // The user of the link closes it when it has read everything; only then is the writer done.
    if tokio::time::timeout(LAST_WORDS, &mut writer).await.is_err() {
        writer.abort();
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut outlet: Outlet) {
    let reason = loop {
        let messages = match outlet.next().await {
            Ok(messages) => messages,
            Err(reason) => break reason,
        };
        let written = async {
            for message in messages {
                let Ok(text) = Utf8Bytes::try_from(message) else { continue };
                sink.feed(Message::Text(text)).await?;
            }
            sink.flush().await
        };
        tokio::select! {
            written = written => if written.is_err() { return },
            () = outlet.overloaded() => {}
        }
    };
    let (code, reason) = match reason {
        Close::ShuttingDown => (close_code::AWAY, "the host is shutting down"),
        Close::Restarting => (close_code::RESTART, "the host starts anew"),
        Close::Overloaded => (close_code::AGAIN, "the reader stalled past its byte budget"),
        Close::Gone => (close_code::NORMAL, ""),
    };
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let _ = tokio::time::timeout(LAST_WORDS, sink.send(Message::Close(Some(frame)))).await;
}
