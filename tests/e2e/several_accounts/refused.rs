//! What is refused: accounts that are not lent, tokens that no login would take, and clients that have not opted in.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::v2::TurnStatus;
use valet_sim::{Script, TokenRequest};
use valet_tests::{TestClient, TestHost};

use super::{Bench, lend, lent, refusing, thread, under};

/// Each way to name an account, in a thread.
fn named(thread: &str, account: &str) -> Vec<(&'static str, Value)> {
    let mut opened = under(account);
    opened["threadId"] = json!(thread);
    opened["excludeTurns"] = json!(true);
    vec![
        ("valet/account/forget", json!({ "chatgptAccountId": account })),
        ("valet/thread/account/set", json!({ "threadId": thread, "chatgptAccountId": account })),
        ("thread/start", under(account)),
        ("thread/resume", opened.clone()),
        ("thread/fork", opened),
        ("account/rateLimits/read", under(account)),
    ]
}

#[tokio::test]
async fn an_account_that_is_not_lent_is_refused_wherever_it_is_named() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    let thread = bench.thread("acct-2").await;
    bench.pays(&thread, "hello").await;
    // The login is not one of them: a thread without a choice runs under it.
    for account in ["acct-9", "acct-1", ""] {
        for (method, params) in named(&thread, account) {
            let refusal = bench.parent.refused(method, params).await;
            let message = format!("account {account} is not lent: lend it with `valet/account/lend`");
            assert_eq!((refusal.code, refusal.message), (-32600, message), "{method}");
            assert_eq!(refusal.kind.as_deref(), Some("authRequired"), "{method}");
        }
    }
    assert_eq!(bench.pays(&thread, "again").await, "acct-2", "nothing was changed");
    let refusal = bench.parent.refused("valet/thread/account/set", json!({ "threadId": "x" })).await;
    assert_eq!(refusal.kind.as_deref(), Some("invalidParams"));
}

#[tokio::test]
async fn a_token_that_no_login_would_take_is_refused_in_the_same_words_and_changes_nothing() {
    async fn refusal(client: &mut TestClient, params: &Value) -> (String, Option<String>) {
        let refusal = client.refused("valet/account/lend", params.clone()).await;
        let mut login = params.clone();
        login["type"] = json!("chatgptAuthTokens");
        let as_login = client.refused("account/login/start", login).await;
        assert_eq!(refusal, as_login);
        (refusal.message, refusal.kind)
    }
    let host = TestHost::start(Script::new()).await;
    let mut client = host.client().await;
    let token = client.token(TokenRequest::default());
    let bad = refusal(&mut client, &json!({ "accessToken": "not-a-jwt", "chatgptAccountId": "acct-1" })).await;
    assert_eq!(bad.1.as_deref(), Some("invalidToken"));
    let bad = refusal(&mut client, &json!({ "accessToken": token.access_token })).await;
    assert_eq!(bad.0, "Invalid request: missing field `chatgptAccountId`");
    let bad = refusal(&mut client, &json!({ "accessToken": token.access_token, "chatgptAccountId": "" })).await;
    assert_eq!(
        (bad.0.as_str(), bad.1.as_deref()),
        ("Invalid request: `chatgptAccountId` is empty", Some("invalidParams"))
    );
    for line in ["forced_chatgpt_workspace_id = \"ws-a\"", "forced_login_method = \"api\""] {
        let host = TestHost::builder().config(line).start().await;
        let mut client = host.client().await;
        assert_eq!(refusal(&mut client, &lent(&token)).await.1.as_deref(), Some("loginRestricted"));
        assert_eq!(super::listed(&mut client).await, []);
    }
}

#[tokio::test]
async fn an_account_is_lent_for_one_user_and_its_token_is_never_one_of_another_account() {
    let host = TestHost::start(refusing()).await;
    let mut parent = host.connect();
    let switches = json!({ "experimentalApi": true, "valet": { "allowAccountSwitchOnRefresh": true } });
    parent.initialize_with(switches).await;
    lend(&mut parent, TokenRequest::account("acct-2")).await;
    let mut other = TokenRequest::account("acct-2");
    other.user = "user-2".to_owned();
    let params = lent(&parent.token(other));
    let refusal = parent.refused("valet/account/lend", params).await;
    assert_eq!(refusal.message, "account acct-2 is lent for another user; forget that one first");
    assert_eq!(refusal.kind.as_deref(), Some("accountMismatch"));
    let thread = thread(&mut parent, "acct-2").await;
    let turn = parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    parent.answer(&asked, &lent(&parent.token(TokenRequest::account("acct-3"))));
    let ended = parent.end_of(&turn).await.turn;
    assert_eq!(ended.error.unwrap().additional_details.as_deref(), Some("accountMismatch"));
}

#[tokio::test]
async fn all_of_it_needs_the_opt_in() {
    let host = TestHost::start(Script::text("Hello.")).await;
    let mut client = host.connect();
    client.initialize_with(Value::Null).await;
    let thread = client.thread().await;
    let token = client.token(TokenRequest::default());
    let own = [("valet/account/lend", lent(&token)), ("valet/account/list", json!({}))];
    for (method, params) in own.into_iter().chain(named(&thread, "acct-1")) {
        let what = if params.get("valet").is_some() { format!("{method}.valet") } else { method.to_owned() };
        let refusal = client.refused(method, params).await;
        assert_eq!(refusal.message, format!("{what} requires experimentalApi capability"));
    }
    assert_eq!(
        client.call("account/rateLimits/read", json!({ "valet": null })).await.unwrap_err().kind.as_deref(),
        Some("authRequired")
    );
}

#[tokio::test]
async fn a_strict_host_knows_nothing_of_it() {
    let host = TestHost::builder().script(Script::text("Hello.")).with("valet.compat=strict").start().await;
    for capabilities in [json!({ "experimentalApi": true }), Value::Null] {
        let mut client = host.connect();
        client.initialize_with(capabilities).await;
        let params = json!({ "threadId": "x", "accessToken": "a.b.c", "chatgptAccountId": "acct-2" });
        for method in ["lend", "list", "forget"].map(|verb| format!("valet/account/{verb}")) {
            let refusal = client.refused(&method, params.clone()).await;
            assert!(refusal.message.starts_with(&format!("Invalid request: unknown variant `{method}`")));
        }
        let refusal = client.refused("valet/thread/account/set", params).await;
        assert!(refusal.message.starts_with("Invalid request: unknown variant `valet/thread/account/set`"));
        // A member that nobody knows is passed over.
        let thread = thread(&mut client, "acct-9").await;
        let mut opened = under("acct-9");
        opened["threadId"] = json!(thread);
        if client.call("account/login/start", json!({ "type": "apiKey", "apiKey": "sk-1" })).await.is_ok() {
            assert_eq!(client.turn(&thread, "hello").await.turn.status, TurnStatus::Completed);
            client.call("thread/resume", opened.clone()).await.unwrap();
            client.call("thread/fork", opened).await.unwrap();
        }
    }
}
