//! What the sandbox can do on this machine, and where each layer of it lives.

use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
mod hidden;
#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(target_os = "linux")]
mod syscalls;

#[cfg(target_os = "linux")]
pub(crate) use linux::{probe_main, read_probe, restrict, separate};
#[cfg(target_os = "macos")]
pub(crate) use macos::wrapper;

/// What can be kept of the limits of a confined command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    /// All.
    Full,
    /// All but this. Commands run confined as far as it goes; whether that is enough is for the owner to say.
    Partial {
        /// What a command could do although its limits forbid it.
        missing: Vec<Gap>,
    },
    /// Nothing: a confined command is refused.
    None {
        /// Why, in a sentence for people.
        reason: String,
    },
}

/// A limit that cannot be kept here. Its text says what a command could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gap {
    /// No mount namespaces: only Landlock holds, which grants whole folders and knows no modes and owners.
    Mounts,
    /// Landlock is older than Linux 6.12.
    Signals,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mounts => {
                "this system permits no mount namespaces: a command can change protected paths inside a writable folder, \
                 read hidden ones, and change modes, owners, times and attributes of the user's files anywhere"
            }
            Self::Signals => {
                "this kernel is older than 6.12: a command can send signals to other processes of the user, and reach \
                 abstract Unix sockets that it was handed"
            }
        })
    }
}
