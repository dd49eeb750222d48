//! The reference's `auth.json`, as a file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::auth_json::{self, Unreadable};
use super::file::PrivateFile;
use super::{CredentialStore, Locked, Login, StoreError};

/// A file in the reference's format, with its lock: a home that both programs use has one login.
#[derive(Debug)]
pub struct CodexFile(PrivateFile);

impl CodexFile {
    /// What it is called in a home.
    pub const NAME: &str = "auth.json";

    /// The login of a home.
    pub fn of_home(home: &Path) -> Self {
        Self(Self::file_of(home))
    }

    /// The file of a home, with the lock that the reference takes before it writes.
    pub(super) fn file_of(home: &Path) -> PrivateFile {
        PrivateFile::new(home.join(Self::NAME), home.join("auth.lock"))
    }

    /// A file of that name, with a lock of its own.
    pub fn at(path: &Path) -> Self {
        Self::with_lock(path.to_owned(), path.with_extension("lock"))
    }

    pub(super) fn with_lock(path: PathBuf, lock: PathBuf) -> Self {
        Self(PrivateFile::new(path, lock))
    }
}

impl CredentialStore for CodexFile {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        let Some(text) = self.0.read()? else { return Ok(None) };
        auth_json::read(&text).map_err(|error| match error {
            Unreadable::Damaged(error) => self.0.damaged(&error),
            Unreadable::Kind(kind) => self.0.unsupported(&kind),
        })
    }

    fn lock(&self, patience: Duration) -> Result<Box<dyn Locked + '_>, StoreError> {
        Ok(Box::new(Guard { file: self, _lock: self.0.lock(patience)? }))
    }
}

struct Guard<'a> {
    file: &'a CodexFile,
    _lock: File,
}

impl Locked for Guard<'_> {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        self.file.load()
    }

    fn save(&self, login: &Login) -> Result<(), StoreError> {
        self.file.0.edit(|document| auth_json::write(document, login))
    }

    fn clear(&self) -> Result<(), StoreError> {
        // The reference removes the file.
        self.file.0.remove()
    }
}
