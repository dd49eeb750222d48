//! What is asked for and what comes back: the command, its streams, its limits, its end. Plain values.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A command to run, complete: nothing is inherited that is not named here.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The program and its arguments. A program without a slash is looked up in the `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// Where it runs; an absolute path.
    pub cwd: PathBuf,
    /// The whole environment.
    pub env: BTreeMap<OsString, OsString>,
    /// What its descriptors 0, 1 and 2 are.
    pub stdio: Stdio,
    /// What it may touch.
    pub sandbox: Sandbox,
}

/// What the command reads from and writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    /// Two pipes for what it writes, and one to write to when `stdin` says so, `/dev/null` otherwise.
    Pipes {
        /// Whether the command can be written to.
        stdin: bool,
    },
    /// A terminal of its own, which is the command's controlling terminal. All output comes as [`Stream::Stdout`].
    Pty(Size),
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Height.
    pub rows: u16,
    /// Width.
    pub cols: u16,
}

/// Whether a command is confined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sandbox {
    /// It may do what the host may do.
    None,
    /// It reads, and writes only where it is told it may.
    Confined(Limits),
}

/// What a confined command may do. The default is to read everything, to write nothing, and no network.
///
/// Paths are absolute. One that does not exist grants nothing and protects nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Files and folders that may be written, with all that is below. Name the temporary folders here, too. These are
    /// resolved paths: one with a symbolic link in it is refused, as a command could have put that there to be let out
    /// by the next. So resolve them once, when they are granted, and not before each command.
    pub writable: Vec<PathBuf>,
    /// Paths that stay read-only although they are below a writable one, such as `.git`.
    pub protected: Vec<PathBuf>,
    /// Paths that cannot even be read, such as files with tokens; on Linux with what has such a name and an ending, as
    /// a file may have while it is written. On Linux the folder of such a path, if it is not writable, is a folder of
    /// the command's own with all else that was in it when the command started: whatever gets a hidden name later on is
    /// hidden as well. In a writable folder, only what exists is hidden, until somebody outside puts something else in
    /// its place.
    pub hidden: Vec<PathBuf>,
    /// Whether TCP and UDP may be used. Without it, no socket can be opened at all. Sockets of the machine's own
    /// services (Unix sockets: docker, ssh-agent, D-Bus) are out of reach either way on Linux, as one word to them
    /// could undo every other limit; pairs of connected sockets within the command always work.
    pub network: bool,
}

/// Where a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Descriptor 1, or the terminal.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// A piece of output, as it was written: it may end in the middle of a character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Which stream it is from. The order within a stream holds; between the two it holds nearly.
    pub stream: Stream,
    /// At least one byte.
    pub bytes: Bytes,
}

/// What a command writes. A few chunks are kept; when nobody reads them the command is held back, as by any full pipe.
/// It ends when the last process that could write is gone. Who drops it tells the command that nobody will ever read.
pub type Output = tokio::sync::mpsc::Receiver<Chunk>;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself. 127: there is no such program; 126: it cannot be executed. Both have left a line in stderr.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl Exit {
    /// One number for both, as a shell shows it: 128 is added to the number of a signal.
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Why a command was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The request makes no sense: no program, a NUL byte, a path that is not absolute.
    #[error("{0}")]
    Invalid(&'static str),
    /// The working directory cannot be used.
    #[error("cannot run in {}: {source}", path.display())]
    Cwd {
        /// The directory that was asked for.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The limits cannot be kept on this machine, so nothing was run.
    #[error("the sandbox cannot be set up: {0}")]
    Sandbox(String),
    /// This platform has no such thing.
    #[error("{0} on this platform")]
    Unsupported(&'static str),
    /// The machine refused: no more processes, no more descriptors, the helper is gone.
    #[error("cannot start a process: {0}")]
    Io(#[from] std::io::Error),
}

impl Spec {
    /// Finds what no program could be started with.
    pub(crate) fn check(&self) -> Result<(), SpawnError> {
        let nul = |text: &OsString| text.as_encoded_bytes().contains(&0);
        if self.argv.first().is_none_or(|program| program.is_empty()) {
            return Err(SpawnError::Invalid("no program is named"));
        }
        if self.argv.iter().chain(self.env.keys()).chain(self.env.values()).any(nul) {
            return Err(SpawnError::Invalid("an argument or a variable contains a NUL byte"));
        }
        if self.env.keys().any(|key| key.is_empty() || key.as_encoded_bytes().contains(&b'=')) {
            return Err(SpawnError::Invalid("a variable has no name, or `=` in it"));
        }
        if !self.cwd.is_absolute() {
            return Err(SpawnError::Invalid("the working directory is not an absolute path"));
        }
        if let Sandbox::Confined(limits) = &self.sandbox {
            let mut paths = limits.writable.iter().chain(&limits.protected).chain(&limits.hidden);
            if !paths.all(|path| path.is_absolute()) {
                return Err(SpawnError::Invalid("a path of the sandbox is not absolute"));
            }
            // What is not there, or goes at this moment, is no way out.
            let is_real = |path: &PathBuf| path.canonicalize().map_or(true, |real| real == *path);
            if !limits.writable.iter().all(is_real) {
                return Err(SpawnError::Invalid("a writable path leads through a symbolic link, or has `..` in it"));
            }
        }
        let cwd = |source| SpawnError::Cwd { path: self.cwd.clone(), source };
        if !std::fs::metadata(&self.cwd).map_err(cwd)?.is_dir() {
            return Err(cwd(std::io::ErrorKind::NotADirectory.into()));
        }
        Ok(())
    }
}
