//! The keyring where there is one, else the file: `cli_auth_credentials_store = "auto"`.

use std::cell::Cell;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use super::{CodexFile, CredentialStore, Keyring, Locked, Login, StoreError};

/// The login of a home, in the keyring if that works, and in `auth.json` if not. A login is in one of them: whoever
/// writes to the keyring takes the file away.
#[derive(Debug)]
pub struct KeyringOrFile {
    keyring: Keyring,
    file: CodexFile,
}

/// Whether it was said that the keyring is not used: once in a process.
static TOLD: Once = Once::new();

impl KeyringOrFile {
    /// The login of a home.
    pub fn of_home(home: &Path) -> Self {
        Self::of(Keyring::of_home(home), home)
    }

    fn of(keyring: Keyring, home: &Path) -> Self {
        Self { keyring, file: CodexFile::of_home(home) }
    }

    fn tell(error: &StoreError) {
        TOLD.call_once(|| tracing::warn!(%error, "the keyring is not used; the login is kept in auth.json"));
    }
}

impl CredentialStore for KeyringOrFile {
    fn is_quick(&self) -> bool {
        self.keyring.is_quick()
    }

    fn load(&self) -> Result<Option<Login>, StoreError> {
        match self.keyring.load() {
            Ok(Some(login)) => return Ok(Some(login)),
            Ok(None) => {}
            Err(error) => Self::tell(&error),
        }
        self.file.load()
    }

    fn lock(&self, patience: Duration) -> Result<Box<dyn Locked + '_>, StoreError> {
        // The lock of the file is that of the keyring, too.
        Ok(Box::new(Guard { store: self, file: self.file.lock(patience)?, in_keyring: Cell::new(false) }))
    }
}

struct Guard<'a> {
    store: &'a KeyringOrFile,
    file: Box<dyn Locked + 'a>,
    /// Whether the keyring is known to hold a login.
    in_keyring: Cell<bool>,
}

impl Guard<'_> {
    /// Whether the keyring holds a login, or may hold one that it does not show now. Of who has one in the file it is
    /// known that the keyring had none to begin with.
    fn may_be_in_keyring(&self) -> bool {
        let in_file = || self.file.load().is_ok_and(|login| login.is_some());
        self.in_keyring.get()
            || match self.store.keyring.load() {
                Ok(login) => login.is_some(),
                Err(_) => self.store.keyring.is_there() && !in_file(),
            }
    }
}

impl Locked for Guard<'_> {
    /// Who writes must know what is there: a keyring that is locked for the moment may hold a login.
    fn load(&self) -> Result<Option<Login>, StoreError> {
        let in_keyring = match self.store.keyring.load() {
            Ok(Some(login)) => {
                self.in_keyring.set(true);
                return Ok(Some(login));
            }
            found => found,
        };
        match (self.file.load()?, in_keyring) {
            (None, Err(error @ StoreError::Keyring(_))) if self.store.keyring.is_there() => Err(error),
            (in_file, _) => Ok(in_file),
        }
    }

    fn save(&self, login: &Login) -> Result<(), StoreError> {
        match self.store.keyring.save(login) {
            Ok(()) => {
                self.in_keyring.set(true);
                self.file.clear()
            }
            // An older login there would be found first, once the keyring is back.
            Err(error) if self.may_be_in_keyring() => Err(error),
            Err(error) => {
                KeyringOrFile::tell(&error);
                self.file.save(login)
            }
        }
    }

    fn clear(&self) -> Result<(), StoreError> {
        let in_file = self.file.load().is_ok_and(|login| login.is_some());
        self.file.clear()?;
        match self.store.keyring.clear() {
            // It may hold a login, and that would come back.
            Err(error @ StoreError::Keyring(_)) if !in_file => Err(error),
            Err(error) => {
                KeyringOrFile::tell(&error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

#[cfg(all(test, feature = "keyring"))]
pub(super) mod tests {
    use std::path::Path;
    use std::time::Duration;

    use pretty_assertions::assert_eq;

    use super::{Keyring, KeyringOrFile};
    use crate::store::{CredentialStore, Login, StoreError};
    use crate::token::AccessToken;

    pub(in crate::store) fn in_memory(home: &Path) -> KeyringOrFile {
        KeyringOrFile::of(Keyring::in_memory(home), home)
    }

    fn key(text: &str) -> Login {
        Login::ApiKey(AccessToken::new(text))
    }

    #[test]
    fn a_login_is_in_the_keyring_and_while_that_fails_in_the_file() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("auth.json");
        let store = in_memory(home.path());
        store.keyring.fail_once();
        store.lock(Duration::ZERO).unwrap().save(&key("sk-1")).unwrap();
        assert!(file.exists() && store.keyring.text().is_none());
        assert_eq!(store.load().unwrap(), Some(key("sk-1")));
        store.lock(Duration::ZERO).unwrap().save(&key("sk-2")).unwrap();
        assert!(!file.exists(), "an old login is not left behind");
        assert_eq!(store.load().unwrap(), Some(key("sk-2")));
        store.keyring.fail_once();
        assert!(store.lock(Duration::ZERO).unwrap().clear().is_err(), "nobody is told that it is gone while it is not");
        store.lock(Duration::ZERO).unwrap().clear().unwrap();
        assert_eq!((store.load().unwrap(), store.keyring.text()), (None, None));
    }

    #[test]
    fn a_login_in_a_keyring_that_fails_for_a_moment_is_not_left_behind_there() {
        let home = tempfile::tempdir().unwrap();
        let store = in_memory(home.path());
        let save = |text| store.lock(Duration::ZERO).unwrap().save(&key(text));
        save("sk-1").unwrap();
        store.keyring.fail_once();
        assert!(matches!(save("sk-2"), Err(StoreError::Keyring(_))), "a reader would go on to find the old one");
        assert!(!home.path().join("auth.json").exists());
        save("sk-2").unwrap();
        assert_eq!(store.load().unwrap(), Some(key("sk-2")));
    }

    #[test]
    fn a_keyring_that_fails_for_a_moment_is_not_taken_for_one_without_a_login() {
        let home = tempfile::tempdir().unwrap();
        let store = in_memory(home.path());
        let locked = store.lock(Duration::ZERO).unwrap();
        locked.save(&key("sk-1")).unwrap();
        store.keyring.fail_once();
        assert!(matches!(locked.load(), Err(StoreError::Keyring(_))));
        assert_eq!(locked.load().unwrap(), Some(key("sk-1")));
    }
}
