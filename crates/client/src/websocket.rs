//! An app server that listens on a websocket.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use valet_transport::{Link, OutboxLimits, link};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is no websocket URL, or the server refused.
    #[error("{0}")]
    WebSocket(#[from] Box<tungstenite::Error>),
    /// The bearer token holds characters that no header can carry.
    #[error("the bearer token is not a valid header value")]
    Token,
}

/// The request that opens a websocket at `ws://host:port`, with a bearer token where the server wants one.
///
/// # Errors
/// The URL or the token cannot be sent.
pub fn handshake(url: &str, bearer: Option<&str>) -> Result<Request, ConnectError> {
    let mut request = url.into_client_request().map_err(Box::new)?;
    if let Some(bearer) = bearer {
        let value = HeaderValue::try_from(format!("Bearer {bearer}")).map_err(|_| ConnectError::Token)?;
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}

/// Connects to `ws://host:port`, with a bearer token where the server wants one. What it sends may be of any size.
pub async fn connect(url: &str, bearer: Option<&str>) -> Result<Link, ConnectError> {
    let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
    // Small messages do not wait for larger ones.
    let connecting = connect_async_with_config(handshake(url, bearer)?, Some(config), true);
    let (socket, _response) = connecting.await.map_err(Box::new)?;
    let (mut sink, mut frames) = socket.split();
    let (link, sender, mut outlet) = link(OutboxLimits::default());
    tokio::spawn(async move {
        while let Ok(messages) = outlet.next().await {
            let texts = messages.into_iter().filter_map(|message| Utf8Bytes::try_from(message).ok());
            let mut texts = stream::iter(texts.map(|text| Ok(Message::Text(text))));
            tokio::select! {
                sent = sink.send_all(&mut texts) => if sent.is_err() { return },
                () = outlet.overloaded() => return,
            }
        }
        let _ = sink.close().await;
    });
    tokio::spawn(async move {
        while let Some(frame) = frames.next().await {
            let text = match frame {
                Ok(Message::Text(text)) => text,
                Ok(Message::Close(_)) => return,
                Ok(_) => continue,
                Err(error) => return tracing::info!(%error, "the connection to the app server is broken"),
            };
            if sender.send(Bytes::from(text)).await.is_err() {
                return;
            }
        }
    });
    Ok(link)
}
