//! How a mutex is locked here.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it whatever has become of others who did: what lies behind a lock is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
