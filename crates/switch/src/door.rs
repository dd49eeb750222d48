//! The websockets: whoever comes in as a client, and the connections that go out to the app server for each.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::ORIGIN;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};
use valet_transport::listener::Auth;
use valet_transport::{MAX_FRAME_BYTES, MAX_MESSAGE_BYTES};

/// A websocket of either kind.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    WebSocket(#[from] Box<tungstenite::Error>),
    #[error(transparent)]
    Handshake(#[from] valet_client::ConnectError),
    #[error("no handshake within {} s", HANDSHAKE.as_secs())]
    Late,
}

/// Lets a client in that has the token. Pages of a browser, which send an origin, stay outside.
pub(crate) async fn admit(stream: TcpStream, auth: &Auth) -> Result<Socket, DoorError> {
    stream.set_nodelay(true)?;
    // The same as an app server takes.
    let config =
        WebSocketConfig::default().max_frame_size(Some(MAX_FRAME_BYTES)).max_message_size(Some(MAX_MESSAGE_BYTES));
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let judge = |request: &Request, response: Response| {
        if request.headers().contains_key(ORIGIN) {
            return Err(refusal(StatusCode::FORBIDDEN, None));
        }
        let checked = auth.check(request.headers());
        checked.map(|()| response).map_err(|refused| refusal(StatusCode::UNAUTHORIZED, Some(refused.to_string())))
    };
    let accepted = tokio::time::timeout(HANDSHAKE, accept_hdr_async_with_config(stream, judge, Some(config)));
    Ok(accepted.await.map_err(|_elapsed| DoorError::Late)?.map_err(Box::new)?)
}

fn refusal(status: StatusCode, words: Option<String>) -> ErrorResponse {
    let mut response = ErrorResponse::new(words);
    *response.status_mut() = status;
    response
}

/// Connects to the app server at `host:port`. What it sends may be of any size.
pub(crate) async fn connect(address: &str, token: &str) -> Result<Socket, DoorError> {
    let request = valet_client::handshake(&format!("ws://{address}/"), Some(token))?;
    let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
    let connected = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (socket, _response) = client_async_with_config(request, stream, Some(config)).await.map_err(Box::new)?;
        Ok(socket)
    };
    tokio::time::timeout(HANDSHAKE, connected).await.map_err(|_elapsed| DoorError::Late)?
}
