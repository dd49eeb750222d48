//! Where a login that the host owns is kept: the reference's `auth.json`, an entry of opencode's, the keyring of the
//! system, or memory; and the shelf for logins that wait for their turn.
//!
//! Whoever writes holds the lock of the store, which other processes respect, the reference among them. So a token
//! that may be used once is used by one of them.

mod auth_json;
mod codex;
mod contract;
mod document;
mod file;
mod foreign_files;
#[cfg_attr(not(feature = "keyring"), path = "no_keyring.rs")]
mod keyring;
mod keyring_or_file;
mod memory;
mod of_account;
mod opencode;
mod shelf;

use std::time::Duration;

pub use codex::CodexFile;
pub use keyring::Keyring;
pub use keyring_or_file::KeyringOrFile;
pub use memory::Memory;
pub use of_account::OfAccount;
pub use opencode::OpencodeFile;
pub use shelf::{Shelf, Shelving, make_private};

use crate::claims::Claims;
use crate::token::AccessToken;

/// How long to wait for the lock of a store: whoever holds it may wait for the issuer, for 30 s at most.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// A login that the host owns.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// An API key.
    ApiKey(AccessToken),
    /// A ChatGPT login.
    Chatgpt(Tokens),
}

/// What the issuer gave.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Says who somebody is. Stores that have no place for it give the access token back, which says the same.
    pub id: AccessToken,
    /// What calls are made with.
    pub access: AccessToken,
    /// What the next ones are had for. Good for one use.
    pub refresh: AccessToken,
    /// The workspace.
    pub account_id: Option<String>,
    /// When they were issued, in unix seconds, where that is known.
    pub issued_at: Option<i64>,
}

impl Tokens {
    /// Tokens as they come from the issuer. The workspace is what the tokens name.
    pub fn issued(id: AccessToken, access: AccessToken, refresh: AccessToken, issued_at: i64) -> Self {
        Self::kept(id, access, refresh, None, Some(issued_at))
    }

    /// Tokens as they are kept, also by a program that did not write the workspace down.
    fn kept(
        id: AccessToken,
        access: AccessToken,
        refresh: AccessToken,
        account_id: Option<String>,
        issued_at: Option<i64>,
    ) -> Self {
        let told = || [&id, &access].into_iter().find_map(|token| Claims::of(token.expose()).ok()?.account_id);
        let account_id = account_id.or_else(told);
        Self { id, access, refresh, account_id, issued_at }
    }

    /// When the access token expires, in unix seconds, if it says so.
    pub fn expires_at(&self) -> Option<i64> {
        Claims::of(self.access.expose()).ok()?.expires_at
    }
}

impl Login {
    /// What no other login has.
    pub(crate) fn secret(&self) -> &AccessToken {
        match self {
            Self::ApiKey(key) => key,
            Self::Chatgpt(tokens) => &tokens.refresh,
        }
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ApiKey(_) => f.write_str("ApiKey"),
            Self::Chatgpt(tokens) => tokens.fmt(f),
        }
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("account_id", &self.account_id).finish_non_exhaustive()
    }
}

/// Why a login could not be read or kept. No text of the file is in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system says no.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: String,
        /// What it says.
        error: std::io::Error,
    },
    /// The file is not what its name says. It is left as it is.
    #[error("{path} is not a file of logins (line {line}, column {column}): mend it, or remove it")]
    Damaged {
        /// Which file.
        path: String,
        /// Where, counted from 1.
        line: usize,
        /// Where, counted from 1.
        column: usize,
    },
    /// A login of a kind that is not served, such as one that another program manages.
    #[error("{path} holds a login of the kind `{kind}`, which is not supported")]
    Unsupported {
        /// Which file.
        path: String,
        /// In the file's words.
        kind: String,
    },
    /// This build knows no keyring.
    #[error("this build of Valet has no keyring; set cli_auth_credentials_store to \"file\"")]
    NoKeyring,
    /// The keyring says no.
    #[error("the keyring: {0}")]
    Keyring(String),
    /// Another process holds the lock.
    #[error("{path} is locked by another writer")]
    Locked {
        /// Which file.
        path: String,
    },
    /// The login was removed, or the place is another account's now.
    #[error("{name} is not kept here any more")]
    Gone {
        /// The name of the account.
        name: String,
    },
}

/// A place for one login.
pub trait CredentialStore: Send + Sync + 'static {
    /// What is kept. Never waits for a writer: a file is replaced as a whole.
    fn load(&self) -> Result<Option<Login>, StoreError>;

    /// The name of the account that has this place alone. None: whoever is logged in has it.
    fn account(&self) -> Option<&str> {
        None
    }

    /// Whether writing takes no longer than a file does: nobody is asked.
    fn is_quick(&self) -> bool {
        true
    }

    /// Keeps other writers away until the guard is dropped, those of other processes among them. Waits for its turn,
    /// but no longer than `patience`.
    fn lock(&self, patience: Duration) -> Result<Box<dyn Locked + '_>, StoreError>;
}

/// The right to write.
pub trait Locked {
    /// What is kept.
    fn load(&self) -> Result<Option<Login>, StoreError>;

    /// Keeps a login in the place of what is there. When this returns, it survives a loss of power. What the place
    /// holds beside a login stays as it is.
    fn save(&self, login: &Login) -> Result<(), StoreError>;

    /// Forgets the login. Without one nothing is done.
    fn clear(&self) -> Result<(), StoreError>;
}
