//! A refresh in company: who redeems, what is kept, and what is remembered.

use std::sync::atomic::{AtomicUsize, Ordering};

use pretty_assertions::assert_eq;
use reqwest::StatusCode;

use super::{RedeemError, Redemption, redeem};
use crate::claims::tests::jwt;
use crate::issuer::{IssuerError, Permanent, Reason};
use crate::store::{CodexFile, CredentialStore, Login, Memory, Tokens};
use crate::token::AccessToken;

const FUTURE: u64 = 4_000_000_000;

fn tokens(name: &str, expires_at: u64, account: &str) -> Tokens {
    let access = jwt(&format!(
        r#"{{"jti":"{name}","exp":{expires_at},"https://api.openai.com/auth":{{"chatgpt_account_id":"{account}"}}}}"#
    ));
    let access = AccessToken::new(access);
    Tokens::issued(access.clone(), access, AccessToken::new(format!("rt-{name}")), 1)
}

fn holding(tokens: &Tokens) -> Memory {
    let store = Memory::default();
    store.lock(std::time::Duration::ZERO).unwrap().save(&Login::Chatgpt(tokens.clone())).unwrap();
    store
}

fn rejected(tokens: &Tokens) -> Redemption {
    Redemption {
        name: None,
        rejected: tokens.access.fingerprint(),
        account_id: tokens.account_id.clone(),
        spent: None,
        reason: Reason::UnauthorizedRecovery,
    }
}

fn refresh_in(store: &dyn CredentialStore) -> String {
    match store.load().unwrap() {
        Some(Login::Chatgpt(tokens)) => tokens.refresh.expose().to_owned(),
        _ => String::new(),
    }
}

fn nobody_asks(_: &Tokens) -> Result<Tokens, IssuerError> {
    panic!("the issuer was asked")
}

#[test]
fn a_rejected_token_is_redeemed_and_what_comes_is_kept_before_it_is_used() {
    let (old, new) = (tokens("1", FUTURE, "acct-1"), tokens("2", FUTURE, "acct-1"));
    let store = holding(&old);
    let redeemed = redeem(&store, &rejected(&old), |kept| {
        assert!(kept.refresh == old.refresh);
        Ok(new.clone())
    });
    assert!(matches!(redeemed, Ok(redeemed) if redeemed.tokens == new && !redeemed.found));
    assert_eq!(refresh_in(&store), "rt-2");
}

#[test]
fn a_token_that_another_process_has_renewed_is_found_and_nobody_is_asked() {
    let (old, new) = (tokens("1", FUTURE, "acct-1"), tokens("2", FUTURE, "acct-1"));
    let redeemed = redeem(&holding(&new), &rejected(&old), nobody_asks);
    assert!(matches!(redeemed, Ok(redeemed) if redeemed.tokens == new && redeemed.found));
}

#[test]
fn what_is_found_and_has_expired_is_renewed() {
    let (old, found, new) = (tokens("1", 1, "acct-1"), tokens("2", 1, "acct-1"), tokens("3", FUTURE, "acct-1"));
    let redeemed = redeem(&holding(&found), &rejected(&old), |_| Ok(new.clone()));
    assert!(matches!(redeemed, Ok(redeemed) if redeemed.tokens == new && !redeemed.found));
}

#[test]
fn the_login_of_somebody_else_is_not_used() {
    let (old, other) = (tokens("1", FUTURE, "acct-1"), tokens("2", FUTURE, "acct-2"));
    assert!(matches!(redeem(&holding(&other), &rejected(&old), nobody_asks), Err(RedeemError::Other)));
    assert!(matches!(redeem(&Memory::default(), &rejected(&old), nobody_asks), Err(RedeemError::Other)));
}

#[test]
fn a_refresh_token_that_is_no_good_is_offered_once_and_never_removed() {
    let old = tokens("1", FUTURE, "acct-1");
    let store = holding(&old);
    let first = redeem(&store, &rejected(&old), |_| Err(IssuerError::Permanent(Permanent::Reused)));
    let Err(RedeemError::Permanent { fingerprint, permanent: Permanent::Reused }) = first else {
        panic!("{:?}", first.map(|_| ()))
    };
    let again = Redemption { spent: Some((fingerprint, Permanent::Reused)), ..rejected(&old) };
    let second = redeem(&store, &again, nobody_asks);
    assert!(matches!(second, Err(RedeemError::Permanent { permanent: Permanent::Reused, .. })));
    assert_eq!(refresh_in(&store), "rt-1");
    // Somebody logs in again.
    let new = tokens("2", FUTURE, "acct-1");
    store.lock(std::time::Duration::ZERO).unwrap().save(&Login::Chatgpt(new.clone())).unwrap();
    assert!(redeem(&store, &again, nobody_asks).unwrap().tokens == new);
}

#[test]
fn a_program_that_takes_no_lock_may_be_faster() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (tokens("1", FUTURE, "acct-1"), tokens("2", FUTURE, "acct-1"));
    let path = folder.path().join("auth.json");
    let write = |tokens: &Tokens| {
        let token = tokens.access.expose();
        let text = serde_json::json!({ "tokens": {
            "id_token": token, "access_token": token, "refresh_token": tokens.refresh.expose(), "account_id": "acct-1",
        }});
        std::fs::write(&path, text.to_string()).unwrap();
    };
    write(&old);
    let redeemed = redeem(&CodexFile::of_home(folder.path()), &rejected(&old), |_| {
        write(&new);
        Err(IssuerError::Permanent(Permanent::Reused))
    });
    assert!(matches!(redeemed, Ok(redeemed) if redeemed.found && redeemed.tokens.access == new.access));
}

#[test]
fn a_failure_that_may_pass_changes_nothing() {
    let old = tokens("1", FUTURE, "acct-1");
    let store = holding(&old);
    let refused =
        |_: &Tokens| Err(IssuerError::Refused { status: StatusCode::INTERNAL_SERVER_ERROR, detail: String::new() });
    let failed = redeem(&store, &rejected(&old), refused);
    assert_eq!(failed.unwrap_err().to_string(), "500 Internal Server Error");
    assert_eq!(refresh_in(&store), "rt-1");
}

#[cfg(unix)]
#[test]
fn nothing_is_spent_that_could_not_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let old = tokens("1", FUTURE, "acct-1");
    let store = CodexFile::of_home(folder.path());
    store.lock(std::time::Duration::ZERO).unwrap().save(&Login::Chatgpt(old.clone())).unwrap();
    // A folder in the place of the file can be read by nobody and replaced by nobody.
    let gone = folder.path().join("auth.json");
    std::fs::rename(&gone, folder.path().join("kept")).unwrap();
    std::fs::create_dir(&gone).unwrap();
    assert!(matches!(redeem(&store, &rejected(&old), nobody_asks), Err(RedeemError::Failed(_))));
}

#[test]
fn eight_who_are_refused_at_once_ask_the_issuer_once() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (tokens("1", FUTURE, "acct-1"), tokens("2", FUTURE, "acct-1"));
    let store = || CodexFile::of_home(folder.path());
    store().lock(std::time::Duration::ZERO).unwrap().save(&Login::Chatgpt(old.clone())).unwrap();
    let asked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let renewed = redeem(&store(), &rejected(&old), |_| {
                    asked.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    Ok(new.clone())
                });
                assert!(renewed.unwrap().tokens.access == new.access);
            });
        }
    });
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
