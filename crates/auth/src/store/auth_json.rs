//! The format of the reference's `auth.json`, wherever the text is kept.

use chrono::{DateTime, SecondsFormat};
use zeroize::Zeroizing;

use super::document::Document;
use super::{Login, Tokens};
use crate::token::AccessToken;

const MODE: &str = "auth_mode";
const KEY: &str = "OPENAI_API_KEY";
const TOKENS: &str = "tokens";
const REFRESHED: &str = "last_refresh";

/// Why there is a text and no login is had of it.
pub(super) enum Unreadable {
    Damaged(serde_json::Error),
    /// A login of another kind.
    Kind(String),
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error)
    }
}

/// The login in a text.
pub(super) fn read(text: &str) -> Result<Option<Login>, Unreadable> {
    let document = Document::parse(text)?;
    let key = || document.get::<String>(KEY).map(|key| Login::ApiKey(AccessToken::new(key)));
    let tokens = || Ok(tokens(&document)?.map(Login::Chatgpt));
    // Older files have no mode. Then a key counts more than tokens.
    match document.get::<String>(MODE).as_deref() {
        Some("apikey") => Ok(key()),
        Some("chatgpt") => tokens(),
        Some(other) => Err(Unreadable::Kind(other.to_owned())),
        None => key().map_or_else(tokens, |key| Ok(Some(key))),
    }
}

/// Puts a login in the place of the one that is there.
pub(super) fn write(document: &mut Document<'_>, login: &Login) -> serde_json::Result<()> {
    match login {
        Login::ApiKey(key) => {
            document.set(MODE, &"apikey")?;
            document.set(KEY, &key.expose())?;
            document.remove(TOKENS);
            document.remove(REFRESHED);
            Ok(())
        }
        Login::Chatgpt(new) => {
            // What else is told of the tokens is kept with an account, and goes with it.
            let old = tokens(document).ok().flatten();
            let same = old.is_some_and(|old| old.account_id == new.account_id);
            let old = document.raw(TOKENS).filter(|_| same).map(|text| Zeroizing::new(text.to_owned()));
            let mut members = old.as_ref().and_then(|text| Document::parse(text).ok()).unwrap_or_default();
            members.set("id_token", &new.id.expose())?;
            members.set("access_token", &new.access.expose())?;
            members.set("refresh_token", &new.refresh.expose())?;
            members.set("account_id", &new.account_id)?;
            document.set(MODE, &"chatgpt")?;
            document.set(KEY, &())?;
            document.set_raw(TOKENS, members.to_text(1));
            let issued = new.issued_at.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
            document.set(REFRESHED, &issued.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true)))
        }
    }
}

fn tokens(document: &Document<'_>) -> serde_json::Result<Option<Tokens>> {
    let Some(text) = document.raw(TOKENS) else { return Ok(None) };
    let members = Document::parse(text)?;
    let secret = |name| members.get::<String>(name).filter(|text| !text.is_empty()).map(AccessToken::new);
    let (Some(access), Some(refresh)) = (secret("access_token"), secret("refresh_token")) else { return Ok(None) };
    let refreshed = document.get::<String>(REFRESHED);
    let refreshed = refreshed.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
    let id = secret("id_token").unwrap_or_else(|| access.clone());
    let account_id = members.get("account_id");
    Ok(Some(Tokens::kept(id, access, refresh, account_id, refreshed.map(|time| time.timestamp()))))
}
