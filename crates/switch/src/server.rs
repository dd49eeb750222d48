//! The app server of a session: a process that listens for us alone, and that does not outlive us, however we end.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use valet_exec::{Exit, Launcher, Output, Running, Sandbox, SpawnError, Spec, Stdio, Stream};

/// How long it may take until it can be connected to.
pub(crate) const READY: Duration = Duration::from_secs(10);
/// How long what it wrote last may be on its way.
const LAST_LINES: Duration = Duration::from_secs(1);
/// How much of what it has said is kept, for when it ends too early.
const LAST_WORDS: usize = 20;
const LINE_BYTES: usize = 2000;
/// How much is kept of a line whose end has not come.
const PENDING_BYTES: usize = 64 * 1024;

/// How an app server is started.
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// What comes behind `app-server`, beside where to listen.
    pub arguments: Vec<OsString>,
    /// Whoever is given each line that it writes on stderr, but for where it listens: that is nobody's address.
    pub log: Option<fn(&str)>,
}

/// Why there is no app server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The program cannot be started.
    #[error("the app server cannot be started: {0}")]
    Spawn(#[from] SpawnError),
    /// It has ended before it could be used.
    #[error("the app server ended at once, {}{}", ended(*.exit), quoted(.last_words))]
    Ended {
        /// How.
        exit: Exit,
        /// What it wrote.
        last_words: String,
    },
    /// It says nothing, or does not answer.
    #[error("the app server is not ready after {} s: {why}{}", READY.as_secs(), quoted(.last_words))]
    NotReady {
        /// What it was waited for.
        why: String,
        /// What it wrote.
        last_words: String,
    },
}

/// In words.
pub(crate) fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("with exit code {code}"),
        Exit::Signal(signal) => format!("by signal {signal}"),
    }
}

pub(crate) fn quoted(words: &str) -> String {
    if words.is_empty() { ", without a word".to_owned() } else { format!(". Its last words:\n{words}") }
}

/// A process that listens on a port of this machine. Dropping it kills it and what it has started.
pub(crate) struct Server {
    running: Running,
    /// `host:port`.
    pub(crate) address: String,
    lines: Arc<Mutex<VecDeque<String>>>,
    /// Closed when all that it wrote was read.
    heard: watch::Receiver<Option<String>>,
}

impl Server {
    /// Starts it, with a token that whoever connects has to show. The token goes through a pipe: there is no file of it.
    pub(crate) async fn start(program: &Program, token: &str) -> Result<Self, ServerError> {
        let listen = ["app-server", "--listen", "ws://127.0.0.1:0"];
        let auth = ["--ws-auth", "capability-token", "--ws-token-file", "/dev/stdin"];
        let argv = std::iter::once(program.path.clone().into_os_string())
            .chain(listen.into_iter().chain(auth).map(OsString::from))
            .chain(program.arguments.iter().cloned())
            .collect();
        let spec = Spec {
            argv,
            cwd: std::env::current_dir().map_err(SpawnError::Io)?,
            env: std::env::vars_os().collect(),
            stdio: Stdio::Pipes { stdin: true },
            sandbox: Sandbox::None,
        };
        let (running, output) = Launcher::default().spawn(spec).await?;
        let (found, mut heard) = watch::channel(None);
        let lines = Arc::default();
        let listening = tokio::spawn(listen_to(output, Arc::clone(&lines), found, program.log));
        // One that has ended by now says why.
        let _ = running.write(token.as_bytes()).await;
        let _ = running.close_stdin().await;
        let address = tokio::select! {
            biased;
            Ok(found) = heard.wait_for(Option::is_some) => found.clone().unwrap_or_default(),
            exit = running.wait() => {
                // What it wrote last is still on its way.
                let _ = tokio::time::timeout(LAST_LINES, listening).await;
                return Err(ServerError::Ended { exit, last_words: last_words(&lines) });
            }
            () = tokio::time::sleep(READY) => {
                let why = "it does not say where it listens".to_owned();
                return Err(ServerError::NotReady { why, last_words: last_words(&lines) });
            }
        };
        Ok(Self { running, address, lines, heard })
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> Exit {
        self.running.wait().await
    }

    /// What it has written last.
    pub(crate) fn last_words(&self) -> String {
        last_words(&self.lines)
    }

    /// Asks it to end, and returns when nothing is left of it, and what it wrote was passed on.
    pub(crate) async fn end(&self) {
        self.running.terminate();
        self.running.gone().await;
        let mut heard = self.heard.clone();
        let all = async { while heard.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(LAST_LINES, all).await;
    }
}

fn last_words(lines: &Mutex<VecDeque<String>>) -> String {
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// Passes the lines on and keeps the last ones, and finds the one that says where it listens. Also whatever else it
/// writes is read, so that it never waits for us.
async fn listen_to(
    mut output: Output,
    lines: Arc<Mutex<VecDeque<String>>>,
    address: watch::Sender<Option<String>>,
    log: Option<fn(&str)>,
) {
    let hear = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let is_address = find(&address, &line);
        if let Some(log) = log.filter(|_| !is_address) {
            log(line.trim_end());
        }
        keep(&lines, &line);
    };
    let mut rest = Vec::new();
    while let Some(chunk) = output.recv().await {
        if chunk.stream != Stream::Stderr {
            continue;
        }
        rest.extend_from_slice(&chunk.bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            hear(&line);
        }
        rest.truncate(PENDING_BYTES);
    }
    if !rest.is_empty() {
        hear(&rest);
    }
}

/// Whether it is the line that says where it listens.
fn find(address: &watch::Sender<Option<String>>, line: &str) -> bool {
    let Some((_before, found)) = line.split_once("ws://").filter(|_| address.borrow().is_none()) else { return false };
    address.send_replace(found.split_whitespace().next().map(str::to_owned));
    true
}

fn keep(lines: &Mutex<VecDeque<String>>, line: &str) {
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == LAST_WORDS {
        lines.pop_front();
    }
    lines.push_back(line.trim_end().chars().take(LINE_BYTES).collect());
}
