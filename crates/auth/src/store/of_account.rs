//! The login of one account, wherever it is: in the store of a home while it is used, and on the shelf while it waits.
//! Other processes move it at any time.

use std::sync::Arc;
use std::time::Duration;

use super::{CredentialStore, Locked, Login, Shelf, StoreError};

/// How often a login is looked for that somebody may be moving to and fro.
const LOOKS: usize = 4;

/// The login of one account of a home, by its [name](Login::name). It is read and written where it is. What is not
/// there any more is not put there again, and no other account's place is taken.
pub struct OfAccount {
    store: Arc<dyn CredentialStore>,
    shelf: Shelf,
    name: String,
}

impl OfAccount {
    /// The account of that name, in a store or on the shelf beside it.
    pub fn new(store: Arc<dyn CredentialStore>, shelf: Shelf, name: impl Into<String>) -> Self {
        Self { store, shelf, name: name.into() }
    }

    fn is_ours(&self, login: &Login) -> bool {
        login.name() == self.name
    }
}

impl CredentialStore for OfAccount {
    fn is_quick(&self) -> bool {
        self.store.is_quick()
    }

    fn account(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn load(&self) -> Result<Option<Login>, StoreError> {
        let in_store = || Ok::<_, StoreError>(self.store.load()?.filter(|login| self.is_ours(login)));
        // Whoever moves a login writes it first and takes it away then. So it is missed only while it comes back, and
        // found at the next look.
        for _ in 0..LOOKS {
            if let Ok(Some(login)) = in_store() {
                return Ok(Some(login));
            }
            if let Some(login) = self.shelf.get(&self.name)? {
                return Ok(Some(login));
            }
        }
        in_store()
    }

    fn lock(&self, patience: Duration) -> Result<Box<dyn Locked + '_>, StoreError> {
        Ok(Box::new(Guard { locked: self.store.lock(patience)?, place: self }))
    }
}

struct Guard<'a> {
    locked: Box<dyn Locked + 'a>,
    place: &'a OfAccount,
}

impl Guard<'_> {
    /// What is kept, if the account is the one that is used.
    fn in_store(&self) -> Result<Option<Login>, StoreError> {
        Ok(self.locked.load()?.filter(|login| self.place.is_ours(login)))
    }

    fn on_shelf(&self) -> Result<Option<Login>, StoreError> {
        self.place.shelf.get(&self.place.name)
    }

    fn gone(&self) -> StoreError {
        StoreError::Gone { name: self.place.name.clone() }
    }
}

impl Locked for Guard<'_> {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        // A store that cannot be read does not hide what is on the shelf.
        match self.in_store() {
            Ok(None) => self.on_shelf(),
            Err(error) => self.on_shelf()?.map(Some).ok_or(error),
            found => found,
        }
    }

    fn save(&self, login: &Login) -> Result<(), StoreError> {
        let kept = self.load()?.ok_or_else(|| self.gone())?;
        if !is_same(&kept, login) {
            return Err(self.gone());
        }
        if matches!(self.in_store(), Ok(Some(_))) {
            return self.locked.save(login);
        }
        self.place.shelf.put(login)?;
        // Its holder may have another mail address by now, and so the account another name.
        if self.place.is_ours(login) { Ok(()) } else { self.place.shelf.remove(&self.place.name) }
    }

    fn clear(&self) -> Result<(), StoreError> {
        if matches!(self.in_store(), Ok(Some(_))) {
            self.locked.clear()?;
        }
        // A crash may have left it in both places.
        self.place.shelf.remove(&self.place.name)
    }
}

/// Whether the two are logins of one account.
fn is_same(kept: &Login, new: &Login) -> bool {
    match (kept, new) {
        (Login::Chatgpt(kept), Login::Chatgpt(new)) if kept.account_id.is_some() => kept.account_id == new.account_id,
        _ => kept.name() == new.name(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use pretty_assertions::assert_eq;

    use super::OfAccount;
    use crate::store::shelf::tests::login;
    use crate::store::{CodexFile, CredentialStore, Login, Shelf, Shelving, StoreError};
    use crate::token::AccessToken;

    fn refresh(login: Option<Login>) -> String {
        match login {
            Some(Login::Chatgpt(tokens)) => tokens.refresh.expose().to_owned(),
            other => format!("{other:?}"),
        }
    }

    /// A home in which `a@b.c` is used and `c@d.e` waits.
    fn home() -> (tempfile::TempDir, Shelving) {
        let home = tempfile::tempdir().unwrap();
        let shelving = Shelving::new(Arc::new(CodexFile::of_home(home.path())), Shelf::of_home(home.path()));
        for login in [login("c@d.e", "acct-2", "rt-2"), login("a@b.c", "acct-1", "rt-1")] {
            save(&shelving, &login).unwrap();
        }
        (home, shelving)
    }

    fn save(store: &dyn CredentialStore, login: &Login) -> Result<(), StoreError> {
        store.lock(Duration::ZERO).unwrap().save(login)
    }

    fn account(home: &Path, name: &str) -> OfAccount {
        OfAccount::new(Arc::new(CodexFile::of_home(home)), Shelf::of_home(home), name)
    }

    #[test]
    fn an_account_is_read_and_written_where_it_is_and_found_again_when_it_was_moved() {
        let (home, shelving) = home();
        let [used, waits] = ["a@b.c_acct-1", "c@d.e_acct-2"].map(|name| account(home.path(), name));
        let places = || [&used, &waits].map(|place| refresh(place.load().unwrap()));
        assert_eq!(places(), ["rt-1", "rt-2"]);
        save(&used, &login("a@b.c", "acct-1", "rt-1b")).unwrap();
        save(&waits, &login("c@d.e", "acct-2", "rt-2b")).unwrap();
        assert_eq!(refresh(shelving.load().unwrap()), "rt-1b", "the one that is used stays that");
        assert_eq!(places(), ["rt-1b", "rt-2b"]);
        save(&shelving, &waits.load().unwrap().unwrap()).unwrap();
        assert_eq!(places(), ["rt-1b", "rt-2b"], "they have changed places");
        save(&used, &login("a@b.c", "acct-1", "rt-1c")).unwrap();
        save(&waits, &login("c@d.e", "acct-2", "rt-2c")).unwrap();
        assert_eq!(refresh(shelving.load().unwrap()), "rt-2c");
        assert_eq!(places(), ["rt-1c", "rt-2c"]);
        assert_eq!(Shelf::of_home(home.path()).names().unwrap(), ["a@b.c_acct-1"]);
    }

    #[test]
    fn nothing_is_lost_while_accounts_are_moved_and_renewed_at_once() {
        const ROUNDS: usize = 60;
        let (home, _) = home();
        let path = home.path();
        let renew = |name: &str, email: &str, workspace: &str| {
            let place = account(path, name);
            for round in 1..=ROUNDS {
                let locked = place.lock(Duration::from_secs(20)).unwrap();
                let kept = refresh(locked.load().unwrap());
                assert!(round == 1 || kept == format!("{name}-{}", round - 1), "{kept} in round {round}");
                locked.save(&login(email, workspace, &format!("{name}-{round}"))).unwrap();
                drop(locked);
                assert!(place.load().unwrap().is_some(), "it is always somewhere");
            }
        };
        let switch = || {
            let store = Shelving::new(Arc::new(CodexFile::of_home(path)), Shelf::of_home(path));
            for _ in 0..ROUNDS {
                let locked = store.lock(Duration::from_secs(20)).unwrap();
                let waiting = Shelf::of_home(path).names().unwrap();
                locked.save(&Shelf::of_home(path).get(&waiting[0]).unwrap().unwrap()).unwrap();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| renew("a@b.c_acct-1", "a@b.c", "acct-1"));
            scope.spawn(|| renew("c@d.e_acct-2", "c@d.e", "acct-2"));
            scope.spawn(switch);
        });
        for name in ["a@b.c_acct-1", "c@d.e_acct-2"] {
            assert_eq!(refresh(account(path, name).load().unwrap()), format!("{name}-{ROUNDS}"));
        }
        assert_eq!(Shelf::of_home(path).names().unwrap().len(), 1);
    }

    #[test]
    fn a_login_that_was_removed_is_not_put_back_by_whoever_renewed_it() {
        let (home, shelving) = home();
        let [used, waits] = ["a@b.c_acct-1", "c@d.e_acct-2"].map(|name| account(home.path(), name));
        Shelf::of_home(home.path()).remove("c@d.e_acct-2").unwrap();
        shelving.lock(Duration::ZERO).unwrap().clear().unwrap();
        for (place, late) in [(&used, login("a@b.c", "acct-1", "rt-1b")), (&waits, login("c@d.e", "acct-2", "rt-2b"))] {
            assert!(matches!(save(place, &late), Err(StoreError::Gone { .. })));
            assert_eq!(place.load().unwrap(), None);
        }
        assert_eq!((shelving.load().unwrap(), Shelf::of_home(home.path()).names().unwrap()), (None, Vec::new()));
    }

    #[test]
    fn no_account_takes_the_place_of_another_one() {
        let (home, shelving) = home();
        for name in ["a@b.c_acct-1", "c@d.e_acct-2"] {
            let place = account(home.path(), name);
            assert!(matches!(save(&place, &login("a@b.c", "acct-9", "rt-9")), Err(StoreError::Gone { .. })));
            assert!(matches!(save(&place, &Login::ApiKey(AccessToken::new("sk"))), Err(StoreError::Gone { .. })));
        }
        assert_eq!(refresh(shelving.load().unwrap()), "rt-1");
        assert_eq!(Shelf::of_home(home.path()).names().unwrap(), ["c@d.e_acct-2"]);
    }

    #[test]
    fn the_tokens_of_a_person_with_a_new_mail_address_are_kept_under_the_new_name() {
        let (home, shelving) = home();
        save(&account(home.path(), "a@b.c_acct-1"), &login("new@b.c", "acct-1", "rt-1b")).unwrap();
        save(&account(home.path(), "c@d.e_acct-2"), &login("new@d.e", "acct-2", "rt-2b")).unwrap();
        assert_eq!(shelving.load().unwrap().unwrap().name(), "new@b.c_acct-1");
        assert_eq!(Shelf::of_home(home.path()).names().unwrap(), ["new@d.e_acct-2"]);
    }

    #[test]
    fn a_store_that_cannot_be_read_does_not_hide_what_is_on_the_shelf() {
        let (home, _) = home();
        std::fs::write(home.path().join("auth.json"), "{").unwrap();
        let waits = account(home.path(), "c@d.e_acct-2");
        save(&waits, &login("c@d.e", "acct-2", "rt-2b")).unwrap();
        assert_eq!(refresh(waits.load().unwrap()), "rt-2b");
        assert!(account(home.path(), "a@b.c_acct-1").load().is_err(), "it is not taken for nobody");
    }

    #[test]
    fn forgetting_an_account_leaves_the_others() {
        let (home, shelving) = home();
        account(home.path(), "c@d.e_acct-2").lock(Duration::ZERO).unwrap().clear().unwrap();
        assert_eq!(Shelf::of_home(home.path()).names().unwrap(), [""; 0]);
        assert_eq!(refresh(shelving.load().unwrap()), "rt-1");
        account(home.path(), "a@b.c_acct-1").lock(Duration::ZERO).unwrap().clear().unwrap();
        assert_eq!(shelving.load().unwrap(), None);
    }
}
