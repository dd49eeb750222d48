//! One provider's entry in opencode's `auth.json`, which holds those of others, too.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::document::Document;
use super::file::PrivateFile;
use super::{CredentialStore, Locked, Login, StoreError, Tokens};
use crate::token::AccessToken;

/// Under which opencode keeps the login of ChatGPT.
const PROVIDER: &str = "openai";

/// The entry of `openai` in a file of opencode's. The lock keeps other hosts away; opencode takes none.
#[derive(Debug)]
pub struct OpencodeFile(PrivateFile);

impl OpencodeFile {
    /// The file of that name.
    pub fn at(path: PathBuf) -> Self {
        let lock = path.with_extension("lock");
        Self(PrivateFile::new(path, lock))
    }
}

impl CredentialStore for OpencodeFile {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        let Some(text) = self.0.read()? else { return Ok(None) };
        let document = Document::parse(&text).map_err(|error| self.0.damaged(&error))?;
        let Some(entry) = document.raw(PROVIDER) else { return Ok(None) };
        let entry = Document::parse(entry).map_err(|error| self.0.damaged(&error))?;
        match entry.get::<String>("type").as_deref() {
            Some("api" | "oauth") => Ok(login(&entry)),
            other => Err(self.0.unsupported(other.unwrap_or("none"))),
        }
    }

    fn lock(&self, patience: Duration) -> Result<Box<dyn Locked + '_>, StoreError> {
        Ok(Box::new(Guard { file: self, _lock: self.0.lock(patience)? }))
    }
}

struct Guard<'a> {
    file: &'a OpencodeFile,
    _lock: File,
}

impl Locked for Guard<'_> {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        self.file.load()
    }

    fn save(&self, login: &Login) -> Result<(), StoreError> {
        self.file.0.edit(|document| {
            let old = document.raw(PROVIDER).map(|text| Zeroizing::new(text.to_owned()));
            let kept = old.as_ref().and_then(|text| Document::parse(text).ok());
            // What else is told of a login is kept with its account, and goes with it.
            let same = |entry: &Document<'_>| match (self::login(entry), login) {
                (Some(Login::Chatgpt(old)), Login::Chatgpt(new)) => old.account_id == new.account_id,
                (Some(Login::ApiKey(_)), Login::ApiKey(_)) => true,
                _ => false,
            };
            let mut entry = kept.filter(same).unwrap_or_default();
            entry.set("type", &if matches!(login, Login::ApiKey(_)) { "api" } else { "oauth" })?;
            match login {
                Login::ApiKey(key) => entry.set("key", &key.expose())?,
                Login::Chatgpt(tokens) => {
                    entry.set("refresh", &tokens.refresh.expose())?;
                    entry.set("access", &tokens.access.expose())?;
                    // Milliseconds. Without a word of the token's, opencode takes it for expired and renews it.
                    entry.set("expires", &(tokens.expires_at().unwrap_or_default() * 1_000))?;
                    if let Some(account_id) = &tokens.account_id {
                        entry.set("accountId", account_id)?;
                    }
                }
            }
            document.set_raw(PROVIDER, entry.to_text(1));
            Ok(())
        })
    }

    fn clear(&self) -> Result<(), StoreError> {
        match self.file.0.read()? {
            None => Ok(()),
            Some(_) => self.file.0.edit(|document| {
                document.remove(PROVIDER);
                Ok(())
            }),
        }
    }
}

/// The login in an entry; none where a member is missing.
fn login(entry: &Document<'_>) -> Option<Login> {
    let secret = |name| entry.get::<String>(name).filter(|text| !text.is_empty()).map(AccessToken::new);
    match entry.get::<String>("type")?.as_str() {
        "api" => secret("key").map(Login::ApiKey),
        "oauth" => {
            let (access, refresh) = secret("access").zip(secret("refresh"))?;
            Some(Login::Chatgpt(Tokens::kept(access.clone(), access, refresh, entry.get("accountId"), None)))
        }
        _ => None,
    }
}
