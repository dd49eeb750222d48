//! Text files as patches see them, and where they come from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its content, line ends and all.
    pub text: String,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// Where [`plan`](super::plan) looks at files. It never writes.
pub trait Fs {
    /// Reads a text file, through links. Fails with `NotFound` when there is none, and for anything that is
    /// no regular file or no UTF-8.
    fn read(&self, path: &Path) -> io::Result<File>;

    /// The path without links. Fails with `NotFound` when nothing is there.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Fs for Disk {
    fn read(&self, path: &Path) -> io::Result<File> {
        let metadata = fs::metadata(path)?;
        // A pipe or a device would block, or never end.
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let text = String::from_utf8(fs::read(path)?);
        let text = text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))?;
        Ok(File { text, executable: is_executable(&metadata) })
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_metadata: &fs::Metadata) -> bool {
    false
}

/// Where `path` leads through links, also when its last parts do not exist.
pub(super) fn resolve(fs: &impl Fs, path: &Path) -> io::Result<PathBuf> {
    match (fs.canonicalize(path), path.parent(), path.file_name()) {
        (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(resolve(fs, parent)?.join(name))
        }
        (result, _, _) => result,
    }
}
