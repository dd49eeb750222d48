//! Where a login is kept, as the configuration says.

use std::process::Stdio;

use pretty_assertions::assert_eq;
use serde_json::json;

use super::{Desk, approved};
use crate::support::valet;

#[tokio::test]
async fn a_login_can_be_kept_in_the_file_of_opencode_itself() {
    let desk = Desk::open(approved("acct-1")).await;
    desk.opencode("acct-9");
    let place = ["-c", "valet.opencode_auth_file=opencode.json"];
    let with = |args: &[&'static str]| [args, &place].concat();
    assert_eq!(desk.json(&with(&["status", "--json"])).await["accountId"], "acct-9");
    desk.done(&with(&["login", "--device"])).await;
    let file = desk.read("opencode.json");
    assert_eq!((&file["openai"]["accountId"], &file["anthropic"]["key"]), (&json!("acct-1"), &json!("sk-other")));
    assert!(!desk.file("auth.json").exists());
    assert_eq!(desk.shelf(), ["user@example.com_acct-9.json"]);
    desk.done(&with(&["logout", "--keep-tokens"])).await;
    assert_eq!(desk.read("opencode.json"), json!({ "anthropic": { "type": "api", "key": "sk-other" } }));
}

#[cfg(not(feature = "keyring"))]
#[tokio::test]
async fn a_build_without_a_keyring_says_so_and_auto_uses_the_file() {
    let desk = Desk::open(approved("acct-1")).await;
    let said = desk.run_with(&["login", "--api-key", "-c", "cli_auth_credentials_store=keyring"], "sk-1").await;
    assert_eq!(said.code, 1);
    let words = "this build of Valet has no keyring; set cli_auth_credentials_store to \"file\"";
    assert!(said.err.contains(words), "{}", said.err);
    assert!(!desk.file("auth.json").exists());
    let said = desk.run_with(&["login", "--api-key", "-c", "cli_auth_credentials_store=auto"], "sk-1").await;
    assert_eq!(said.code, 0, "{}", said.err);
    let told = "the keyring is not used; the login is kept in auth.json";
    assert_eq!(said.err.matches(told).count(), 1, "{}", said.err);
    assert_eq!(desk.read("auth.json")["OPENAI_API_KEY"], "sk-1");
}

#[test]
fn a_variable_of_the_issuer_that_holds_no_address_is_named_before_anything_is_asked_for() {
    let home = tempfile::tempdir().unwrap();
    for name in ["CODEX_APP_SERVER_LOGIN_ISSUER", "CODEX_REFRESH_TOKEN_URL_OVERRIDE", "CODEX_REVOKE_TOKEN_URL_OVERRIDE"]
    {
        let words = format!(
            "valet: invalid configuration: the variable `{name}` has to be an address that begins with http:// or \
             https://\n"
        );
        for args in [&["login", "--device"][..], &["status"], &["app-server"]] {
            let output = valet(home.path(), args).env(name, "bogus").stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), &said), (Some(1), &words), "{args:?}");
        }
    }
}
