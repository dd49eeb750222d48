//! The HTTP surface: health, readiness, metrics, and an upgrade on every other path.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::door::{Denial, Door};
use super::penalties::Peer;
use crate::websocket;

/// How long a host may take to show that it lives. Below the limit of the handshake, so that there is an
/// answer.
const ALIVE_LIMIT: Duration = Duration::from_secs(2);

pub(super) fn routes(door: Arc<Door>) -> Router {
    let mut router = Router::new().route("/healthz", get(alive)).route("/readyz", get(ready));
    if door.has_metrics() {
        router = router.route("/metrics", get(metrics));
    }
    let guard = middleware::from_fn_with_state(Arc::clone(&door), refuse_pages);
    router.fallback(upgrade).layer(guard).layer(middleware::map_response(close_after)).with_state(door)
}

/// A visitor has one request: the deadline of the handshake does not count anew. (The server's own switch for
/// that also says so in a 101, which clients take for a refusal.)
async fn close_after(mut response: Response) -> Response {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn refuse_pages(
    State(door): State<Arc<Door>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match door.refuse_pages(peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(status) => status.into_response(),
    }
}

async fn alive(State(door): State<Arc<Door>>) -> StatusCode {
    match tokio::time::timeout(ALIVE_LIMIT, door.probes().alive()).await {
        Ok(true) => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn ready(State(door): State<Arc<Door>>) -> Response {
    match door.probes().ready() {
        Ok(()) => StatusCode::OK.into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, [("x-valet-reason", reason)]).into_response(),
    }
}

async fn metrics(
    State(door): State<Arc<Door>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, Denial> {
    door.admit(peer, &headers)?;
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    Ok(match door.probes().metrics() {
        Some(text) => (kind, text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

/// What is no upgrade is refused with the extractor's own words, before anything is asked of the visitor.
async fn upgrade(
    State(door): State<Arc<Door>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Denial> {
    door.admit(peer, &headers)?;
    Ok(websocket::limit(upgrade).on_upgrade(async move |socket| {
        let (connection, link) = websocket::connection(socket, door.outbox());
        if door.hand_over(link).await {
            connection.run().await;
        }
    }))
}
