//! How a host ends: first without new work, then for good.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join, join_all, join3};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use valet_protocol::{ErrorKind, ErrorObject};
use valet_transport::Close;

use crate::event::Event;
use crate::host::HostState;

/// How long requests that run may take once the host ends, before they are told that it does.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// How long turns and programs may take to end once they are interrupted. Commands of turns have 200 ms of it to end
/// in order.
const LAST_EVENTS: Duration = Duration::from_millis(500);

/// How long clients have to read their last messages.
const LAST_MESSAGES: Duration = Duration::from_millis(500);

/// How long the issuer has to answer that it took the tokens of a logout back, once requests are done.
const LAST_REVOCATIONS: Duration = Duration::from_secs(1);

/// What a request is told that the host does not carry out any more.
pub(crate) fn shutting_down() -> ErrorObject {
    ErrorObject::internal("server is shutting down").kind(ErrorKind::ShuttingDown)
}

/// What the end of a host works with.
pub(crate) struct Ending {
    pub(crate) host: Arc<HostState>,
    /// Requests that are being carried out.
    pub(crate) requests: TaskTracker,
    pub(crate) events: mpsc::Sender<Event>,
    /// What connections are told.
    pub(crate) close: Close,
}

impl Ending {
    /// Waits for the requests that were begun, and the turns that run or will by then, but no longer than the limit;
    /// then has the host ended.
    pub(crate) async fn drain(self, begun: impl Future<Output = ()>, limit: Option<Duration>) {
        let idle = begun.then(|()| self.host.threads.all_idle());
        match limit {
            None => idle.await,
            Some(limit) => {
                if timeout(limit, idle).await.is_err() {
                    tracing::warn!(?limit, "turns still run at the end of the drain limit");
                }
            }
        }
        let _ = self.events.send(Event::End(self.close)).await;
    }

    /// Lets requests finish, and then all that runs end, while the issuer is waited for. Takes 1.5 s at most, whoever does
    /// not read or answer.
    pub(crate) async fn run(self) {
        self.requests.close();
        let _ = timeout(LAST_REQUESTS, self.requests.wait()).await;
        let revoked = timeout(LAST_REVOCATIONS, self.host.accounts.revoked());
        if join(revoked, self.close_all()).await.0.is_err() {
            tracing::warn!("the issuer has not said that it took the tokens back");
        }
        let _ = self.events.send(Event::Ended).await;
    }

    /// Interrupts turns, kills programs, answers what is left, and closes when all was written.
    async fn close_all(&self) {
        let last = join3(self.host.threads.end_all(), self.host.processes.end_all(), self.host.accounts.end_logins());
        if timeout(LAST_EVENTS, last).await.is_err() {
            tracing::error!("a turn or a program did not end when it was interrupted");
        }
        self.host.threads.give_leases_back();
        let connections = self.host.connections.all();
        for connection in &connections {
            connection.fail_open(&shutting_down());
            connection.close(self.close);
        }
        let all_written = join_all(connections.iter().map(|connection| connection.done()));
        if timeout(LAST_MESSAGES, all_written).await.is_err() {
            tracing::warn!("a client did not read its last messages");
        }
    }
}
