//! Where each connection is a tenant of its own, what is lent belongs to the one that lent it; else to everybody.

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_sim::{RecordedRequest, Script, TokenRequest};
use valet_tests::{Direction, TestClient, TestHost};

use super::{Bench, lend, listed, refusing, renew, thread};

async fn tenants(script: Script) -> TestHost {
    TestHost::builder().script(script).with("valet.auth_scope=connection").start().await
}

async fn threads(client: &mut TestClient, method: &str) -> usize {
    client.call(method, json!({})).await.unwrap()["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_tenant_cannot_see_use_or_forget_what_is_lent_to_another() {
    let host = tenants(Script::text("Hello.")).await;
    let Bench { host, parent: mut one } = Bench::on(host).await;
    let mut two = host.client().await;
    two.lend(TokenRequest::account("acct-4")).await;
    assert_eq!(listed(&mut two).await, []);
    let own = two.thread().await;
    let refusals = [
        ("valet/account/forget", json!({ "chatgptAccountId": "acct-2" })),
        ("valet/thread/account/set", json!({ "threadId": own, "chatgptAccountId": "acct-2" })),
        ("thread/start", super::under("acct-2")),
        ("account/rateLimits/read", super::under("acct-2")),
    ];
    for (method, params) in refusals {
        let refusal = two.refused(method, params).await;
        assert_eq!(refusal.message, "account acct-2 is not lent: lend it with `valet/account/lend`");
    }
    let foreign = thread(&mut one, "acct-2").await;
    let moved = two.refused("valet/thread/account/set", json!({ "threadId": foreign })).await;
    assert_eq!(moved.message, format!("thread not found: {foreign}"));
    one.turn(&foreign, "hello").await;
    let record = two.record();
    let heard = record.messages().iter().filter(|(to, _)| *to == Direction::ToClient);
    assert!(
        !heard
            .map(|(_, message)| message.to_string())
            .any(|text| text.contains(&foreign) && !text.contains("not found"))
    );
    assert_eq!(listed(&mut one).await.len(), 2);
}

#[tokio::test]
async fn the_same_account_of_two_tenants_is_two_logins_and_each_lender_is_asked() {
    let host = tenants(refusing()).await;
    let mut clients = [host.client().await, host.client().await];
    for client in &mut clients {
        lend(client, TokenRequest::account("acct-2")).await;
        // The backend takes the second token of an account.
        client.token(TokenRequest::account("acct-2"));
    }
    host.sim.tokens().expire_all();
    for client in &mut clients {
        let thread = thread(client, "acct-2").await;
        let turn = client.start_turn(&thread, "hello").await;
        let asked = client.asked().await;
        assert_eq!(renew(client, &asked), "acct-2");
        client.end_of(&turn).await;
    }
    assert!(clients.iter_mut().all(|client| !client.was_asked()));
    let bearers: std::collections::HashSet<_> =
        host.sim.requests().into_iter().filter(RecordedRequest::is_turn).map(|post| post.bearer).collect();
    assert_eq!(bearers.len(), 4, "two tokens of each");
    let [one, mut two] = clients;
    drop(one);
    assert_eq!(listed(&mut two).await.len(), 1);
}

#[tokio::test]
async fn a_tenant_sees_the_threads_of_all_its_accounts_and_whoever_has_one_of_them_those_of_that_one() {
    let host = tenants(Script::text("Hello.")).await;
    let Bench { host, parent: mut one } = Bench::on(host).await;
    let of_login = one.thread().await;
    let of_lent = thread(&mut one, "acct-2").await;
    for thread in [&of_login, &of_lent] {
        one.turn(thread, "hello").await;
        one.call("thread/read", json!({ "threadId": thread })).await.unwrap();
    }
    for method in ["thread/list", "thread/loaded/list"] {
        assert_eq!(threads(&mut one, method).await, 2, "{method}");
    }
    assert_eq!(
        one.call("thread/search", json!({ "searchTerm": "hello" })).await.unwrap()["data"][1]["thread"]["id"],
        of_login
    );
    let own = one.call("thread/list", json!({ "currentAccountOnly": true })).await.unwrap();
    assert_eq!(own["data"].as_array().unwrap().iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&json!(of_login)]);
    let mut two = host.client().await;
    two.lend(TokenRequest::account("acct-2")).await;
    let seen = two.call("thread/list", json!({})).await.unwrap();
    assert_eq!(seen["data"].as_array().unwrap().iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&json!(of_lent)]);
    // It was bound to what the first tenant has lent, and no other token takes the place of that.
    let turn = json!({ "threadId": of_lent, "input": [] });
    assert_eq!(two.refused("turn/start", turn).await.kind.as_deref(), Some("authRequired"));
    // Who gives an account up no longer sees what belongs to it.
    one.call("valet/account/forget", json!({ "chatgptAccountId": "acct-2" })).await.unwrap();
    assert_eq!(threads(&mut one, "thread/list").await, 1);
    let read = one.refused("thread/read", json!({ "threadId": of_lent })).await;
    assert_eq!(read.message, format!("thread not loaded: {of_lent}"));
}

#[tokio::test]
async fn without_tenants_any_connection_uses_what_is_lent_and_the_lender_is_asked() {
    let mut bench = Bench::start(refusing()).await;
    let mut viewer = bench.host.client().await;
    assert_eq!(listed(&mut viewer).await.len(), 2);
    let thread = thread(&mut viewer, "acct-2").await;
    let turn = viewer.start_turn(&thread, "hello").await;
    let asked = bench.parent.asked().await;
    renew(&bench.parent, &asked);
    viewer.end_of(&turn).await;
    viewer.call("valet/account/forget", json!({ "chatgptAccountId": "acct-2" })).await.unwrap();
    assert_eq!(listed(&mut bench.parent).await, [("acct-3".to_owned(), false)]);
}
