//! The reference's `auth.json`.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use zeroize::Zeroizing;

use super::document::Document;
use super::file::PrivateFile;
use super::{CredentialStore, Locked, Login, StoreError, Tokens};
use crate::token::AccessToken;

const MODE: &str = "auth_mode";
const KEY: &str = "OPENAI_API_KEY";
const TOKENS: &str = "tokens";
const REFRESHED: &str = "last_refresh";

/// A file in the reference's format, with its lock: a home that both programs use has one login.
#[derive(Debug)]
pub struct CodexFile(PrivateFile);

impl CodexFile {
    /// The login of a home.
    pub fn of_home(home: &Path) -> Self {
        // The reference takes this lock before it writes.
        Self(PrivateFile::new(home.join("auth.json"), home.join("auth.lock")))
    }

    /// A file of that name, with a lock of its own.
    pub fn at(path: &Path) -> Self {
        Self(PrivateFile::new(path.to_owned(), path.with_extension("lock")))
    }
}

impl CredentialStore for CodexFile {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        let Some(text) = self.0.read()? else { return Ok(None) };
        let document = Document::parse(&text).map_err(|error| self.0.damaged(&error))?;
        let key = || document.get::<String>(KEY).map(|key| Login::ApiKey(AccessToken::new(key)));
        let tokens = || tokens(&document).map_err(|error| self.0.damaged(&error));
        // Older files have no mode. Then a key counts more than tokens.
        match document.get::<String>(MODE).as_deref() {
            Some("apikey") => Ok(key()),
            Some("chatgpt") => tokens(),
            Some(other) => Err(self.0.unsupported(other)),
            None => key().map_or_else(tokens, |key| Ok(Some(key))),
        }
    }

    fn lock(&self, patience: Duration) -> Result<Box<dyn Locked + '_>, StoreError> {
        Ok(Box::new(Guard { file: self, _lock: self.0.lock(patience)? }))
    }
}

struct Guard<'a> {
    file: &'a CodexFile,
    _lock: File,
}

impl Locked for Guard<'_> {
    fn load(&self) -> Result<Option<Login>, StoreError> {
        self.file.load()
    }

    fn save(&self, login: &Login) -> Result<(), StoreError> {
        self.file.0.edit(|document| match login {
            Login::ApiKey(key) => {
                document.set(MODE, &"apikey")?;
                document.set(KEY, &key.expose())?;
                document.remove(TOKENS);
                document.remove(REFRESHED);
                Ok(())
            }
            Login::Chatgpt(tokens) => {
                document.set(MODE, &"chatgpt")?;
                document.set(KEY, &())?;
                // What else the issuer's answer left there is kept.
                let old = document.raw(TOKENS).map(|text| Zeroizing::new(text.to_owned()));
                let mut members = old.as_ref().and_then(|text| Document::parse(text).ok()).unwrap_or_default();
                members.set("id_token", &tokens.id.expose())?;
                members.set("access_token", &tokens.access.expose())?;
                members.set("refresh_token", &tokens.refresh.expose())?;
                members.set("account_id", &tokens.account_id)?;
                document.set_raw(TOKENS, members.to_text(1));
                let issued = tokens.issued_at.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
                document.set(REFRESHED, &issued.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true)))
            }
        })
    }

    fn clear(&self) -> Result<(), StoreError> {
        // The reference removes the file.
        self.file.0.remove()
    }
}

fn tokens(document: &Document<'_>) -> serde_json::Result<Option<Login>> {
    let Some(text) = document.raw(TOKENS) else { return Ok(None) };
    let members = Document::parse(text)?;
    let secret = |name| members.get::<String>(name).filter(|text| !text.is_empty()).map(AccessToken::new);
    let (Some(access), Some(refresh)) = (secret("access_token"), secret("refresh_token")) else { return Ok(None) };
    let refreshed = document.get::<String>(REFRESHED);
    let refreshed = refreshed.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
    Ok(Some(Login::Chatgpt(Tokens {
        id: secret("id_token").unwrap_or_else(|| access.clone()),
        access,
        refresh,
        account_id: members.get("account_id"),
        issued_at: refreshed.map(|time| time.timestamp()),
    })))
}
