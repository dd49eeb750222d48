//! The layers of the Linux sandbox in their order, and the probe that tries them.

use std::io::{self, Write as _};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde::{Deserialize, Serialize};

use crate::helper::because;
use crate::order::Confinement;
use crate::sandbox::{Gap, Support, landlock, mounts, syscalls};
use crate::spec::Limits;

/// What root may still do in a sandbox: own files, as its tools expect. Nobody else has any of it after `exec`.
const KEPT: CapabilitySet =
    CapabilitySet::CHOWN.union(CapabilitySet::DAC_OVERRIDE).union(CapabilitySet::FOWNER).union(CapabilitySet::FSETID);

/// The first half: an own view of the file system. Paths mean something else afterwards.
pub(crate) fn separate(limits: &Limits, terminal: Option<BorrowedFd<'_>>) -> io::Result<()> {
    mounts::enter_namespaces().map_err(|error| because("namespaces", error))?;
    mounts::arrange(limits, terminal)
}

/// The second half, for good: no capabilities, no writing elsewhere, no dangerous system calls. Says whether signals
/// are kept inside, which not every kernel can.
pub(crate) fn restrict(confinement: &Confinement, terminal: Option<BorrowedFd<'_>>) -> io::Result<bool> {
    drop_capabilities().map_err(|error| because("capabilities", error))?;
    let scoped = landlock::restrict(confinement, terminal).map_err(|error| because("Landlock", error))?;
    syscalls::restrict(confinement.limits.network).map_err(|error| because("seccomp", error))?;
    Ok(scoped)
}

/// Opens a writable path, if it is there. A symbolic link on the way is an error: an earlier command may have put it
/// there, to be let out by the next.
pub(super) fn open_real(path: &Path) -> io::Result<Option<OwnedFd>> {
    let (flags, resolve) = (OFlags::PATH | OFlags::CLOEXEC, ResolveFlags::NO_SYMLINKS);
    match rustix::fs::openat2(rustix::fs::CWD, path, flags, Mode::empty(), resolve) {
        Ok(real) => Ok(Some(real)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(None),
        Err(error) => Err(because(&path.display().to_string(), error)),
    }
}

fn drop_capabilities() -> io::Result<()> {
    let held = rustix::thread::capabilities(None)?;
    if held.permitted.is_empty() {
        return Ok(());
    }
    // `exec` gives root what the bounding set has, so that has to shrink first.
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().difference(KEPT).iter() {
            // One that this kernel does not know is not there to be dropped.
            if rustix::thread::capability_is_in_bounding_set(capability).unwrap_or(false) {
                rustix::thread::remove_capability_from_bounding_set(capability)?;
            }
        }
    }
    let kept = held.permitted.intersection(KEPT);
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// What a probe found, on its way to the host.
#[derive(Serialize, Deserialize)]
enum Found {
    /// The sandbox is on, but for this.
    Usable(Vec<Gap>),
    /// It is not.
    Unusable(String),
}

/// The helper's role of trying: puts on a sandbox as a command would, and prints what came of it.
pub(crate) fn probe_main(mounts: bool) -> io::Result<()> {
    let found = probe(mounts).map_or_else(|error| Found::Unusable(error.to_string()), Found::Usable);
    io::stdout().write_all(&serde_json::to_vec(&found)?)
}

fn probe(mounts: bool) -> io::Result<Vec<Gap>> {
    let confinement = Confinement { limits: Limits::default(), mounts };
    if mounts {
        separate(&confinement.limits, None)?;
    }
    let scoped = restrict(&confinement, None)?;
    let gaps = [(!mounts, Gap::Mounts), (!scoped, Gap::Signals)];
    Ok(gaps.into_iter().filter_map(|(missing, gap)| missing.then_some(gap)).collect())
}

/// The host's side: reads what a probe printed.
pub(crate) fn read_probe(printed: &[u8]) -> Support {
    match serde_json::from_slice(printed) {
        Ok(Found::Usable(missing)) if missing.is_empty() => Support::Full,
        Ok(Found::Usable(missing)) => Support::Partial { missing },
        Ok(Found::Unusable(reason)) => Support::None { reason },
        Err(_silent) => Support::None { reason: "the helper could not try the sandbox".to_owned() },
    }
}
