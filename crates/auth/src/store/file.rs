//! A file that only its owner may read, replaced as a whole, and the lock beside it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::Builder;
use zeroize::Zeroizing;

use super::StoreError;
use super::document::Document;

/// How often a lock that is held is looked at again. Whoever holds one waits for an issuer, so this is short.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// More than any file of logins has.
const LIMIT: u64 = 4 << 20;

/// A private file.
#[derive(Debug)]
pub(super) struct PrivateFile {
    path: PathBuf,
    lock: PathBuf,
}

impl PrivateFile {
    pub(super) fn new(path: PathBuf, lock: PathBuf) -> Self {
        Self { path, lock }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn failed(&self, error: std::io::Error) -> StoreError {
        StoreError::Io { path: self.name(), error }
    }

    pub(super) fn damaged(&self, error: &serde_json::Error) -> StoreError {
        StoreError::Damaged { path: self.name(), line: error.line(), column: error.column() }
    }

    pub(super) fn unsupported(&self, kind: &str) -> StoreError {
        StoreError::Unsupported { path: self.name(), kind: kind.to_owned() }
    }

    /// The text. None: there is no file.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<String>>, StoreError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let length = file.metadata().map_err(|error| self.failed(error))?.len();
        if length > LIMIT {
            return Err(self.failed(ErrorKind::FileTooLarge.into()));
        }
        // Room for all of it, so that no copy is left behind by a buffer that grows.
        let mut text = Zeroizing::new(String::with_capacity(length as usize + 1));
        file.take(LIMIT).read_to_string(&mut text).map_err(|error| self.failed(error))?;
        Ok(Some(text))
    }

    /// Changes members of the object that the file holds. Nothing is made of a file that holds something else.
    pub(super) fn edit(
        &self,
        change: impl FnOnce(&mut Document<'_>) -> serde_json::Result<()>,
    ) -> Result<(), StoreError> {
        let text = self.read()?.unwrap_or_else(|| Zeroizing::new("{}".to_owned()));
        let mut document = Document::parse(&text).map_err(|error| self.damaged(&error))?;
        change(&mut document).map_err(|error| self.damaged(&error))?;
        self.replace(&document.to_text(0))
    }

    /// Puts a text in the place of what is there. Readers see the one or the other, and so does whoever reads after a
    /// loss of power.
    fn replace(&self, text: &str) -> Result<(), StoreError> {
        self.replace_file(text).map_err(|error| self.failed(error))
    }

    fn replace_file(&self, text: &str) -> std::io::Result<()> {
        // A link stays one: what it points at is replaced.
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        // Whoever hides the file from others hides what begins with its name and a dot.
        let mut prefix = path.file_name().unwrap_or_default().to_owned();
        prefix.push(".");
        // 0600 is what this makes of a new file.
        let mut file = Builder::new().prefix(&prefix).tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        sync_folder(folder)
    }

    pub(super) fn remove(&self) -> Result<(), StoreError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    /// Waits for the lock. The lock ends when the file is dropped, also by the death of the process.
    pub(super) fn lock(&self, patience: Duration) -> Result<File, StoreError> {
        let until = Instant::now() + patience;
        let file = self.lock_file().map_err(|error| self.failed(error))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { path: self.name() }),
                Err(TryLockError::Error(error)) => return Err(self.failed(error)),
            }
        }
    }

    fn lock_file(&self) -> std::io::Result<File> {
        if let Some(folder) = self.lock.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.lock)
    }
}

/// So that the new name survives a loss of power, too.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
