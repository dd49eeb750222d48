//! A login that is written nowhere.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use super::{CredentialStore, Locked, Login, StoreError};

/// A login in memory. It goes with the host.
#[derive(Debug, Default)]
pub struct Memory {
    login: Mutex<Option<Login>>,
    writer: Mutex<()>,
}

impl Memory {
    fn login(&self) -> MutexGuard<'_, Option<Login>> {
        // The value is replaced as a whole.
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CredentialStore for Memory {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        Ok(self.login().clone())
    }

    fn lock(&self, patience: Duration) -> Result<Box<dyn Locked + '_>, StoreError> {
        let writer = match self.writer.try_lock() {
            Err(TryLockError::WouldBlock) if patience.is_zero() => {
                return Err(StoreError::Locked { path: "the login".to_owned() });
            }
            Err(TryLockError::WouldBlock) => self.writer.lock().unwrap_or_else(PoisonError::into_inner),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Ok(writer) => writer,
        };
        Ok(Box::new(Guard { memory: self, _writer: writer }))
    }
}

struct Guard<'a> {
    memory: &'a Memory,
    _writer: MutexGuard<'a, ()>,
}

impl Locked for Guard<'_> {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        self.memory.load()
    }

    fn save(&self, login: &Login) -> Result<(), StoreError> {
        *self.memory.login() = Some(login.clone());
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        *self.memory.login() = None;
        Ok(())
    }
}
