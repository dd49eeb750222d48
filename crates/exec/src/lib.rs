//! Running commands for somebody else, safely: what a command gets, what it may touch, and that nothing of it is
//! left when its owner says so. Knows no protocol, no agent and no HTTP.
//!
//! ```no_run
//! # async fn example() -> Result<(), valet_exec::SpawnError> {
//! use valet_exec::{Launcher, Sandbox, Spec, Stdio};
//!
//! let spec = Spec {
//!     argv: vec!["make".into(), "test".into()],
//!     cwd: "/home/me/project".into(),
//!     env: [("PATH".into(), "/usr/bin:/bin".into())].into(),
//!     stdio: Stdio::Pipes { stdin: false },
//!     sandbox: Sandbox::None,
//! };
//! let (running, mut output) = Launcher::default().spawn(spec).await?;
//! while let Some(chunk) = output.recv().await {
//!     println!("{:?}: {} bytes", chunk.stream, chunk.bytes.len());
//! }
//! println!("{:?}", running.wait().await);
//! # Ok(()) }
//! ```
//!
//! # How it works
//!
//! The host starts its own executable again as a small **supervisor**, one per command; `main` gives the word to
//! [`helper_main`] before anything else. Host and supervisor share a socket. Over it go the command with its
//! descriptors, then orders one way and reports the other. The supervisor starts the executable once more, and this
//! one *becomes* the command: it opens a session, puts on the sandbox and calls `exec`. So nothing runs between
//! `fork` and `exec` in the host, and there is no second program to install.
//!
//! # What holds
//!
//! | | Linux | macOS | Windows |
//! |---|---|---|---|
//! | the command gets the environment of [`Spec`] and nothing else | yes | yes | yes |
//! | no descriptors but 0, 1, 2; signals as a shell would have them; umask kept | yes | yes | what the host made inheritable comes along |
//! | no controlling terminal, but the one of [`Stdio::Pty`] | yes | yes | no pseudo-terminals |
//! | the tree dies on [`Running::terminate`], [`Running::end`], drop, and with the host, however that dies | yes | the session's process group | yes (a job) |
//! | a daemon (double fork, `setsid`) dies as well | yes | no | yes |
//! | nothing is lost when nobody reads: the command is held back | yes | yes | yes |
//! | sandbox | see below | `sandbox-exec` | refused |
//!
//! A command without a sandbox can escape if it wants to: it may stop its supervisor, hand work to a service of the
//! machine, or raise itself by `sudo`, and no order reaches what it then left behind: when nobody else is left, that is
//! given another [`GRACE`] to end by itself, and then left alone. A tree is ended by walking it, so a process that the
//! kernel cannot kill (waiting for a dead disk) keeps its supervisor, and [`Running::end`] waits for it.
//!
//! # The sandbox
//!
//! [`Sandbox::Confined`] lets a command read everything and write nothing but what [`Limits`] names. Three layers on
//! Linux, each of which holds without the others:
//!
//! 1. A **mount namespace** (through a user namespace, for those who are not root): all is read-only but the writable
//!    paths; `protected` paths in them are read-only again; `hidden` paths are not there; `/dev` holds the harmless
//!    devices, fresh pseudo-terminals and a `/dev/shm` of its own; System V IPC is its own.
//! 2. **Landlock**: the same rules for writing, and no signal to, no look into (`environ`, `mem`, `fd`, `root`) any
//!    process outside.
//! 3. **Seccomp**: see [network](Limits::network); no `io_uring`, `ptrace`, mounts, keyrings, BPF, or pushing of input
//!    into a terminal.
//!
//! [`Launcher::support`] tries, once, what the kernel really permits. Without Landlock there is no sandbox and
//! [`Launcher::spawn`] refuses; without mount namespaces, or with an old Landlock, [`Support::Partial`] says what is
//! missing and the owner decides, before each command. A layer that was there when asked and then fails is an error,
//! never a silent step down.
//!
//! On macOS the profile denies all that it does not name, so the same limits hold for files, signals and network; only
//! `/dev` is the machine's.
//!
//! What the sandbox does not do: a `protected` path that does not exist cannot be protected, and one below a writable
//! folder can be moved away together with a folder between them, and another put in its place; a hard link that leads
//! out of a writable path before the command starts leads out of it afterwards; what is hidden or protected at one
//! path is neither where another mount shows the same file; there are no limits of memory, processes or time, and the
//! host can be made slow (by its priority, or by load). Programs of another architecture (32-bit ones) do not run in
//! it, nor do debuggers.

mod budget;
mod environment;
mod spec;
mod utf8;

#[cfg(unix)]
mod helper;
#[cfg(unix)]
mod input;
#[cfg(unix)]
mod open_files;
#[cfg(unix)]
mod order;
#[cfg(unix)]
mod running;
mod sandbox;
#[cfg(windows)]
mod windows;

pub use budget::{OutputBudget, Truncated};
pub use environment::{EnvironmentPolicy, Inherit};
#[cfg(unix)]
pub use helper::helper_main;
#[cfg(unix)]
pub use open_files::raise_open_files;
#[cfg(unix)]
pub use running::{Launcher, Running};
pub use sandbox::{Gap, Support};
pub use spec::{Chunk, Exit, Limits, Output, Sandbox, Size, SpawnError, Spec, Stdio, Stream};
pub use utf8::Utf8Pieces;
#[cfg(windows)]
pub use windows::{Launcher, Running, helper_main};

/// How long a command may go on after [`Running::terminate`] asked it to end.
pub const GRACE: std::time::Duration = std::time::Duration::from_secs(1);

/// How long the end of a command may be under way to whoever waits for it.
const LATE_NEWS: std::time::Duration = std::time::Duration::from_millis(20);
