//! The handle: starting and stopping the server, and everything a test does with it.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    ids::Ids,
    issuer::Issuer,
    log::{RecordedRequest, RequestLog},
    playback::Playback,
    script::Script,
    serve::serve,
    shared::{Shared, Stop, lock},
    tokens::TokenIssuer,
};

/// How long [`Sim::shutdown`] waits for clients that do not read.
const GRACE: Duration = Duration::from_secs(1);

/// A running backend on a loopback port.
///
/// Clones are handles of the same sim. It stops at [`Sim::shutdown`], or when the last handle is
/// dropped; streams that are running then are cut.
#[derive(Clone)]
pub struct Sim {
    running: Arc<Running>,
}

struct Running {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// True, or dropped: everything ends.
    stop: watch::Sender<bool>,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("address", &self.running.address).finish_non_exhaustive()
    }
}

/// Settings of a sim that is to be started.
#[derive(Clone, Debug)]
pub struct SimBuilder {
    port: u16,
    script: Script,
    kept_requests: usize,
}

impl SimBuilder {
    /// Sets the port on 127.0.0.1. Default 0: any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the script. Default: every turn gets a greeting.
    #[must_use]
    pub fn script(mut self, script: Script) -> Self {
        self.script = script;
        self
    }

    /// Sets how many requests are kept on record. Default 10 000; older ones are dropped.
    #[must_use]
    pub fn kept_requests(mut self, limit: usize) -> Self {
        self.kept_requests = limit;
        self
    }

    /// Binds the port and starts to answer.
    pub async fn start(self) -> io::Result<Sim> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await?;
        let address = listener.local_addr()?;
        let stop = watch::Sender::new(false);
        let shared = Arc::new(Shared {
            tokens: TokenIssuer::new(self.script.tokens.clone()),
            issuer: Issuer::new(self.script.issuer.clone()),
            playback: Playback::new(self.script),
            log: Arc::new(RequestLog::new(self.kept_requests)),
            ids: Ids::default(),
            stop: Stop(stop.subscribe()),
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        let server = Mutex::new(Some(server));
        Ok(Sim { running: Arc::new(Running { shared, address, stop, server }) })
    }
}

impl Sim {
    /// Starts on a free port.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::builder().script(script).start().await
    }

    /// Settings to choose before the start.
    #[must_use]
    pub fn builder() -> SimBuilder {
        SimBuilder { port: 0, script: Script::default(), kept_requests: 10_000 }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// The origin, `http://127.0.0.1:PORT`, also that of the issuer.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// The provider's base URL: `/responses` and `/models` are below it.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.origin())
    }

    /// The base URL of the calls around a turn: `/wham/...` is below it.
    #[must_use]
    pub fn chatgpt_base_url(&self) -> String {
        format!("{}/backend-api", self.origin())
    }

    /// Where people log in.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.running.shared.issuer
    }

    /// The tokens, and the grants that they belong to.
    #[must_use]
    pub fn tokens(&self) -> &TokenIssuer {
        &self.running.shared.tokens
    }

    /// The requests so far, in order of arrival. Control calls are not among them.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.running.shared.log.snapshot()
    }

    /// Waits until `count` recorded requests match, and returns all that do. Requests are looked
    /// at again when their status and outcome become known. Without a limit in time.
    pub async fn wait_for_requests(
        &self,
        matches: impl Fn(&RecordedRequest) -> bool,
        count: usize,
    ) -> Vec<RecordedRequest> {
        self.running.shared.log.wait_for(matches, count).await
    }

    /// Starts another script from its beginning. Tokens, ids and the record stay.
    pub fn replace_script(&self, script: Script) {
        self.running.shared.replace_script(script);
    }

    /// Stops: no new connections, running streams are cut. Returns when the port is free.
    pub async fn shutdown(&self) {
        self.running.stop.send_replace(true);
        let server = lock(&self.running.server).take();
        if let Some(mut server) = server
            && tokio::time::timeout(GRACE, &mut server).await.is_err()
        {
            server.abort();
        }
    }
}
