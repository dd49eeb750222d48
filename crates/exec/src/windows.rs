//! Commands on Windows: each in a job, which dies with the last handle to it, so with the host, however that dies.
//! There are pipes only, and no sandbox.

use std::io;
use std::path::PathBuf;
use std::process::Stdio as Std;
use std::sync::Arc;

use bytes::BytesMut;
use process_wrap::tokio::{ChildWrapper, CommandWrap, JobObject, KillOnDrop};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::ChildStdin;
use tokio::sync::{Mutex, Notify, mpsc, watch};

use crate::LATE_NEWS;
use crate::sandbox::Support;
use crate::spec::{Chunk, Exit, Output, Sandbox, Size, SpawnError, Spec, Stdio, Stream};

/// The most bytes of one chunk.
const CHUNK: usize = 16 * 1024;
/// How many chunks wait for a reader before the command does.
const CHUNKS: usize = 16;
const NO_SANDBOX: &str = "there is no sandbox for commands on Windows";

/// There is no helper here; for a `main` that is the same everywhere.
pub fn helper_main() -> Option<std::process::ExitCode> {
    None
}

/// Starts commands. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Launcher {}

impl Launcher {
    /// The same as the default: no helper is needed here.
    pub fn with_helper(_executable: PathBuf) -> Self {
        Self {}
    }

    /// What the sandbox can do here: nothing.
    pub async fn support(&self) -> Support {
        Support::None { reason: NO_SANDBOX.to_owned() }
    }

    /// Starts a command.
    pub async fn spawn(&self, spec: Spec) -> Result<(Running, Output), SpawnError> {
        spec.check()?;
        if spec.sandbox != Sandbox::None {
            return Err(SpawnError::Sandbox(NO_SANDBOX.to_owned()));
        }
        let Stdio::Pipes { stdin } = spec.stdio else {
            return Err(SpawnError::Unsupported("there are no pseudo-terminals"));
        };
        let [program, arguments @ ..] = spec.argv.as_slice() else {
            return Err(SpawnError::Invalid("no program is named"));
        };
        let mut command = CommandWrap::with_new(program, |command| {
            command.args(arguments).env_clear().envs(&spec.env).current_dir(&spec.cwd);
            command.stdin(if stdin { Std::piped() } else { Std::null() }).stdout(Std::piped()).stderr(Std::piped());
        });
        let mut child = match command.wrap(KillOnDrop).wrap(JobObject).spawn() {
            Ok(child) => child,
            Err(error) => return failed(program, &error).ok_or(SpawnError::Io(error)),
        };
        let (chunks, output) = mpsc::channel(CHUNKS);
        if let Some(stdout) = child.stdout().take() {
            tokio::spawn(carry(Stream::Stdout, stdout, chunks.clone()));
        }
        if let Some(stderr) = child.stderr().take() {
            tokio::spawn(carry(Stream::Stderr, stderr, chunks));
        }
        let stdin = Mutex::new(child.stdin().take());
        let (exited, exit) = watch::channel(None);
        let ended = Killer(Arc::default());
        tokio::spawn(follow(child, Arc::clone(&ended.0), exited));
        Ok((Running { stdin, ended, exit }, output))
    }
}

/// A program that cannot be started, told as one that was.
fn failed(program: &std::ffi::OsStr, error: &io::Error) -> Option<(Running, Output)> {
    let (code, why) = match error.kind() {
        io::ErrorKind::NotFound => (127, "not found".to_owned()),
        io::ErrorKind::PermissionDenied => (126, error.to_string()),
        _ => return None,
    };
    let (chunks, output) = mpsc::channel(1);
    let line = format!("{}: {why}\n", program.display());
    chunks.try_send(Chunk { stream: Stream::Stderr, bytes: line.into() }).ok()?;
    let (_exited, exit) = watch::channel(Some(Exit::Code(code)));
    Some((Running { stdin: Mutex::new(None), ended: Killer(Arc::default()), exit }, output))
}

/// A command that was started, and its descendants. Dropping it kills them all.
#[derive(Debug)]
pub struct Running {
    stdin: Mutex<Option<ChildStdin>>,
    ended: Killer,
    /// How the command ended. Closed when nothing is left of the tree.
    exit: watch::Receiver<Option<Exit>>,
}

/// Asks for the end of the job when it is dropped.
#[derive(Debug)]
struct Killer(Arc<Notify>);

impl Drop for Killer {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Running {
    /// Writes to the command, and waits while it does not read. Writes do not mix.
    ///
    /// # Errors
    /// `BrokenPipe` when nothing reads there: no stdin was asked for, or it is closed on either side.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.stdin.lock().await.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes).await
    }

    /// Tells the command that nothing more will be written.
    pub async fn close_stdin(&self) -> io::Result<()> {
        *self.stdin.lock().await = None;
        Ok(())
    }

    /// There is no terminal to resize.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn resize(&self, _size: Size) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Ends the command and its descendants. They cannot be asked here, so there is no grace.
    pub fn terminate(&self) {
        self.ended.0.notify_one();
    }

    /// Waits for the command itself. Its descendants may go on, and [`Output`] with them.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit).unwrap_or(Exit::Code(1))
    }

    /// Whether the command itself has ended, as far as a moment's wait can tell. For whoever counts its time: one that was
    /// held up hears of the time first, though the end may have come before.
    pub async fn has_ended(&self) -> bool {
        tokio::time::timeout(LATE_NEWS, self.wait()).await.is_ok()
    }

    /// Waits until nothing is left of the command and its descendants.
    pub async fn gone(&self) {
        let mut exit = self.exit.clone();
        while exit.changed().await.is_ok() {}
    }

    /// Whether nothing is left of the command and its descendants.
    pub fn is_gone(&self) -> bool {
        self.exit.has_changed().is_err()
    }

    /// Kills what is left of the tree, and returns when it is gone. What it wrote can still be read.
    pub async fn end(&self) -> Exit {
        self.terminate();
        self.gone().await;
        self.wait().await
    }
}

/// Carries one stream to whoever reads, at their pace.
async fn carry(stream: Stream, mut source: impl AsyncRead + Unpin, chunks: mpsc::Sender<Chunk>) {
    let mut buffer = BytesMut::new();
    while let Ok(room) = chunks.reserve().await {
        buffer.reserve(CHUNK);
        let Ok(1..) = source.read_buf(&mut buffer).await else { return };
        room.send(Chunk { stream, bytes: buffer.split().freeze() });
    }
}

/// Waits for the command, then keeps its job until somebody wants the end of it.
async fn follow(mut child: Box<dyn ChildWrapper>, ended: Arc<Notify>, exited: watch::Sender<Option<Exit>>) {
    let alone = tokio::select! {
        status = child.inner_mut().wait() => Some(status),
        () = ended.notified() => None,
    };
    if let Some(status) = alone {
        exited.send_replace(Some(code(status)));
        ended.notified().await;
    }
    let _ = child.start_kill();
    let status = child.wait().await;
    exited.send_if_modified(|exit| exit.is_none().then(|| *exit = Some(code(status))).is_some());
}

fn code(status: io::Result<std::process::ExitStatus>) -> Exit {
    Exit::Code(status.ok().and_then(|status| status.code()).unwrap_or(1))
}
