//! The host's side of a command: starting its supervisor, carrying its streams, hearing of its end.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, pipe};
use tokio::process::{Child, Command};
use tokio::sync::{OnceCell, mpsc, watch};

use crate::LATE_NEWS;
use crate::helper::{Role, command, this_executable};
use crate::input::Input;
use crate::open_files;
use crate::order::{Confinement, Order, Report, TERMINATE, frame, send_descriptors};
use crate::sandbox::{Gap, Support};
use crate::spec::{Chunk, Exit, Output, Sandbox, Size, SpawnError, Spec, Stdio, Stream};

/// The most bytes of one chunk.
const CHUNK: usize = 16 * 1024;
/// How many chunks wait for a reader before the command does.
const CHUNKS: usize = 16;

/// Starts commands. Cheap to clone; clones share what was found out about the machine.
#[derive(Debug, Clone, Default)]
pub struct Launcher {
    helper: Option<Arc<PathBuf>>,
    support: Arc<OnceCell<Support>>,
}

impl Launcher {
    /// A launcher whose helper is another executable, which calls [`helper_main`](crate::helper_main) first. The
    /// default is the executable that runs.
    pub fn with_helper(executable: PathBuf) -> Self {
        Self { helper: Some(Arc::new(executable)), support: Arc::default() }
    }

    /// What the sandbox can do here. Tried out the first time, in a process of its own.
    pub async fn support(&self) -> Support {
        let found = self.support.get_or_try_init(|| self.probe()).await;
        found.map_or_else(|error| Support::None { reason: error.to_string() }, Support::clone)
    }

    #[cfg(target_os = "linux")]
    async fn probe(&self) -> io::Result<Support> {
        let mut found = Support::None { reason: String::new() };
        for role in [Role::Probe, Role::ProbeFloor] {
            let mut probe = Command::from(self.command(role)?);
            found = crate::sandbox::read_probe(&probe.output().await?.stdout);
            if !matches!(found, Support::None { .. }) {
                break;
            }
        }
        Ok(found)
    }

    #[cfg(not(target_os = "linux"))]
    async fn probe(&self) -> io::Result<Support> {
        std::fs::metadata("/usr/bin/sandbox-exec").map(|_found| Support::Full)
    }

    fn command(&self, role: Role) -> io::Result<std::process::Command> {
        let executable = self.helper.as_ref().map_or_else(this_executable, |path| Ok(path.to_path_buf()))?;
        Ok(command(executable, role))
    }

    /// Starts a command, and returns when it runs, or has failed to with 126 or 127.
    pub async fn spawn(&self, spec: Spec) -> Result<(Running, Output), SpawnError> {
        spec.check()?;
        let order = serde_json::to_vec(&self.order(&spec).await?);
        let order = order.map_err(|_path| SpawnError::Invalid("a path of the sandbox is not UTF-8"))?;
        let (mut ours, theirs) = UnixStream::pair()?;
        let theirs = theirs.into_std()?;
        theirs.set_nonblocking(false)?;
        let mut command = Command::from(self.command(Role::Supervise)?);
        let supervisor = command.stdin(OwnedFd::from(theirs)).spawn()?;
        // It holds the other end of the socket, too.
        drop(command);

        let Streams { input, outputs, descriptors } = open(spec.stdio)?;
        send_descriptors(&ours, descriptors.each_ref().map(OwnedFd::as_fd))?;
        drop(descriptors);
        ours.write_all(&frame(&order)?).await?;

        let (reports, orders) = ours.into_split();
        let mut reports = BufReader::new(reports);
        match report(&mut reports).await {
            Some(Report::Started) => {}
            Some(Report::Refused(reason)) if spec.sandbox != Sandbox::None => return Err(SpawnError::Sandbox(reason)),
            Some(Report::Refused(reason)) => return Err(SpawnError::Io(io::Error::other(reason))),
            _ => return Err(SpawnError::Io(io::Error::other("the supervisor ended"))),
        }
        let (exited, exit) = watch::channel(None);
        tokio::spawn(follow(reports, supervisor, exited));
        let (chunks, output) = mpsc::channel(CHUNKS);
        for (stream, source) in outputs {
            tokio::spawn(carry(stream, source, chunks.clone()));
        }
        Ok((Running { input, orders: Mutex::new(Some(orders)), exit }, output))
    }

    async fn order(&self, spec: &Spec) -> Result<Order, SpawnError> {
        let confinement = match &spec.sandbox {
            Sandbox::None => None,
            Sandbox::Confined(limits) => {
                let mounts = match self.support().await {
                    Support::Full => true,
                    Support::Partial { missing } => !missing.contains(&Gap::Mounts),
                    Support::None { reason } => return Err(SpawnError::Sandbox(reason)),
                };
                Some(Confinement { limits: limits.clone(), mounts })
            }
        };
        let pair = |(key, value): (&OsString, &OsString)| (key.clone(), value.clone());
        Ok(Order {
            argv: spec.argv.clone(),
            cwd: spec.cwd.clone().into(),
            env: spec.env.iter().map(pair).collect(),
            terminal: matches!(spec.stdio, Stdio::Pty(_)),
            confinement,
            open_files: open_files::of_commands(),
        })
    }
}

/// A command that was started, and its descendants. Dropping it kills them all.
#[derive(Debug)]
pub struct Running {
    input: Input,
    /// Open as long as the descendants may live.
    orders: Mutex<Option<OwnedWriteHalf>>,
    /// How the command ended. Closed when nothing is left of the tree.
    exit: watch::Receiver<Option<Exit>>,
}

impl Running {
    /// Writes to the command, and waits while it does not read. Writes do not mix.
    ///
    /// # Errors
    /// `BrokenPipe` when nothing reads there: no stdin was asked for, or it is closed on either side.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.input.write(bytes).await
    }

    /// Tells the command that nothing more will be written; a terminal is told by Ctrl-D.
    pub async fn close_stdin(&self) -> io::Result<()> {
        self.input.close().await
    }

    /// Changes the size of the terminal; the command gets SIGWINCH.
    ///
    /// # Errors
    /// `Unsupported` when the command has none.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        self.input.resize(size)
    }

    /// Asks the command and its descendants to end (SIGTERM), and kills those that have not after [`GRACE`](crate::GRACE).
    pub fn terminate(&self) {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        // One byte always fits, unless there is nobody left to end.
        let _ = orders.as_ref().map(|orders| orders.try_write(&[TERMINATE]));
    }

    /// Waits for the command itself. Its descendants may go on, and [`Output`] with them.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        // A supervisor that was shot has not told; its death takes the command along.
        exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit).unwrap_or(Exit::Signal(9))
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
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.gone().await;
        self.wait().await
    }
}

/// The streams of a command: what the host keeps of them, and what the command gets.
struct Streams {
    input: Input,
    outputs: Vec<(Stream, pipe::Receiver)>,
    descriptors: [OwnedFd; 3],
}

fn open(stdio: Stdio) -> io::Result<Streams> {
    match stdio {
        Stdio::Pipes { stdin } => {
            let (input, descriptor) = if stdin {
                let (sender, receiver) = pipe::pipe()?;
                (Input::pipe(sender), receiver.into_blocking_fd()?)
            } else {
                (Input::none(), std::fs::File::open("/dev/null")?.into())
            };
            let (stdout, out) = pipe::pipe()?;
            let (stderr, err) = pipe::pipe()?;
            let outputs = vec![(Stream::Stdout, out), (Stream::Stderr, err)];
            let descriptors = [descriptor, stdout.into_blocking_fd()?, stderr.into_blocking_fd()?];
            Ok(Streams { input, outputs, descriptors })
        }
        Stdio::Pty(size) => {
            let (input, output, command) = Input::terminal(size)?;
            let descriptors = [command.try_clone()?, command.try_clone()?, command];
            Ok(Streams { input, outputs: vec![(Stream::Stdout, output)], descriptors })
        }
    }
}

/// Carries one stream to whoever reads, at their pace. An error is an end, too: a terminal that nobody has open any
/// more is one.
async fn carry(stream: Stream, mut source: pipe::Receiver, chunks: mpsc::Sender<Chunk>) {
    let mut buffer = BytesMut::new();
    // Room in the channel comes first: nothing is read that could not be handed on.
    while let Ok(room) = chunks.reserve().await {
        buffer.reserve(CHUNK);
        let Ok(1..) = source.read_buf(&mut buffer).await else { return };
        room.send(Chunk { stream, bytes: buffer.split().freeze() });
    }
}

/// Hears the supervisor out and buries it. The channel closes when it is gone, and the tree with it.
async fn follow(mut reports: BufReader<OwnedReadHalf>, mut supervisor: Child, exited: watch::Sender<Option<Exit>>) {
    while let Some(said) = report(&mut reports).await {
        if let Report::Exited(exit) = said {
            exited.send_replace(Some(exit));
        }
    }
    let _ = supervisor.wait().await;
}

async fn report(reports: &mut BufReader<OwnedReadHalf>) -> Option<Report> {
    let mut line = String::new();
    reports.read_line(&mut line).await.ok()?;
    serde_json::from_str(&line).ok()
}
