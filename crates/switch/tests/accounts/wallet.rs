//! Which accounts there are, which one is used, and a good token of each.

use std::sync::Arc;
use std::time::Duration;

use pretty_assertions::assert_eq;
use valet_auth::store::{CodexFile, CredentialStore, Login};
use valet_auth::{AccessToken, Caller, Rules};
use valet_sim::{Fault, IssuerPolicy, Script};
use valet_switch::wallet::{Activated, Wallet, WalletError};

use super::{Desk, FIRST, SECOND};

fn allowing(workspace: &str) -> Rules {
    Rules { workspaces: vec![workspace.to_owned()], ..Rules::default() }
}

#[tokio::test]
async fn the_one_that_is_used_comes_first_and_what_cannot_be_lent_is_not_among_them() {
    let desk = Desk::open(Script::default()).await;
    let wallet = desk.wallet();
    assert_eq!((wallet.names().unwrap(), wallet.active().unwrap()), (vec![FIRST.into(), SECOND.into()], FIRST.into()));
    assert_eq!(desk.wallet_with(allowing("acct-2")).names().unwrap(), [SECOND]);
    let error = desk.wallet_with(allowing("acct-2")).active().unwrap_err();
    assert!(error.is_final() && error.to_string().contains("restricted to workspace(s) acct-2"), "{error}");
    desk.keep(&Login::ApiKey(AccessToken::new("sk-1")));
    assert_eq!(wallet.names().unwrap(), [FIRST, SECOND], "a key is none of them");
    assert!(matches!(wallet.active(), Err(WalletError::ApiKey)));
    CodexFile::of_home(desk.path()).lock(Duration::ZERO).unwrap().clear().unwrap();
    assert!(matches!(wallet.active(), Err(WalletError::Nobody)));
    std::fs::write(desk.path().join("accounts/broken.json"), "{").unwrap();
    assert_eq!(wallet.names().unwrap(), [FIRST, "broken", SECOND]);
    let error = wallet.account("broken").await.unwrap_err();
    assert!(error.is_final() && error.to_string().contains("is not a file of logins"), "{error}");
}

#[tokio::test]
async fn an_account_is_made_the_one_that_is_used_and_the_other_one_waits() {
    let desk = Desk::open(Script::default()).await;
    let wallet = desk.wallet();
    let (first, second) = (desk.used(), desk.waiting(SECOND));
    assert_eq!(wallet.activate(FIRST).unwrap(), Activated::Already);
    assert_eq!(wallet.activate(SECOND).unwrap(), Activated::Now);
    assert_eq!((desk.used(), desk.waiting(FIRST)), (second, first));
    assert_eq!(wallet.names().unwrap(), [SECOND, FIRST]);
    assert!(matches!(wallet.activate("nobody"), Err(WalletError::Unknown(_))));
    assert!(matches!(desk.wallet_with(allowing("acct-2")).activate(FIRST), Err(WalletError::Refused(_))));
    assert_eq!(wallet.active().unwrap(), SECOND);
}

#[tokio::test]
async fn a_workspace_is_that_of_the_account_that_is_used_before_that_of_another_one() {
    let desk = Desk::open(Script::default()).await;
    desk.log_in("e@f.g", "acct-1", None);
    let wallet = desk.wallet();
    let of = |account_id| wallet.by_account_id(account_id).unwrap();
    assert_eq!((of("acct-1"), of("acct-2")), (Some("e@f.g_acct-1".into()), Some(SECOND.into())));
    assert_eq!(of("acct-9"), None);
    wallet.activate(SECOND).unwrap();
    assert_eq!(wallet.by_account_id("acct-1").unwrap().as_deref(), Some(FIRST));
}

#[tokio::test]
async fn a_token_that_would_soon_expire_is_renewed_before_it_is_handed_out_and_kept_where_it_was() {
    let desk = Desk::open(Script::default()).await;
    let soon = Some(Duration::from_secs(60));
    desk.log_in("c@d.e", "acct-2", soon);
    desk.log_in("a@b.c", "acct-1", soon);
    let (first, second) = (desk.used(), desk.waiting(SECOND));
    // Two processes, and one of them twice.
    let (one, two) = (desk.wallet(), desk.wallet());
    let token = |wallet: &Arc<Wallet>| {
        let wallet = Arc::clone(wallet);
        async move { wallet.account(SECOND).await.unwrap().snapshot().token.clone() }
    };
    let tokens: [_; 3] = tokio::join!(token(&one), token(&two), token(&one)).into();
    let Some(Login::Chatgpt(kept)) = desk.shelf().get(SECOND).unwrap() else { panic!("it is gone") };
    assert!(kept.refresh.expose() != second && tokens.iter().all(|token| *token == kept.access));
    assert_eq!((desk.refreshes(), desk.used() == first), (1, true), "the other account is left alone");
    one.account(FIRST).await.unwrap();
    assert!(desk.used() != first);
    let again = one.account(FIRST).await.unwrap();
    assert!(Arc::ptr_eq(&again, &one.account(FIRST).await.unwrap()));
    assert_eq!(desk.refreshes(), 2);
    desk.no_token_was_spent_twice();
}

#[tokio::test]
async fn an_account_that_was_moved_is_renewed_where_it_is_then() {
    let desk = Desk::open(Script::default()).await;
    let wallet = desk.wallet();
    let (first, second) = (wallet.account(FIRST).await.unwrap(), wallet.account(SECOND).await.unwrap());
    desk.wallet().activate(SECOND).unwrap();
    let before = (desk.used(), desk.waiting(FIRST));
    for account in [&first, &second] {
        let refused = account.snapshot();
        let renewed = account.recover(refused.revision, &Caller::Program).await.unwrap();
        assert!(renewed.token != refused.token && renewed.identity == refused.identity);
    }
    assert!(desk.used() != before.0 && desk.waiting(FIRST) != before.1);
    assert_eq!(wallet.names().unwrap(), [SECOND, FIRST]);
    desk.no_token_was_spent_twice();
}

#[tokio::test]
async fn an_account_that_was_removed_is_nobodys_and_does_not_come_back() {
    let desk = Desk::open(Script::default()).await;
    let wallet = desk.wallet();
    let account = wallet.account(SECOND).await.unwrap();
    desk.shelf().remove(SECOND).unwrap();
    assert!(matches!(wallet.account(SECOND).await, Err(WalletError::Unknown(_))));
    assert!(account.renew_now(&Caller::Program).await.is_err());
    assert_eq!((wallet.names().unwrap(), desk.refreshes()), (vec![FIRST.to_owned()], 0));
    // Another login of the same account is another beginning.
    desk.log_in("c@d.e", "acct-2", None);
    let Some(Login::Chatgpt(kept)) = CodexFile::of_home(desk.path()).load().unwrap() else { panic!("nobody") };
    assert!(wallet.account(SECOND).await.unwrap().snapshot().token == kept.access);
}

#[tokio::test]
async fn while_the_issuer_is_away_a_token_is_handed_out_until_it_expires() {
    let down = IssuerPolicy::default().fault(Fault::status("/oauth/token", 500));
    let desk = Desk::open(Script::new().issuer(down)).await;
    desk.log_in("a@b.c", "acct-1", Some(Duration::from_secs(60)));
    let wallet = desk.wallet();
    let token = wallet.account(FIRST).await.unwrap().snapshot().token.clone();
    assert_eq!(desk.refreshes(), 1);
    assert!(wallet.account(FIRST).await.unwrap().snapshot().token == token);
    assert_eq!(desk.refreshes(), 1, "it is not asked again at once");
    desk.log_in("a@b.c", "acct-1", Some(Duration::ZERO));
    let error = desk.wallet().account(FIRST).await.unwrap_err();
    assert!(!error.is_final() && error.to_string().contains("500"), "{error}");
}

#[tokio::test]
async fn a_login_that_is_spent_is_said_to_be_that_until_a_person_has_logged_in_again() {
    let desk = Desk::open(Script::default()).await;
    desk.log_in("a@b.c", "acct-1", Some(Duration::ZERO));
    desk.sim.tokens().revoke(&desk.used());
    let wallet = desk.wallet();
    for _ in 0..2 {
        let error = wallet.account(FIRST).await.unwrap_err();
        assert!(error.is_final() && error.to_string().contains("sign in again"), "{error}");
    }
    assert_eq!(desk.refreshes(), 1, "a refusal for good is remembered");
    assert!(wallet.account(SECOND).await.is_ok());
    desk.log_in("a@b.c", "acct-1", None);
    // The store is looked at once in a second.
    let healed = async {
        while wallet.account(FIRST).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), healed).await.unwrap();
}
