//! Logins that wait for their turn: a folder with a file for each, and a store that puts a login there when another
//! account takes its place.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{CodexFile, CredentialStore, Locked, Login, StoreError};
use crate::claims::Claims;
use crate::token::AccessToken;

const SUFFIX: &str = ".json";
/// Others write to the folder for moments only.
const PATIENCE: Duration = Duration::from_secs(5);

/// A folder of logins, each in the reference's format. Whoever changes something in it holds the lock of the store
/// beside it, so that a login, whose refresh token is good for one use, is never in both.
#[derive(Clone, Debug)]
pub struct Shelf(PathBuf);

impl Shelf {
    /// What it is called in a home.
    pub const NAME: &str = "accounts";

    /// The shelf of a home.
    pub fn of_home(home: &Path) -> Self {
        Self(home.join(Self::NAME))
    }

    /// The names of the logins, in order.
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        let failed = |error| StoreError::Io { path: self.0.display().to_string(), error };
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(failed)?.file_name();
            names.extend(file.to_str().and_then(|file| file.strip_suffix(SUFFIX)).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The same behind the name of the login that is used. One that a crash has left in both places is that one.
    pub fn names_after(&self, used: Option<&str>) -> Result<Vec<String>, StoreError> {
        let mut names = self.names()?;
        names.retain(|name| Some(name.as_str()) != used);
        names.splice(0..0, used.map(str::to_owned));
        Ok(names)
    }

    /// The login of that name.
    pub fn get(&self, name: &str) -> Result<Option<Login>, StoreError> {
        self.file(name).load()
    }

    /// Keeps a login, in the place of an older one of the same account.
    pub fn put(&self, login: &Login) -> Result<(), StoreError> {
        make_private(&self.0).map_err(|error| StoreError::Io { path: self.0.display().to_string(), error })?;
        self.file(&login.name()).lock(PATIENCE)?.save(login)
    }

    /// Forgets the login of that name.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        if self.0.is_dir() { self.file(name).lock(PATIENCE)?.clear() } else { Ok(()) }
    }

    fn file(&self, name: &str) -> CodexFile {
        CodexFile::with_lock(self.0.join(format!("{name}{SUFFIX}")), self.0.join(".lock"))
    }
}

/// Makes a folder and those above it, for nobody else to look into: the names of the files tell who somebody is.
///
/// # Errors
///
/// It is not there, and cannot be made.
pub fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

impl Login {
    /// The same for every login of one account, and good for the name of a file: mail address and workspace, or a
    /// few digits that tell one API key from another.
    pub fn name(&self) -> String {
        match self {
            Self::ApiKey(key) => format!("api-key-{}", key.fingerprint()),
            Self::Chatgpt(tokens) => {
                let claims = |token: &AccessToken| Claims::of(token.expose()).unwrap_or_default();
                let (id, access) = (claims(&tokens.id), claims(&tokens.access));
                let person = id.email.or(access.email).or(id.user_id).or(access.user_id);
                let parts = [person, tokens.account_id.clone()].into_iter().flatten();
                let name = parts.collect::<Vec<_>>().join("_");
                let plain = |c: char| c.is_alphanumeric() || "@+-_.".contains(c);
                let name: String = name.chars().map(|c| if plain(c) { c } else { '-' }).collect();
                // Not a hidden file, and not a way out of the folder.
                let name = name.trim_start_matches('.');
                if name.is_empty() { "chatgpt".to_owned() } else { name.to_owned() }
            }
        }
    }
}

/// A store and the shelf beside it.
pub struct Shelving {
    store: Arc<dyn CredentialStore>,
    shelf: Shelf,
}

impl Shelving {
    /// Puts what a login takes the place of onto the shelf.
    pub fn new(store: Arc<dyn CredentialStore>, shelf: Shelf) -> Self {
        Self { store, shelf }
    }
}

impl CredentialStore for Shelving {
    fn is_quick(&self) -> bool {
        self.store.is_quick()
    }

    fn load(&self) -> Result<Option<Login>, StoreError> {
        self.store.load()
    }

    fn lock(&self, patience: Duration) -> Result<Box<dyn Locked + '_>, StoreError> {
        Ok(Box::new(Guard { locked: self.store.lock(patience)?, shelf: &self.shelf }))
    }
}

struct Guard<'a> {
    locked: Box<dyn Locked + 'a>,
    shelf: &'a Shelf,
}

impl Locked for Guard<'_> {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        self.locked.load()
    }

    fn save(&self, login: &Login) -> Result<(), StoreError> {
        let name = login.name();
        // One that cannot be read is not lost here: the store says what becomes of it.
        if let Some(old) = self.load().ok().flatten().filter(|old| old.name() != name) {
            self.shelf.put(&old)?;
        }
        self.locked.save(login)?;
        if let Err(error) = self.shelf.remove(&name) {
            tracing::warn!(%error, "an older login of the account stays behind");
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.locked.clear()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use pretty_assertions::assert_eq;

    use super::{CodexFile, CredentialStore, Login, Shelf, Shelving};
    use crate::claims::tests::jwt;
    use crate::store::Tokens;
    use crate::token::AccessToken;

    pub(in crate::store) fn login(email: &str, account: &str, refresh: &str) -> Login {
        let payload =
            format!(r#"{{"email":"{email}","https://api.openai.com/auth":{{"chatgpt_account_id":"{account}"}}}}"#);
        let token = AccessToken::new(jwt(&payload));
        Login::Chatgpt(Tokens::issued(token.clone(), token, AccessToken::new(refresh), 1))
    }

    fn shelving(home: &Path) -> (Shelving, Shelf) {
        let shelf = Shelf::of_home(home);
        (Shelving::new(Arc::new(CodexFile::of_home(home)), shelf.clone()), shelf)
    }

    #[test]
    fn an_account_is_put_aside_for_another_one_and_is_never_in_two_places() {
        let home = tempfile::tempdir().unwrap();
        let (store, shelf) = shelving(home.path());
        let save = |login: &Login| store.lock(Duration::ZERO).unwrap().save(login).unwrap();
        let [one, two] = [login("a@b.c", "acct-1", "rt-1"), login("a@b.c", "acct-2", "rt-2")];
        save(&one);
        save(&login("a@b.c", "acct-1", "rt-1b"));
        assert_eq!(shelf.names().unwrap(), [""; 0], "a newer login of the same account takes its place");
        save(&two);
        assert_eq!(shelf.names().unwrap(), ["a@b.c_acct-1"]);
        let aside = shelf.get("a@b.c_acct-1").unwrap().unwrap();
        assert!(matches!(&aside, Login::Chatgpt(tokens) if tokens.refresh.expose() == "rt-1b"));
        save(&aside);
        assert_eq!(shelf.names().unwrap(), ["a@b.c_acct-2"]);
        assert_eq!(store.load().unwrap().unwrap().name(), "a@b.c_acct-1");
        shelf.remove("a@b.c_acct-2").unwrap();
        assert_eq!(shelf.names().unwrap(), [""; 0]);
    }

    #[test]
    fn a_name_tells_keys_apart_holds_no_secret_and_leads_out_of_no_folder() {
        let [one, two] = ["sk-1", "sk-2"].map(|key| Login::ApiKey(AccessToken::new(key)).name());
        assert!(one != two && one.starts_with("api-key-") && one.len() == 16, "{one} {two}");
        assert_eq!(login("../../etc/a b", "x/y", "r").name(), "-..-etc-a-b_x-y");
        assert_eq!(login("..", "", "r").name(), "_");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_sees_what_is_on_the_shelf() {
        use std::os::unix::fs::PermissionsExt;

        let home = tempfile::tempdir().unwrap();
        let (_, shelf) = shelving(home.path());
        shelf.put(&login("a@b.c", "acct-1", "rt-1")).unwrap();
        let mode = |path: &str| home.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("accounts"), mode("accounts/a@b.c_acct-1.json")), (0o700, 0o600));
    }
}
