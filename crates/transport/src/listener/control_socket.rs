//! A socket file: in a directory where nobody else may write, for its owner only, one server at a time, and
//! gone when the server is.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket};

use super::{Address, ListenError};

/// Connections that may wait to be taken.
const BACKLOG: u32 = 1024;

/// A file that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Which file is ours: somebody may have put another one in its place.
    file: Identity,
    /// Last, so that the next server starts when everything else is gone.
    _lock: Lock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl From<Metadata> for Identity {
    fn from(file: Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }
}

impl SocketFile {
    /// Listens at the path, which is absolute.
    pub(super) fn listen(path: &Path) -> Result<(UnixListener, Self), ListenError> {
        let failed = |error| ListenError::Bind(Address::Unix(path.to_owned()), error);
        if SocketAddr::from_pathname(path).is_err() {
            return Err(ListenError::PathTooLong { path: path.to_owned(), length: path.as_os_str().len() });
        }
        make_directory(path)?;
        let lock = Lock::take(path)?;
        make_room(path)?;
        let socket = UnixSocket::new_stream().map_err(failed)?;
        // Linux makes the file with the permissions of the socket, so that it is never open to others.
        // Elsewhere this does nothing, and the directory keeps them out until the next lines are through.
        let _ = rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(0o600));
        socket.bind(path).map_err(failed)?;
        let file = std::fs::symlink_metadata(path).map_err(failed)?.into();
        let file = Self { path: path.to_owned(), file, _lock: lock };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok((socket.listen(BACKLOG).map_err(failed)?, file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| Identity::from(found) == self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Makes the directory of a socket file if there is none, and takes no directory that others may write to.
fn make_directory(path: &Path) -> Result<(), ListenError> {
    let failed = |error| ListenError::Bind(Address::Unix(path.to_owned()), error);
    let directory = path.parent().ok_or_else(|| failed(ErrorKind::InvalidInput.into()))?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let found = std::fs::metadata(directory).map_err(failed)?;
    if found.mode() & 0o022 != 0 {
        return Err(ListenError::OpenDirectory { directory: directory.to_owned(), mode: found.mode() & 0o7777 });
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&found.uid()) {
        return Err(ListenError::ForeignDirectory(directory.to_owned()));
    }
    Ok(())
}

/// Removes what a dead server has left. The lock is held, so nobody else is about to listen.
fn make_room(path: &Path) -> Result<(), ListenError> {
    let failed = |error| ListenError::Bind(Address::Unix(path.to_owned()), error);
    let kind = match std::fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    // The reference leaves a link to a socket somewhere else.
    if !kind.is_socket() && !kind.is_symlink() {
        return Err(ListenError::NotASocket(path.to_owned()));
    }
    // A server of another kind holds no lock of ours.
    if UnixStream::connect(path).is_ok() {
        return Err(ListenError::InUse(path.to_owned()));
    }
    match std::fs::remove_file(path) {
        // It was not quite dead, and has just cleaned up after itself.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(failed),
    }
}

/// The file beside the socket that only one server has locked. Removed with the lock still held.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(socket: &Path) -> Result<Self, ListenError> {
        let failed = |error| ListenError::Bind(Address::Unix(socket.to_owned()), error);
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        loop {
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(ListenError::InUse(socket.to_owned())),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // The server before may have removed the file after we opened it: then it locks nobody out.
            if is_at(&file, &path).map_err(failed)? {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok(Identity::from(found) == Identity::from(file.metadata()?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
