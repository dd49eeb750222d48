//! Where logins are kept, and how they are forgotten.

use std::time::Duration;

use pretty_assertions::{assert_eq, assert_ne};
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v1::AuthMode;
use valet_protocol::v2::{Account, GetAccountParams};
use valet_sim::{Decision, DevicePolicy, Fault, IssuerPolicy, TokenRequest};
use valet_tests::{TestClient, TestHost};

use super::{LOGIN, account, begin, built_in, completed, file, issuer, kept, log_in, script, script_with};

#[tokio::test]
async fn a_login_survives_a_restart_and_a_crash() {
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    log_in(&mut client).await;
    let after_a_crash = host.after_a_crash();
    let mut client = after_a_crash.client().await;
    assert!(matches!(account(&mut client).await, Some(Account::Chatgpt { .. })));
    let host = host.restarted().await;
    let mut client = host.client().await;
    assert_eq!(client.wait_for::<m::AccountUpdated>().await.auth_mode, Some(AuthMode::Chatgpt));
    let thread = client.thread().await;
    assert_eq!(client.turn(&thread, "hi").await.streamed_text(), "Hello.");
    let record = client.record();
    let told = record.messages().iter().filter(|(_, message)| message["method"] == "account/updated").count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_key_is_kept_as_the_reference_keeps_it_and_goes_to_its_own_address() {
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    client.call(LOGIN, json!({ "type": "apiKey", "apiKey": "sk-1" })).await.unwrap();
    assert_eq!(kept(&host), json!({ "auth_mode": "apikey", "OPENAI_API_KEY": "sk-1" }));
    let host = host.restarted().await;
    let mut client = host.client().await;
    assert_eq!(account(&mut client).await, Some(Account::ApiKey {}));
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let host = TestHost::start(script()).await;
    std::fs::write(file(&host), "{}").unwrap();
    std::fs::set_permissions(file(&host), std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut client = host.client().await;
    log_in(&mut client).await;
    assert_eq!(std::fs::metadata(file(&host)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_login_that_cannot_be_kept_is_refused_and_not_used() {
    let host = TestHost::start(script()).await;
    std::fs::create_dir(file(&host)).unwrap();
    let mut client = host.client().await;
    let refusal = client.refused(LOGIN, json!({ "type": "apiKey", "apiKey": "sk-1" })).await;
    assert_eq!(refusal.kind.as_deref(), Some("fileSystem"));
    assert!(refusal.message.starts_with("failed to save the login: "), "{}", refusal.message);
    assert_eq!(account(&mut client).await, None);
}

#[tokio::test]
async fn nobody_is_asked_to_log_in_where_the_login_cannot_be_kept() {
    let host = TestHost::start(script()).await;
    std::fs::create_dir(file(&host)).unwrap();
    let mut client = host.client().await;
    for kind in ["chatgpt", "chatgptDeviceCode"] {
        let refusal = client.refused(LOGIN, json!({ "type": kind })).await;
        assert_eq!(refusal.kind.as_deref(), Some("fileSystem"), "{kind}");
        assert!(refusal.message.starts_with("failed to save the login: "), "{}", refusal.message);
    }
    assert_eq!(host.sim.requests().len(), 0);
}

#[tokio::test]
async fn what_the_issuer_gave_for_a_login_that_cannot_be_kept_after_all_is_taken_back() {
    let device = DevicePolicy { approve: Decision::Ask, ..issuer().device };
    let host = TestHost::start(script_with(IssuerPolicy { device, ..issuer() })).await;
    let mut client = host.client().await;
    let (_, begun) = begin(&mut client, "chatgptDeviceCode").await;
    std::fs::create_dir(file(&host)).unwrap();
    host.sim.issuer().approve(begun["userCode"].as_str().unwrap(), "acct-1").unwrap();
    let error = completed(&mut client).await.error.unwrap();
    assert!(error.starts_with("failed to save the login: "), "{error}");
    host.shutdown().await;
    assert_eq!(revocations(&host).len(), 1);
}

#[tokio::test]
async fn a_damaged_file_is_no_login_and_is_not_overwritten() {
    let host = TestHost::start(script()).await;
    std::fs::write(file(&host), "{ \"tokens\": ").unwrap();
    let mut client = host.client().await;
    assert_eq!(account(&mut client).await, None);
    let refusal = client.refused(LOGIN, json!({ "type": "apiKey", "apiKey": "sk-1" })).await;
    assert!(refusal.message.contains("is not a file of logins (line 1, column"), "{}", refusal.message);
    assert_eq!(std::fs::read_to_string(file(&host)).unwrap(), "{ \"tokens\": ");
}

#[tokio::test]
async fn a_login_kept_nowhere_goes_with_the_process() {
    let host = TestHost::builder().script(script()).config("cli_auth_credentials_store = \"ephemeral\"").start().await;
    let mut client = host.client().await;
    log_in(&mut client).await;
    assert!(!file(&host).exists());
    let host = host.restarted().await;
    assert_eq!(account(&mut host.client().await).await, None);
}

fn revocations(host: &TestHost) -> Vec<Value> {
    let requests = host.sim.requests();
    requests.iter().filter(|request| request.path == "/oauth/revoke").map(|request| request.body.clone()).collect()
}

#[tokio::test]
async fn a_logout_forgets_the_login_and_takes_the_tokens_back() {
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    log_in(&mut client).await;
    client.call("account/logout", json!(null)).await.unwrap();
    let told = client.wait_for::<m::AccountUpdated>().await;
    assert_eq!((told.auth_mode, told.plan_type), (None, None));
    assert!(!file(&host).exists());
    assert_eq!(account(&mut client).await, None);
    let revoked = || host.sim.tokens().grants().iter().all(|grant| grant.revoked);
    while !revoked() {
        tokio::task::yield_now().await;
    }
    let body = &revocations(&host)[0];
    assert_eq!(body["token_type_hint"], "refresh_token");
    assert_eq!(body["client_id"], "app_EMoamEEZ73f0CkXaXp7hrann");
    // Somebody may log in again at once.
    log_in(&mut client).await;
}

#[tokio::test]
async fn a_logout_may_leave_the_tokens_as_they_are() {
    let host = TestHost::builder().script(script()).config("valet.logout_revoke = false").start().await;
    let mut client = host.client().await;
    log_in(&mut client).await;
    client.call("account/logout", json!(null)).await.unwrap();
    assert!(!file(&host).exists());
    host.shutdown().await;
    assert_eq!(revocations(&host), Vec::<Value>::new());
}

#[tokio::test]
async fn a_logout_succeeds_when_the_issuer_does_not_answer() {
    let fault = Fault::hang("/oauth/revoke");
    let host = TestHost::start(script_with(issuer().fault(fault))).await;
    let mut client = host.client().await;
    log_in(&mut client).await;
    client.call("account/logout", json!(null)).await.unwrap();
    client.wait_for::<m::AccountUpdated>().await;
    assert!(!file(&host).exists());
}

#[tokio::test]
async fn a_parent_that_logs_out_leaves_alone_what_is_kept() {
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    log_in(&mut client).await;
    client.lend(TokenRequest::account("acct-2")).await;
    client.call("account/logout", json!(null)).await.unwrap();
    assert_eq!(account(&mut client).await, None);
    assert_eq!(kept(&host)["auth_mode"], "chatgpt");
    assert_eq!(revocations(&host), Vec::<Value>::new());
}

#[tokio::test]
async fn a_login_that_a_lent_token_overtakes_while_it_is_kept_leaves_what_was_there() {
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    client.call(LOGIN, json!({ "type": "apiKey", "apiKey": "sk-1" })).await.unwrap();
    completed(&mut client).await;
    let lock = std::fs::File::create(host.home().join("auth.lock")).unwrap();
    lock.lock().unwrap();
    let (id, _) = begin(&mut client, "chatgptDeviceCode").await;
    host.sim.wait_for_requests(|request| request.path_only() == "/oauth/token" && request.status == Some(200), 1).await;
    client.lend(TokenRequest::default()).await;
    drop(lock);
    let mut told = completed(&mut client).await;
    while told.login_id.as_deref() != Some(&id) {
        told = completed(&mut client).await;
    }
    assert!(told.error.unwrap().starts_with("External auth is active."));
    assert_eq!(kept(&host), json!({ "auth_mode": "apikey", "OPENAI_API_KEY": "sk-1" }));
}

#[tokio::test]
async fn a_lent_token_never_reaches_the_file() {
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    client.lend(TokenRequest::default()).await;
    let thread = client.thread().await;
    client.turn(&thread, "hi").await;
    assert!(!file(&host).exists());
}

/// Asks until somebody is logged in.
async fn taken_up(client: &mut TestClient) -> Account {
    let found = async {
        loop {
            if let Some(account) = account(client).await {
                return account;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.unwrap()
}

#[tokio::test]
async fn a_login_at_a_terminal_is_taken_up_by_a_host_that_had_none() {
    let host = built_in(script()).start().await;
    let mut client = host.client().await;
    assert_eq!(account(&mut client).await, None);
    let terminal = host.beside();
    log_in(&mut terminal.client().await).await;
    taken_up(&mut client).await;
    let thread = client.thread().await;
    assert_eq!(client.turn(&thread, "hi").await.streamed_text(), "Hello.");
}

#[tokio::test]
async fn after_a_logout_a_login_that_is_made_elsewhere_is_taken_up_and_everybody_is_told() {
    let host = TestHost::start(script()).await;
    let (mut client, mut other) = (host.client().await, host.client().await);
    log_in(&mut client).await;
    assert_eq!(other.wait_for::<m::AccountUpdated>().await.auth_mode, Some(AuthMode::Chatgpt));
    client.call("account/logout", json!(null)).await.unwrap();
    assert_eq!(other.wait_for::<m::AccountUpdated>().await.auth_mode, None);
    assert_eq!(account(&mut client).await, None);
    log_in(&mut host.beside().client().await).await;
    assert!(matches!(taken_up(&mut client).await, Account::Chatgpt { .. }));
    assert_eq!(other.wait_for::<m::AccountUpdated>().await.auth_mode, Some(AuthMode::Chatgpt));
}

#[tokio::test]
async fn a_login_that_a_parents_logout_left_is_not_taken_up_but_the_next_one_is() {
    let host = TestHost::start(script()).await;
    let mut client = host.client().await;
    log_in(&mut client).await;
    client.lend(TokenRequest::account("acct-2")).await;
    client.call("account/logout", json!(null)).await.unwrap();
    let before = kept(&host);
    let terminal = host.beside();
    let mut terminal = terminal.client().await;
    terminal.request::<m::AccountRead>(GetAccountParams { refresh_token: true }).await;
    assert_ne!(kept(&host), before, "it was renewed");
    assert_eq!(account(&mut client).await, None);
    terminal.call(LOGIN, json!({ "type": "apiKey", "apiKey": "sk-1" })).await.unwrap();
    assert_eq!(taken_up(&mut client).await, Account::ApiKey {});
}

#[tokio::test]
async fn one_tenant_of_many_cannot_log_in_for_all() {
    let host = TestHost::builder().script(script()).config("valet.auth_scope = \"connection\"").start().await;
    let mut client = host.client().await;
    for kind in ["chatgpt", "chatgptDeviceCode"] {
        let refusal = client.refused(LOGIN, json!({ "type": kind })).await;
        assert_eq!((refusal.code, refusal.kind.as_deref()), (-32600, Some("notSupported")));
    }
    client.call(LOGIN, json!({ "type": "apiKey", "apiKey": "sk-1" })).await.unwrap();
    assert!(completed(&mut client).await.success);
    assert!(!file(&host).exists());
}
