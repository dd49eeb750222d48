//! What every store must do, as tests. Each store runs all of them.
#![cfg(test)]

use std::path::PathBuf;
use std::time::Duration;

use pretty_assertions::assert_eq;

#[cfg(not(feature = "keyring"))]
use super::KeyringOrFile;
use super::{CodexFile, CredentialStore, Login, Memory, OpencodeFile, Shelf, Shelving, StoreError, Tokens};
#[cfg(feature = "keyring")]
use super::{Keyring, keyring_or_file};
use crate::claims::tests::jwt;
use crate::token::AccessToken;

const AT_ONCE: Duration = Duration::ZERO;

fn key(text: &str) -> Login {
    Login::ApiKey(AccessToken::new(text))
}

/// A login as it comes from the issuer.
fn chatgpt(refresh: &str) -> Login {
    let access = jwt(r#"{"exp":2000000000,"https://api.openai.com/auth":{"chatgpt_account_id":"acct-1"}}"#);
    let access = AccessToken::new(access);
    Login::Chatgpt(Tokens::issued(access.clone(), access, AccessToken::new(refresh), 1_700_000_000))
}

fn refresh_of(login: Option<Login>) -> Option<String> {
    match login? {
        Login::Chatgpt(tokens) => Some(tokens.refresh.expose().to_owned()),
        Login::ApiKey(_) => None,
    }
}

fn save(store: &dyn CredentialStore, login: &Login) {
    store.lock(AT_ONCE).unwrap().save(login).unwrap();
}

/// What is in a new store, as it is read back.
fn kept(store: &dyn CredentialStore) -> Option<Login> {
    let loaded = store.load().unwrap();
    assert_eq!(store.lock(AT_ONCE).unwrap().load().unwrap(), loaded);
    loaded
}

fn a_new_store_holds_nobody(store: &dyn CredentialStore) {
    assert_eq!(kept(store), None);
    store.lock(AT_ONCE).unwrap().clear().unwrap();
    assert_eq!(kept(store), None);
}

fn a_login_is_read_as_it_was_kept(store: &dyn CredentialStore) {
    save(store, &key("sk-1"));
    assert_eq!(kept(store), Some(key("sk-1")));
    save(store, &chatgpt("rt-1"));
    let Some(Login::Chatgpt(tokens)) = kept(store) else { panic!("a login of ChatGPT") };
    assert_eq!(tokens.account_id.as_deref(), Some("acct-1"));
    assert_eq!(tokens.expires_at(), Some(2_000_000_000));
    let Login::Chatgpt(given) = chatgpt("rt-1") else { unreachable!() };
    assert!(tokens.access == given.access && tokens.id == given.id && tokens.refresh == given.refresh);
}

fn the_last_login_counts(store: &dyn CredentialStore) {
    for refresh in ["rt-1", "rt-2", "rt-3"] {
        save(store, &chatgpt(refresh));
        assert_eq!(refresh_of(kept(store)).as_deref(), Some(refresh));
    }
    save(store, &key("sk-1"));
    assert_eq!(kept(store), Some(key("sk-1")));
}

fn what_was_cleared_is_gone(store: &dyn CredentialStore) {
    save(store, &chatgpt("rt-1"));
    store.lock(AT_ONCE).unwrap().clear().unwrap();
    assert_eq!(kept(store), None);
}

fn one_writes_at_a_time(store: &dyn CredentialStore) {
    save(store, &chatgpt("0"));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let locked = store.lock(Duration::from_secs(20)).unwrap();
                    let count: u32 = refresh_of(locked.load().unwrap()).unwrap().parse().unwrap();
                    locked.save(&chatgpt(&(count + 1).to_string())).unwrap();
                }
            });
        }
        // A reader never meets half a file, and never an old one after a new one.
        scope.spawn(|| {
            let mut last = 0;
            while last < 80 {
                let count: u32 = refresh_of(store.load().unwrap()).unwrap().parse().unwrap();
                assert!(count >= last, "{count} after {last}");
                last = count;
            }
        });
    });
    assert_eq!(refresh_of(kept(store)).as_deref(), Some("80"));
}

macro_rules! contract {
    ($($(#[$meta:meta])* $store:ident($make:expr): $($rule:ident)*;)*) => {
        $(
            $(#[$meta])*
            mod $store {
                $(
                    #[test]
                    fn $rule() {
                        let folder = tempfile::tempdir().unwrap();
                        let make: fn(&std::path::Path) -> Box<dyn super::CredentialStore> = $make;
                        super::$rule(&*make(folder.path()));
                    }
                )*
            }
        )*
    };
    ($($(#[$meta:meta])* $store:ident: $make:expr;)*) => {
        contract! {
            $($(#[$meta])* $store($make):
                a_new_store_holds_nobody
                a_login_is_read_as_it_was_kept
                the_last_login_counts
                what_was_cleared_is_gone
                one_writes_at_a_time;)*
        }
    };
}

contract! {
    the_file_of_the_reference: |folder| Box::new(super::CodexFile::of_home(folder));
    the_file_of_opencode: |folder| Box::new(super::OpencodeFile::at(folder.join("auth.json")));
    memory: |_| Box::new(super::Memory::default());
    #[cfg(not(feature = "keyring"))]
    the_file_where_there_is_no_keyring: |folder| Box::new(super::KeyringOrFile::of_home(folder));
    a_store_with_a_shelf: |folder| {
        let store = std::sync::Arc::new(super::CodexFile::of_home(folder));
        Box::new(super::Shelving::new(store, super::Shelf::of_home(folder)))
    };
    #[cfg(feature = "keyring")]
    a_keyring_in_memory: |folder| Box::new(super::Keyring::in_memory(folder));
    #[cfg(feature = "keyring")]
    a_keyring_with_a_file: |folder| Box::new(super::keyring_or_file::tests::in_memory(folder));
}

/// A file that others wrote, as it is after a login, and as it is after a logout.
fn edited(name: &str, text: &str, store: fn(&std::path::Path) -> Box<dyn CredentialStore>) -> [Option<String>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let store = store(folder.path());
    save(&*store, &key("sk-new"));
    let after_login = std::fs::read_to_string(&path).ok();
    store.lock(AT_ONCE).unwrap().clear().unwrap();
    [after_login, std::fs::read_to_string(&path).ok()]
}

#[test]
fn members_that_are_not_ours_stay_byte_for_byte() {
    let text = r#"{"bedrock_api_key": [1.50, {"x" : "é"}], "OPENAI_API_KEY": "sk-old", "tokens": {"id_token": "a"}}"#;
    let [login, logout] = edited("auth.json", text, |folder| Box::new(CodexFile::of_home(folder)));
    let expected = "{\n  \"bedrock_api_key\": [1.50, {\"x\" : \"é\"}],\n  \"OPENAI_API_KEY\": \"sk-new\",\n  \"auth_mode\": \"apikey\"\n}";
    assert_eq!(login.as_deref(), Some(expected));
    assert_eq!(logout, None, "the reference removes the file, too");

    let text = r#"{"anthropic": {"type":"oauth", "n": 1.0}, "openai": {"type":"api","key":"old","note":7}}"#;
    let [login, logout] = edited("auth.json", text, |folder| Box::new(OpencodeFile::at(folder.join("auth.json"))));
    assert_eq!(
        login.as_deref(),
        Some(
            "{\n  \"anthropic\": {\"type\":\"oauth\", \"n\": 1.0},\n  \"openai\": {\n    \"type\": \"api\",\n    \"key\": \"sk-new\",\n    \"note\": 7\n  }\n}"
        )
    );
    assert_eq!(logout.as_deref(), Some("{\n  \"anthropic\": {\"type\":\"oauth\", \"n\": 1.0}\n}"));
}

#[test]
fn what_is_told_of_tokens_stays_with_their_account_and_goes_with_it() {
    let codex = |account: &str| {
        format!(
            r#"{{"auth_mode": "chatgpt", "tokens": {{"id_token": "{0}", "access_token": "{0}", "refresh_token": "rt-0",
            "account_id": "{account}", "oauth_provenance": {{"a": 1.0}}, "login_owner_id": "owner-1"}}}}"#,
            jwt("{}")
        )
    };
    let opencode = |account: &str| {
        let (access, account) = (jwt("{}"), account);
        format!(
            r#"{{"openai": {{"type": "oauth", "access": "{access}", "refresh": "rt-0", "expires": 1,
            "accountId": "{account}", "enterpriseUrl": "https://e.example"}}}}"#
        )
    };
    let after_login = |text: String, store: fn(PathBuf) -> Box<dyn CredentialStore>| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        std::fs::write(&path, text).unwrap();
        save(&*store(path.clone()), &chatgpt("rt-1"));
        std::fs::read_to_string(&path).unwrap()
    };
    let codex = |account| after_login(codex(account), |path| Box::new(CodexFile::at(&path)));
    let opencode = |account| after_login(opencode(account), |path| Box::new(OpencodeFile::at(path)));
    let rotated = codex("acct-1");
    assert!(rotated.contains(r#""oauth_provenance": {"a": 1.0}"#) && rotated.contains("owner-1"), "{rotated}");
    assert!(opencode("acct-1").contains("https://e.example"));
    let replaced = codex("acct-2") + &opencode("acct-2");
    for word in ["oauth_provenance", "owner-1", "enterpriseUrl", "acct-2", "rt-0"] {
        assert!(!replaced.contains(word), "{word}: {replaced}");
    }
}

#[test]
fn a_workspace_that_nobody_wrote_down_is_read_from_the_tokens() {
    let token = jwt(r#"{"https://api.openai.com/auth":{"chatgpt_account_id":"acct-7"}}"#);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    let account = |text: String, store: &dyn CredentialStore| {
        std::fs::write(&path, text).unwrap();
        match store.load().unwrap() {
            Some(Login::Chatgpt(tokens)) => tokens.account_id,
            _ => None,
        }
    };
    let entry = format!(r#"{{"openai": {{"type": "oauth", "access": "{token}", "refresh": "rt-1", "expires": 1}}}}"#);
    assert_eq!(account(entry, &OpencodeFile::at(path.clone())).as_deref(), Some("acct-7"));
    let file = format!(r#"{{"tokens": {{"id_token": "{token}", "access_token": "a", "refresh_token": "rt-1"}}}}"#);
    assert_eq!(account(file, &CodexFile::at(&path)).as_deref(), Some("acct-7"));
}

#[test]
fn what_is_no_file_of_logins_is_said_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    for text in ["", "{", "[]", "{\"tokens\": 1}x", "\u{feff}{}"] {
        std::fs::write(&path, text).unwrap();
        let stores: [Box<dyn CredentialStore>; 2] =
            [Box::new(CodexFile::of_home(folder.path())), Box::new(OpencodeFile::at(path.clone()))];
        for store in stores {
            let error = store.load().unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
            assert!(store.lock(AT_ONCE).unwrap().save(&key("sk-1")).is_err());
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_login_of_another_kind_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("auth.json"), r#"{"auth_mode": "agentIdentity"}"#).unwrap();
    let error = CodexFile::of_home(folder.path()).load().unwrap_err().to_string();
    assert!(error.ends_with("holds a login of the kind `agentIdentity`, which is not supported"), "{error}");
}

#[test]
fn the_mode_decides_and_without_one_a_key_does() {
    let tokens =
        format!(r#""tokens": {{"id_token": "{0}", "access_token": "{0}", "refresh_token": "rt-1"}}"#, jwt("{}"));
    let of = |text: String| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("auth.json"), text).unwrap();
        CodexFile::of_home(folder.path()).load().unwrap().map(|login| match login {
            Login::ApiKey(_) => "key",
            Login::Chatgpt(_) => "tokens",
        })
    };
    assert_eq!(of(format!(r#"{{"OPENAI_API_KEY": "sk-1", {tokens}}}"#)), Some("key"));
    assert_eq!(of(format!(r#"{{"auth_mode": "chatgpt", "OPENAI_API_KEY": "sk-1", {tokens}}}"#)), Some("tokens"));
    assert_eq!(of(format!(r#"{{"auth_mode": "apikey", "OPENAI_API_KEY": "sk-1", {tokens}}}"#)), Some("key"));
    assert_eq!(of(format!(r#"{{"OPENAI_API_KEY": null, {tokens}}}"#)), Some("tokens"));
    assert_eq!(of("{}".to_owned()), None);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_what_is_kept() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.json");
    std::fs::write(&path, "{}").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    save(&CodexFile::of_home(folder.path()), &chatgpt("rt-1"));
    for name in ["auth.json", "auth.lock"] {
        let mode = folder.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is left behind: {left:?}");
}

#[test]
fn a_lock_that_is_held_is_waited_for_no_longer_than_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (CodexFile::of_home(folder.path()), CodexFile::of_home(folder.path()));
    let held = one.lock(AT_ONCE).unwrap();
    assert!(matches!(two.lock(AT_ONCE), Err(StoreError::Locked { .. })));
    drop(held);
    assert!(two.lock(AT_ONCE).is_ok());
}
