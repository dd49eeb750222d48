//! The executable in its hidden roles. Single-threaded, without a runtime, quiet: what goes wrong is told over the
//! socket on descriptor 0.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, io};

mod enter;
mod supervise;
mod tree;

/// The first argument that makes the executable a helper.
const HELPER: &str = "__exec";

/// A role of the helper.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    /// Watches over one command.
    Supervise,
    /// Becomes the command.
    Enter,
    /// Tries the whole sandbox, and prints what it can do.
    #[cfg(target_os = "linux")]
    Probe,
    /// Tries it without mounts. Needs a fresh process: one that was refused half-way is not what it was.
    #[cfg(target_os = "linux")]
    ProbeFloor,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Supervise => "supervise",
            Self::Enter => "enter",
            #[cfg(target_os = "linux")]
            Self::Probe => "probe",
            #[cfg(target_os = "linux")]
            Self::ProbeFloor => "probe-floor",
        }
    }
}

/// Whether the executable plays its roles when it is asked to.
static CAN_HELP: AtomicBool = AtomicBool::new(false);

/// Plays the helper, if the arguments of this process ask for that. Call it first in `main`, before there is a second
/// thread and before anything is read or written, and leave with the code. A program that does not call it cannot run
/// commands by itself: started again it would only be itself again.
pub fn helper_main() -> Option<ExitCode> {
    CAN_HELP.store(true, Ordering::Relaxed);
    let mut arguments = env::args_os().skip(1);
    if arguments.next()? != OsStr::new(HELPER) {
        return None;
    }
    let result = match arguments.next()?.to_str()? {
        "supervise" => supervise::main(),
        "enter" => enter::main(),
        #[cfg(target_os = "linux")]
        "probe" => crate::sandbox::probe_main(true),
        #[cfg(target_os = "linux")]
        "probe-floor" => crate::sandbox::probe_main(false),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    Some(result.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

/// A command that starts the helper in a role, with nothing inherited.
pub(crate) fn command(executable: PathBuf, role: Role) -> Command {
    let mut command = Command::new(executable);
    command.args([HELPER, role.name()]).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// This executable. On Linux it is found even after it was replaced or removed on disk.
pub(crate) fn this_executable() -> io::Result<PathBuf> {
    if !CAN_HELP.load(Ordering::Relaxed) {
        return Err(io::Error::other(
            "this program does not call `valet_exec::helper_main`, and names no other helper",
        ));
    }
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { env::current_exe() }
}

/// The socket on descriptor 0, as one that no program started from here inherits.
fn control() -> io::Result<UnixStream> {
    let control: OwnedFd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin().as_fd(), 3)?;
    Ok(control.into())
}

/// An error that says what failed, as its text is all that reaches the host.
pub(crate) fn because(what: &str, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
