//! The processes that descend from this one, and signals to all of them.

use rustix::process::{Pid, Signal};

/// Sends a signal to every descendant. Those that are being born meanwhile may be missed.
#[cfg(target_os = "linux")]
pub(super) fn signal(_leader: Pid, signal: Signal) {
    for descendant in descendants(|_pid| ()) {
        // It may be gone, or belong to somebody else by now.
        let _ = send(descendant, signal);
    }
}

/// Kills every descendant. Each is stopped before its children are looked up: a stopped parent has no more. Says whether
/// there is nobody but those whom this user may not kill.
#[cfg(target_os = "linux")]
pub(super) fn kill(_leader: Pid) -> bool {
    let descendants = descendants(|pid| _ = send(pid, Signal::STOP));
    let refused = descendants.iter().filter(|descendant| !send(**descendant, Signal::KILL)).count();
    refused > 0 && refused == descendants.len()
}

/// Says whether that is permitted. The process may be gone.
#[cfg(target_os = "linux")]
fn send(pid: Pid, signal: Signal) -> bool {
    rustix::process::kill_process(pid, signal) != Err(rustix::io::Errno::PERM)
}

#[cfg(target_os = "linux")]
fn descendants(mut visit: impl FnMut(Pid)) -> Vec<Pid> {
    let mut found = children(rustix::process::getpid());
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        visit(pid);
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// The children of all threads of a process.
#[cfg(target_os = "linux")]
fn children(of: Pid) -> Vec<Pid> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", of.as_raw_nonzero())).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split(' ').filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect::<Vec<_>>())
        .collect()
}

/// Whether anything is left that is no child of this process: orphans are, here.
#[cfg(target_os = "linux")]
pub(super) fn strays(_leader: Pid) -> bool {
    false
}

/// Sends a signal to the session's first process group, which is all that can be found here.
#[cfg(not(target_os = "linux"))]
pub(super) fn signal(leader: Pid, signal: Signal) {
    let _ = rustix::process::kill_process_group(leader, signal);
}

/// Kills the session's first process group. Says whether there is nobody in it but those whom this user may not kill.
#[cfg(not(target_os = "linux"))]
pub(super) fn kill(leader: Pid) -> bool {
    rustix::process::kill_process_group(leader, Signal::KILL) == Err(rustix::io::Errno::PERM)
}

/// Whether the process group has outlived its leader.
#[cfg(not(target_os = "linux"))]
pub(super) fn strays(leader: Pid) -> bool {
    rustix::process::test_kill_process_group(leader).is_ok()
}
