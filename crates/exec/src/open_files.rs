//! How many files a process may have open: a host as many as it can get, a command as many as the host's user set.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the limit was when the host began.
static BEFORE: OnceLock<Option<u64>> = OnceLock::new();

/// Raises this process's limit to what it may be raised to. Connections and threads hold files.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if BEFORE.set(current).is_ok() {
        // Some systems refuse an infinite one; then things stay as they are.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// What the limit of a command is to be, if that is another one than the host's own.
pub(crate) fn of_commands() -> Option<u64> {
    BEFORE.get().copied().flatten()
}

/// Sets this process's limit.
pub(crate) fn lower(limit: Option<u64>) {
    if limit.is_some() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit, maximum });
    }
}
