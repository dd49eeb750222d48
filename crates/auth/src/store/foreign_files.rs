//! Files as other programs write them: `codex` 0.169 after a login with a key and one with a device, `opencode` 1.18
//! after its server was handed four logins. The tokens are the sim's, or nobody's.
#![cfg(test)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use pretty_assertions::assert_eq;
use tempfile::TempDir;

use super::{CodexFile, CredentialStore, Login, OpencodeFile, Tokens};
use crate::claims::Claims;
use crate::token::AccessToken;

const CODEX_KEY: &str = include_str!("../../tests/files/codex_api_key.json");
const CODEX_CHATGPT: &str = include_str!("../../tests/files/codex_chatgpt.json");
const OPENCODE: &str = include_str!("../../tests/files/opencode.json");

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn tokens(store: &dyn CredentialStore) -> Tokens {
    match store.load().unwrap() {
        Some(Login::Chatgpt(tokens)) => tokens,
        other => panic!("a login of ChatGPT, and not {other:?}"),
    }
}

/// What the file is after a login was kept in it.
fn after(store: &dyn CredentialStore, path: &Path, login: &Login) -> String {
    store.lock(Duration::ZERO).unwrap().save(login).unwrap();
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_files_of_the_reference_are_read_and_written_as_they_were() {
    let (_folder, path) = file(CODEX_KEY);
    let store = CodexFile::at(&path);
    let login = store.load().unwrap().unwrap();
    assert!(login == Login::ApiKey(AccessToken::new("sk-fixture-1")));
    assert_eq!(after(&store, &path, &login).trim_end(), CODEX_KEY);

    let (_folder, path) = file(CODEX_CHATGPT);
    let store = CodexFile::at(&path);
    let kept = tokens(&store);
    let claims = Claims::of(kept.id.expose()).unwrap();
    assert_eq!((kept.account_id.as_deref(), claims.plan.as_deref()), (Some("acct-2"), Some("team")));
    assert_eq!((kept.issued_at, kept.expires_at()), (Some(1_795_305_561), Some(1_795_309_161)));
    let written = after(&store, &path, &Login::Chatgpt(kept));
    // The time is kept in whole seconds.
    assert_eq!(written.trim_end(), CODEX_CHATGPT.replace("21.969243581Z", "21Z"));
}

#[test]
fn a_rotation_changes_the_tokens_in_the_files_and_nothing_else() {
    let renewed = |old: &Tokens| {
        let new = |text: &str| AccessToken::new(text);
        Login::Chatgpt(Tokens { access: new("new-access"), refresh: new("new-refresh"), ..old.clone() })
    };
    let (_folder, path) = file(CODEX_CHATGPT);
    let store = CodexFile::at(&path);
    let old = tokens(&store);
    let expected = CODEX_CHATGPT
        .replace(old.access.expose(), "new-access")
        .replace(old.refresh.expose(), "new-refresh")
        .replace("21.969243581Z", "21Z");
    assert_eq!(after(&store, &path, &renewed(&old)).trim_end(), expected);

    let (_folder, path) = file(OPENCODE);
    let store = OpencodeFile::at(path.clone());
    let old = tokens(&store);
    assert_eq!(old.account_id.as_deref(), Some("acct-2"));
    let expected = OPENCODE
        .replace(old.access.expose(), "new-access")
        .replace("rt_opencode", "new-refresh")
        // This token does not say.
        .replace("1795309161000", "0");
    assert_eq!(after(&store, &path, &renewed(&old)).trim_end(), expected);
}

#[test]
fn a_logout_takes_one_entry_out_of_the_file_of_opencode() {
    let (_folder, path) = file(OPENCODE);
    OpencodeFile::at(path.clone()).lock(Duration::ZERO).unwrap().clear().unwrap();
    let left = std::fs::read_to_string(&path).unwrap();
    let (start, end) = (OPENCODE.find("  \"openai\"").unwrap(), OPENCODE.find("  \"anthropic\"").unwrap());
    assert_eq!(left.trim_end(), format!("{}{}", &OPENCODE[..start], &OPENCODE[end..]));
}
