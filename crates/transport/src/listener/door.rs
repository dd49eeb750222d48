//! Who is let in: everything that is known about a visitor before a word of the protocol is said.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::auth::Refusal;
use super::penalties::{Peer, Penalties};
use super::{Address, Probes, Settings, origin};
use crate::link::Link;
use crate::outbox::OutboxLimits;

pub(super) struct Door {
    settings: Settings,
    /// What `Host` must say. Browsers can be made to believe that a name is a loopback address, or one of
    /// the local network; there a credential is asked for, which no page has.
    host: Option<SocketAddr>,
    penalties: Penalties,
    links: mpsc::Sender<Link>,
}

impl Door {
    pub(super) fn new(settings: Settings, address: &Address, links: mpsc::Sender<Link>) -> Arc<Self> {
        let host = match address {
            Address::Tcp(address) => Some(*address).filter(|address| address.ip().to_canonical().is_loopback()),
            Address::Unix(_) => None,
        };
        Arc::new(Self { settings, host, penalties: Penalties::default(), links })
    }

    pub(super) fn probes(&self) -> &dyn Probes {
        &*self.settings.probes
    }

    pub(super) fn has_metrics(&self) -> bool {
        self.settings.metrics
    }

    /// Lets in no web page that nobody has listed.
    pub(super) fn refuse_pages(&self, peer: Peer, headers: &HeaderMap) -> Result<(), StatusCode> {
        let said = |name: HeaderName| headers.get_all(name).iter().collect::<Vec<_>>();
        if self.host.is_some_and(|address| !origin::is_meant_for(headers, address)) {
            tracing::info!(?peer, host = ?said(header::HOST), "a request for another host was refused");
        } else if !origin::may_come(headers, &self.settings.origins) {
            tracing::info!(?peer, origin = ?said(header::ORIGIN), "a web page was refused");
        } else {
            return Ok(());
        }
        Err(StatusCode::FORBIDDEN)
    }

    /// Lets in who shows the credential, if one is asked for. Who failed too often is not even looked at.
    pub(super) fn admit(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Denial> {
        let Some(auth) = &self.settings.auth else { return Ok(()) };
        if let Some(wait) = self.penalties.wait(peer) {
            return Err(Denial::Wait(wait));
        }
        auth.check(headers).map_err(|refusal| {
            self.penalties.note(peer);
            tracing::info!(?peer, reason = %refusal, "a visitor was refused");
            // Not for each who is turned away from now on.
            if self.penalties.wait(peer).is_some() {
                tracing::info!(?peer, "too many were refused from there: the next are answered with 429");
            }
            Denial::Unauthorized(refusal)
        })
    }

    pub(super) fn outbox(&self) -> OutboxLimits {
        self.settings.outbox
    }

    /// Hands a new connection to whoever has the listener. `false` when nobody has.
    pub(super) async fn hand_over(&self, link: Link) -> bool {
        self.links.send(link).await.is_ok()
    }
}

/// Why somebody is not admitted.
pub(super) enum Denial {
    Unauthorized(Refusal),
    Wait(Duration),
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthorized(refusal) => (StatusCode::UNAUTHORIZED, refusal.to_string()).into_response(),
            Self::Wait(wait) => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())]).into_response()
            }
        }
    }
}
