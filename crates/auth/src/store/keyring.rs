//! The keyring of the system, under the name and in the format of the reference.

use std::fs::File;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::auth_json::{self, Unreadable};
use super::document::Document;
use super::file::PrivateFile;
use super::{CodexFile, CredentialStore, Locked, Login, StoreError};

const SERVICE: &str = "Codex Auth";
/// How an error names the place.
const PLACE: &str = "the entry of the keyring";

/// The login of a home, in the keyring: what `auth.json` would hold.
pub struct Keyring {
    user: String,
    /// Asked for with the first use: that connects to a service.
    entry: OnceLock<Result<Entry, String>>,
    /// A keyring has no lock. This one is that of `auth.json`, which the reference takes for both.
    lock: PrivateFile,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Keyring {
    /// The login of a home.
    pub fn of_home(home: &Path) -> Self {
        let lock = CodexFile::file_of(home);
        Self { user: user(home), entry: OnceLock::new(), lock }
    }

    fn entry(&self) -> Result<&Entry, StoreError> {
        let open = || match Entry::store_status() {
            Ok(()) => Entry::new(SERVICE, &self.user).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        self.entry.get_or_init(open).as_ref().map_err(|error| StoreError::Keyring(error.clone()))
    }

    /// Whether there is a keyring at all, locked or not.
    pub(super) fn is_there(&self) -> bool {
        self.entry().is_ok()
    }

    fn read(&self) -> Result<Option<Zeroizing<String>>, StoreError> {
        match self.entry()?.get_password() {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// To be called with the lock.
    pub(super) fn save(&self, login: &Login) -> Result<(), StoreError> {
        let text = self.read()?.unwrap_or_else(|| Zeroizing::new("{}".to_owned()));
        let mut document = Document::parse(&text).map_err(|error| damaged(&error))?;
        auth_json::write(&mut document, login).map_err(|error| damaged(&error))?;
        self.entry()?.set_password(&document.to_text(0)).map_err(|error| failed(&error))
    }

    /// To be called with the lock.
    pub(super) fn clear(&self) -> Result<(), StoreError> {
        match self.entry()?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// `cli|` and the first 16 hexadecimal digits of the path's SHA-256.
fn user(home: &Path) -> String {
    let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
    let digest = digest(&SHA256, home.to_string_lossy().as_bytes());
    digest.as_ref().iter().take(8).fold("cli|".to_owned(), |user, byte| format!("{user}{byte:02x}"))
}

fn failed(error: &Error) -> StoreError {
    StoreError::Keyring(error.to_string())
}

fn damaged(error: &serde_json::Error) -> StoreError {
    StoreError::Damaged { path: PLACE.to_owned(), line: error.line(), column: error.column() }
}

impl CredentialStore for Keyring {
    fn is_quick(&self) -> bool {
        // The person may have to unlock it.
        false
    }

    fn load(&self) -> Result<Option<Login>, StoreError> {
        let Some(text) = self.read()? else { return Ok(None) };
        auth_json::read(&text).map_err(|error| match error {
            Unreadable::Damaged(error) => damaged(&error),
            Unreadable::Kind(kind) => StoreError::Unsupported { path: PLACE.to_owned(), kind },
        })
    }

    fn lock(&self, patience: Duration) -> Result<Box<dyn Locked + '_>, StoreError> {
        Ok(Box::new(Guard { keyring: self, _lock: self.lock.lock(patience)? }))
    }
}

struct Guard<'a> {
    keyring: &'a Keyring,
    _lock: File,
}

impl Locked for Guard<'_> {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        self.keyring.load()
    }

    fn save(&self, login: &Login) -> Result<(), StoreError> {
        self.keyring.save(login)
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.keyring.clear()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use keyring_core::api::CredentialStoreApi;
    use keyring_core::mock::{Cred, Store};
    use pretty_assertions::assert_eq;

    use super::{Entry, Keyring, SERVICE, user};

    impl Keyring {
        /// One that is kept in memory, as long as this lives.
        pub(in crate::store) fn in_memory(home: &Path) -> Self {
            let keyring = Self::of_home(home);
            let store: Arc<Store> = Store::new().unwrap();
            let inner = store.build(SERVICE, &keyring.user, None).unwrap();
            assert!(keyring.entry.set(Ok(Entry { inner })).is_ok());
            keyring
        }

        /// The next use fails.
        pub(in crate::store) fn fail_once(&self) {
            let entry = self.entry().unwrap();
            let credential = entry.inner.as_any().downcast_ref::<Cred>().unwrap();
            credential.set_error(keyring_core::Error::NoStorageAccess("it is locked".into()));
        }

        /// What an outsider finds in the entry.
        pub(in crate::store) fn text(&self) -> Option<String> {
            self.read().unwrap().map(|text| text.to_string())
        }
    }

    #[test]
    fn a_home_has_the_name_that_the_reference_gives_it() {
        // `printf /nowhere/home | sha256sum`
        assert_eq!(user(Path::new("/nowhere/home")), "cli|f69618999ac20279");
    }
}
