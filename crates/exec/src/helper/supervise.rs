//! The supervisor of one command: starts it, reaps whatever descends from it, tells how it ended, and ends all that
//! is left when the host says so or is gone.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use crate::GRACE;
use crate::helper::{Role, command, control, this_executable, tree};
use crate::order::{Report, TERMINATE, frame, receive, send_descriptors};
use crate::spec::Exit;

/// How soon the killed are looked after again, when none of them was heard of.
const AGAIN: Duration = Duration::from_millis(20);

pub(super) fn main() -> io::Result<()> {
    let control = control()?;
    // A session of its own: what a terminal sends to the host must not end the one that tidies up.
    rustix::process::setsid()?;
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let (died, on_death) = UnixStream::pair()?;
    died.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(Signal::CHILD.as_raw(), on_death)?;

    let (leader, refusal) = match receive(&control).and_then(|(order, descriptors)| start(&order, descriptors)) {
        Ok(started) => started,
        // Nobody hears how this process ends, so it says why nothing runs.
        Err(error) => return (&control).write_all(&Report::Refused(error.to_string()).line()?),
    };
    let mut supervisor = Supervisor { leader, control, died, phase: Phase::Working };
    supervisor.tell(&refusal.map_or(Report::Started, Report::Refused));
    // Who cannot watch any more leaves nobody unwatched.
    supervisor.run().inspect_err(|_error| _ = tree::kill(leader))
}

/// Starts the second helper, and waits until it has become the command or has said why not.
fn start(order: &[u8], descriptors: [OwnedFd; 3]) -> io::Result<(Pid, Option<String>)> {
    let (mut socket, theirs) = UnixStream::pair()?;
    let child = command(this_executable()?, Role::Enter).stdin(OwnedFd::from(theirs)).spawn()?;
    send_descriptors(&socket, descriptors.each_ref().map(OwnedFd::as_fd))?;
    socket.write_all(&frame(order)?)?;
    let mut refusal = String::new();
    socket.read_to_string(&mut refusal)?;
    Ok((Pid::from_child(&child), Some(refusal).filter(|text| !text.is_empty())))
}

struct Supervisor {
    leader: Pid,
    control: UnixStream,
    /// Gets a byte when a child died.
    died: UnixStream,
    phase: Phase,
}

enum Phase {
    Working,
    /// All were asked to end, and have until then.
    Ending(Instant),
    Killing,
    /// Nobody is left but those whom this user may not kill. They have until then.
    Refused(Instant),
}

impl Supervisor {
    /// Works until no descendant is left, or none that this user may kill: who has raised itself is nobody's to end.
    fn run(&mut self) -> io::Result<()> {
        while self.reap()? {
            let timeout = match self.phase {
                Phase::Working => None,
                Phase::Ending(until) => Some(until.saturating_duration_since(Instant::now())),
                Phase::Killing | Phase::Refused(_) => {
                    self.phase = match (tree::kill(self.leader), &self.phase) {
                        (false, _) => Phase::Killing,
                        (true, Phase::Refused(until)) if *until <= Instant::now() => return Ok(()),
                        (true, Phase::Refused(until)) => Phase::Refused(*until),
                        // What served the killed may end by itself, as `sudo` does.
                        (true, _) => Phase::Refused(Instant::now() + GRACE),
                    };
                    Some(AGAIN)
                }
            };
            self.wait(timeout)?;
        }
        Ok(())
    }

    /// Buries the dead. Orphans of the command are children of this process, so none escapes. Says whether any
    /// descendant is left.
    fn reap(&mut self) -> io::Result<bool> {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.leader => self.tell(&Report::Exited(exit(status))),
                Ok(Some(_orphan)) => {}
                Ok(None) => return Ok(true),
                Err(rustix::io::Errno::CHILD) => return Ok(tree::strays(self.leader)),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for an order, a death or the time to be up.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        // A host that is gone stays readable; there is nothing more to hear from it.
        let kills = matches!(self.phase, Phase::Killing | Phase::Refused(_));
        let listen = if kills { PollFlags::empty() } else { PollFlags::IN };
        let control = PollFd::new(&self.control, listen);
        let mut sources = [PollFd::new(&self.died, PollFlags::IN), control];
        let sources = if listen.is_empty() { &mut sources[..1] } else { &mut sources[..] };
        match poll(sources, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ordered = sources.get(1).is_some_and(|control| !control.revents().is_empty());
        // Drained before the next reaping, so that no death is slept through.
        while matches!((&self.died).read(&mut [0; 64]), Ok(1..)) {}
        if ordered {
            self.obey();
        }
        if matches!(self.phase, Phase::Ending(until) if until <= Instant::now()) {
            self.phase = Phase::Killing;
        }
        Ok(())
    }

    fn obey(&mut self) {
        let mut request = [0];
        match (&self.control).read(&mut request) {
            Ok(1) if request == [TERMINATE] => {
                if matches!(self.phase, Phase::Working) {
                    tree::signal(self.leader, Signal::TERM);
                    self.phase = Phase::Ending(Instant::now() + GRACE);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => self.phase = Phase::Killing,
        }
    }

    /// A host that does not hear is about to be noticed by its silence.
    fn tell(&mut self, report: &Report) {
        let _ = report.line().and_then(|line| self.control.write_all(&line));
    }
}

fn exit(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Signal(Signal::KILL.as_raw()),
    }
}
