//! Waits for the end of the process that the host lives for. A closed pipe does not tell it when another
//! process holds the pipe open, and a listener has none. What is done then is up to `host`.

use tokio_util::sync::CancellationToken;

/// Why a process is not one to live for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAParent {
    /// No process has such an id.
    #[error("{0} is not a process id")]
    NoId(i64),
    /// A process does not outlive itself.
    #[error("{0} is this process itself")]
    Myself(i64),
}

/// Watches for the end of any of some processes.
#[derive(Debug, Default)]
pub(crate) struct ParentWatch {
    gone: CancellationToken,
}

impl ParentWatch {
    /// Watches one process. If it cannot be seen, that is logged, and it is not watched: it may have ended, but
    /// it may as well be alive in another namespace, and the host with it.
    pub(crate) fn watch(&self, pid: i64) -> Result<(), NotAParent> {
        let id = i32::try_from(pid).ok().filter(|id| *id > 0).ok_or(NotAParent::NoId(pid))?;
        if i64::from(std::process::id()) == pid {
            return Err(NotAParent::Myself(pid));
        }
        if let Err(error) = cancel_after(id, self.gone.clone()) {
            tracing::warn!(pid, %error, "the parent process cannot be seen from here, so its end is not watched");
        }
        Ok(())
    }

    /// Resolves when a process that is watched has ended.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }
}

impl Drop for ParentWatch {
    /// Nobody is left to be told, so nothing is to wait.
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

/// Cancels the token when the process has ended. From here on the process is known by more than its id, which
/// another one may get.
#[cfg(target_os = "linux")]
#[expect(
    deprecated,
    reason = "its successor is unsafe, for types that may close their descriptor; an `OwnedFd` does not"
)]
fn cancel_after(id: i32, gone: CancellationToken) -> std::io::Result<()> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use tokio::io::{Interest, unix::AsyncFd};

    let pid = Pid::from_raw(id).ok_or(std::io::ErrorKind::InvalidInput)?;
    // Readable once the process has ended, and only then.
    let process = AsyncFd::with_interest(pidfd_open(pid, PidfdFlags::empty())?, Interest::READABLE)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = process.readable() => end_with_it(&gone),
            () = gone.cancelled() => {}
        }
    });
    Ok(())
}

/// As above. The wait blocks, so it has a thread, which ends with the process that is waited for.
#[cfg(not(target_os = "linux"))]
fn cancel_after(id: i32, gone: CancellationToken) -> std::io::Result<()> {
    let mut process = waitpid_any::WaitHandle::open(id)?;
    std::thread::Builder::new().name("parent".to_owned()).spawn(move || {
        while let Err(error) = process.wait() {
            if error.kind() != std::io::ErrorKind::Interrupted {
                tracing::warn!(%error, "the end of the parent process is no longer watched");
                return;
            }
        }
        end_with_it(&gone);
    })?;
    Ok(())
}

fn end_with_it(gone: &CancellationToken) {
    tracing::info!("the parent process has ended, so the host ends, too");
    gone.cancel();
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::{NotAParent, ParentWatch};
    use pretty_assertions::assert_eq;
    use tokio::process::{Child, Command};

    fn process() -> (Child, i64) {
        // Waits for an end of stdin that does not come.
        let child = Command::new("cat").stdin(std::process::Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let pid = child.id().unwrap().into();
        (child, pid)
    }

    #[tokio::test]
    async fn the_end_of_any_process_that_is_watched_is_told() {
        let watch = ParentWatch::default();
        let ((_one, first), (mut other, second)) = (process(), process());
        watch.watch(first).unwrap();
        watch.watch(second).unwrap();
        assert!(!watch.gone.is_cancelled());
        // Killed, and nobody has asked how it ended.
        other.start_kill().unwrap();
        watch.gone().await;
    }

    #[tokio::test]
    async fn a_process_that_cannot_be_seen_is_not_taken_for_one_that_has_ended() {
        let watch = ParentWatch::default();
        let (mut child, pid) = process();
        child.kill().await.unwrap();
        assert_eq!(watch.watch(pid), Ok(()));
        assert!(!watch.gone.is_cancelled());
    }

    #[test]
    fn what_can_be_no_parent_is_refused() {
        let watch = ParentWatch::default();
        for pid in [0, -1, i64::MIN, i64::from(i32::MAX) + 1, i64::MAX] {
            assert_eq!(watch.watch(pid), Err(NotAParent::NoId(pid)));
        }
        let own = i64::from(std::process::id());
        assert_eq!(watch.watch(own), Err(NotAParent::Myself(own)));
    }
}
