//! What a command is not to see is taken out of its view of the file system. A mount over a file goes when somebody
//! outside puts another file in its place, so it is the folder that is covered, and what is not hidden put back in.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive, mount_remount};

use crate::helper::because;

const POWERLESS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);
const CLOSED: MountFlags = POWERLESS.union(MountFlags::RDONLY);

/// How often something may be replaced between the look at it and the mount, which are microseconds apart.
const ATTEMPTS: usize = 100;

/// Hides these paths, as the last change of the view: what is put back is as it is now. A folder that may be written
/// stays the one that it is, as do the root's entries: there, only what exists is hidden, and as long as nobody outside
/// puts something else in its place.
pub(super) fn hide(paths: &[PathBuf], is_writable: impl Fn(&Path) -> bool) -> io::Result<()> {
    for (folder, names) in by_folder(paths) {
        if is_writable(&folder) || folder.parent().is_none() {
            for path in names.iter().map(|name| folder.join(name)) {
                let close = || if path.exists() { close(&path) } else { Ok(()) };
                settled(format_args!("hiding {}", path.display()), close)?;
            }
        } else {
            cover(&folder, &names).map_err(|error| because(&format!("covering {}", folder.display()), error))?;
        }
    }
    Ok(())
}

/// The names that are hidden, by the folder they are in. A link has two: its own, and that of what it leads to.
fn by_folder(paths: &[PathBuf]) -> BTreeMap<PathBuf, BTreeSet<OsString>> {
    let mut folders = BTreeMap::<_, BTreeSet<_>>::new();
    for path in paths {
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        let own = folder.zip(path.file_name()).map(|(folder, name)| folder.join(name));
        for real in own.into_iter().chain(path.canonicalize().ok()) {
            if let (Some(folder), Some(name)) = (real.parent(), real.file_name()) {
                folders.entry(folder.to_owned()).or_default().insert(name.to_owned());
            }
        }
    }
    folders
}

/// Puts an empty folder over a folder, and over anything else a device that cannot be opened.
fn close(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(mount("tmpfs", path, "tmpfs", CLOSED, c"mode=000,size=4k")?);
    }
    mount_bind("/dev/null", path)?;
    match mount_remount(path, CLOSED | MountFlags::BIND, c"") {
        // It went with the file that was there: another one has its name now.
        Err(Errno::INVAL) => Err(io::ErrorKind::NotFound.into()),
        closed => Ok(closed?),
    }
}

/// Puts a folder of the command's own over a folder, with all that is in it but what is hidden. Names that come into
/// being in the host's folder do not come into being in this one.
fn cover(folder: &Path, hidden: &BTreeSet<OsString>) -> io::Result<()> {
    let host = match File::open(folder) {
        // It was in a folder that is covered by now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        host => host?,
    };
    mount("tmpfs", folder, "tmpfs", POWERLESS, c"mode=700")?;
    // A set, as a name that is taken away and given again meanwhile is read twice.
    let names = fs::read_dir(by_descriptor(&host))?.map(|entry| entry.map(|entry| entry.file_name()));
    for name in names.collect::<io::Result<BTreeSet<_>>>()? {
        if !hidden.iter().any(|hidden| is_called(&name, hidden)) {
            settled(name.display(), || put_back(&host, &name, &folder.join(&name)))?;
        }
    }
    Ok(mount_remount(folder, CLOSED | MountFlags::BIND, c"")?)
}

/// Whether that is the name, or one with an ending more: a file that is being written, or was put aside.
fn is_called(name: &OsStr, hidden: &OsStr) -> bool {
    let ending = name.as_encoded_bytes().strip_prefix(hidden.as_encoded_bytes());
    ending.is_some_and(|ending| ending.is_empty() || ending.starts_with(b"."))
}

/// Shows an entry of the host's folder at another place, with all mounts below it.
fn put_back(host: &File, name: &OsStr, at: &Path) -> io::Result<()> {
    let itself = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let entry = match rustix::fs::openat(host, name, itself, Mode::empty()) {
        // It was there when the folder was read.
        Err(Errno::NOENT) => return Ok(()),
        entry => entry?,
    };
    match FileType::from_raw_mode(rustix::fs::fstat(&entry)?.st_mode) {
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&entry, "", Vec::new())?;
            return std::os::unix::fs::symlink(OsString::from_vec(target.into_bytes()), at);
        }
        FileType::Directory => fs::create_dir(at)?,
        _ => drop(File::create(at)?),
    }
    let remove = |_error: &Errno| drop(fs::remove_file(at).or_else(|_folder| fs::remove_dir(at)));
    Ok(mount_bind_recursive(by_descriptor(&entry), at).inspect_err(remove)?)
}

/// Mounts what has a name, and looks again when it was gone by then: somebody outside may replace it, as one does who
/// writes a file as a whole. What has the name no more is the caller's to pass over.
pub(super) fn settled<T>(what: impl Display, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut done = attempt();
    for _ in 1..ATTEMPTS {
        match &done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => done = attempt(),
            _ => break,
        }
    }
    done.map_err(|error| because(&what.to_string(), error))
}

/// A path to what was opened, whatever has its name by now.
pub(super) fn by_descriptor(opened: &impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", opened.as_fd().as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use super::is_called;

    #[test]
    fn a_hidden_name_takes_its_endings_along_and_nothing_else() {
        let hides = |name: &str| is_called(name.as_ref(), "auth.json".as_ref());
        assert!(hides("auth.json") && hides("auth.json.x1y2") && hides("auth.json.bak"));
        assert!(!hides("auth.jsonl") && !hides("auth.lock") && !hides("my auth.json") && !hides("auth"));
    }
}
