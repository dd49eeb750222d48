//! What a process does once it holds a token that is not its own.

use std::sync::Once;

static HARDENED: Once = Once::new();

/// Keeps other processes of the same user from reading this one's memory, and keeps that memory out of core
/// dumps. Linux only. Done at the first token that is lent, because debuggers cannot attach afterwards.
pub(super) fn process() {
    HARDENED.call_once(|| {
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{DumpableBehavior, set_dumpable_behavior};
            if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
                tracing::warn!(%error, "the process stays dumpable");
            }
        }
    });
}
