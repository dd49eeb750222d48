//! The loop that takes connections and serves HTTP/1.1 on them. The one that comes with the router would bring an
//! HTTP/2 server into every program that has a sim in it.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    http,
    shared::{Shared, Stop},
};

/// The pause after the system had no connection to give.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves until the sim stops, and then until every answer that had begun has ended.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut stop = shared.stop.clone();
    let router = TowerToHyperService::new(Router::new().fallback(http::answer).with_state(shared));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.reached() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(converse(stream, router.clone(), stop.clone()))),
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Answers the requests of one connection. When the sim stops, the one that is being answered is the last.
async fn converse(stream: TcpStream, router: TowerToHyperService<Router>, mut stop: Stop) {
    // Paced streams are made of small writes, which must not wait for each other.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), router));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.reached() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
