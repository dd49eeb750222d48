//! The helper that becomes the command: a session, a terminal, the sandbox, clean descriptors and signals, `exec`.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;

use crate::helper::{because, control};
use crate::open_files;
use crate::order::{Order, receive};
use crate::sandbox;

/// The signals that a host may ignore, which a command would inherit.
const IGNORABLE: [Signal; 16] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::ABORT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::TERM,
    Signal::CHILD,
    Signal::TSTP,
    Signal::TTIN,
    Signal::TTOU,
    Signal::XCPU,
    Signal::XFSZ,
    Signal::VTALARM,
    Signal::WINCH,
];

pub(super) fn main() -> io::Result<()> {
    let mut control = control()?;
    let prepared = receive(&control).and_then(|(order, descriptors)| {
        let order: Order = serde_json::from_slice(&order)?;
        Ok((prepare(&order, &control, descriptors)?, order))
    });
    // Silence would tell the supervisor that the command runs.
    let (error, order) = match prepared {
        Ok((mut command, order)) => (command.exec(), order),
        Err(refusal) => return control.write_all(refusal.to_string().as_bytes()),
    };
    let program = order.argv.first().map(|program| program.display().to_string()).unwrap_or_default();
    let (code, why) = match error.kind() {
        io::ErrorKind::NotFound => (127, "not found".to_owned()),
        _ => (126, error.to_string()),
    };
    let _ = writeln!(io::stderr(), "{program}: {why}");
    std::process::exit(code)
}

/// Gets everything ready. After the sandbox is on, only what it permits can be done.
fn prepare(order: &Order, control: &UnixStream, [stdin, stdout, stderr]: [OwnedFd; 3]) -> io::Result<Command> {
    rustix::process::setsid()?;
    open_files::lower(order.open_files);
    let terminal = order.terminal.then(|| stdin.as_fd());
    if let Some(terminal) = terminal {
        rustix::process::ioctl_tiocsctty(terminal)?;
    }
    #[cfg(target_os = "linux")]
    if let Some(confinement) = order.confinement.as_ref().filter(|confinement| confinement.mounts) {
        sandbox::separate(&confinement.limits, terminal)?;
    }
    // After the mounts: the directory that was current before them is not the one of the same name now.
    std::env::set_current_dir(&order.cwd).map_err(|error| because("the working directory", error))?;

    let mut command = command(order);
    command.env_clear().envs(order.env.iter().map(|(key, value)| (key, value)));
    default_signals()?;
    #[cfg(target_os = "linux")]
    {
        // If the supervisor is shot, the command goes with it. Late, as changes of rights clear it.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if let Some(confinement) = &order.confinement {
            sandbox::restrict(confinement, terminal)?;
        }
    }
    if hung_up(control)? {
        // It was shot before that, and nobody would watch.
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    rustix::stdio::dup2_stdin(&stdin)?;
    rustix::stdio::dup2_stdout(&stdout)?;
    rustix::stdio::dup2_stderr(&stderr)?;
    // What the host's own parent left open would pass through all of us.
    close_fds::set_fds_cloexec(3, &[]);
    Ok(command)
}

/// Whether nobody has the other end any more.
fn hung_up(socket: &UnixStream) -> io::Result<bool> {
    let mut socket = [PollFd::new(socket, PollFlags::empty())];
    rustix::event::poll(&mut socket, Some(&Timespec::default()))?;
    Ok(socket[0].revents().contains(PollFlags::HUP))
}

#[cfg(not(target_os = "macos"))]
fn command(order: &Order) -> Command {
    let mut argv = order.argv.iter();
    let mut command = Command::new(argv.next().map_or_else(Default::default, Clone::clone));
    command.args(argv);
    command
}

#[cfg(target_os = "macos")]
fn command(order: &Order) -> Command {
    let wrapped = order.confinement.iter().flat_map(|confinement| sandbox::wrapper(&confinement.limits));
    let mut argv = wrapped.chain(order.argv.iter().cloned());
    let mut command = Command::new(argv.next().unwrap_or_default());
    command.args(argv);
    command
}

/// `exec` makes a caught signal a default one again, but leaves an ignored one ignored. So all are caught; the mask
/// and SIGPIPE are the standard library's care.
fn default_signals() -> io::Result<()> {
    let nobody_looks = Arc::new(AtomicBool::new(false));
    for signal in IGNORABLE {
        signal_hook::flag::register(signal.as_raw(), Arc::clone(&nobody_looks))?;
    }
    Ok(())
}
