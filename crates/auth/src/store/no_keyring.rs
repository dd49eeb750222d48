//! What stands for the keyring in a build without one: it refuses, and says so.

use std::path::Path;
use std::time::Duration;

use super::{CredentialStore, Locked, Login, StoreError};

/// No keyring.
#[derive(Debug)]
pub struct Keyring;

impl Keyring {
    /// The login of a home.
    pub fn of_home(_: &Path) -> Self {
        Self
    }

    pub(super) fn is_there(&self) -> bool {
        false
    }

    pub(super) fn save(&self, _: &Login) -> Result<(), StoreError> {
        Err(StoreError::NoKeyring)
    }

    pub(super) fn clear(&self) -> Result<(), StoreError> {
        Err(StoreError::NoKeyring)
    }
}

impl CredentialStore for Keyring {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        Err(StoreError::NoKeyring)
    }

    fn lock(&self, _: Duration) -> Result<Box<dyn Locked + '_>, StoreError> {
        Err(StoreError::NoKeyring)
    }
}
