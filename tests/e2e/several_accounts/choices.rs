//! Threads that are started, taken up and forked with an account.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_sim::Script;

use super::{Bench, lend, listed, under};

async fn opened(bench: &mut Bench, method: &str, thread: &str, valet: Value) -> String {
    let params = json!({ "threadId": thread, "excludeTurns": true, "valet": valet });
    let opened = bench.parent.call(method, params).await.unwrap();
    opened["thread"]["id"].as_str().unwrap().to_owned()
}

fn choice(account: Option<&str>) -> Value {
    json!({ "chatgptAccountId": account })
}

#[tokio::test]
async fn a_fork_runs_under_the_account_of_its_source_unless_another_is_chosen() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    let source = bench.thread("acct-2").await;
    bench.pays(&source, "hello").await;
    let choices = [(Value::Null, "acct-2"), (json!({}), "acct-2"), (choice(Some("acct-3")), "acct-3")];
    for (valet, account) in choices.into_iter().chain([(choice(None), "acct-1")]) {
        let fork = opened(&mut bench, "thread/fork", &source, valet).await;
        assert_eq!(bench.pays(&fork, "in the fork").await, account);
    }
    assert_eq!(bench.pays(&source, "in the source").await, "acct-2");
}

#[tokio::test]
async fn a_thread_that_is_loaded_is_taken_up_with_another_account_when_one_is_chosen() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    let thread = bench.thread("acct-2").await;
    bench.pays(&thread, "hello").await;
    let choices = [(Value::Null, "acct-2"), (json!({}), "acct-2"), (choice(Some("acct-3")), "acct-3")];
    for (valet, account) in choices.into_iter().chain([(choice(None), "acct-1")]) {
        assert_eq!(opened(&mut bench, "thread/resume", &thread, valet).await, thread);
        assert_eq!(bench.pays(&thread, "again").await, account);
    }
}

#[tokio::test]
async fn a_thread_that_cannot_be_taken_up_keeps_the_account_that_pays_for_it() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    let thread = bench.parent.thread().await;
    assert_eq!(bench.pays(&thread, "hello").await, "acct-1");
    let named = json!({ "threadId": thread });
    bench.parent.call("thread/unsubscribe", named.clone()).await.unwrap();
    let other = bench.host.beside();
    let mut holder = other.client().await;
    holder.call("thread/resume", named.clone()).await.unwrap();
    let taken_up = json!({ "threadId": thread, "valet": choice(Some("acct-2")) });
    assert_eq!(bench.parent.refused("thread/resume", taken_up).await.kind.as_deref(), Some("threadBusy"));
    holder.call("thread/unsubscribe", named).await.unwrap();
    opened(&mut bench, "thread/resume", &thread, Value::Null).await;
    assert_eq!(bench.pays(&thread, "again").await, "acct-1");
}

#[tokio::test]
async fn a_thread_that_is_stored_is_taken_up_with_the_account_that_is_chosen_and_no_choice_is_stored() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    let threads = [bench.thread("acct-2").await, bench.thread("acct-2").await];
    for thread in &threads {
        bench.pays(thread, "hello").await;
    }
    drop(bench.parent);
    let host = bench.host.restarted().await;
    let mut parent = host.parent().await;
    assert_eq!(listed(&mut parent).await, [], "tokens are in memory only");
    let mut bench = Bench { host, parent };
    let taken_up = json!({ "threadId": threads[0], "valet": choice(Some("acct-2")) });
    assert_eq!(bench.parent.refused("thread/resume", taken_up).await.kind.as_deref(), Some("authRequired"));
    lend(&mut bench.parent, valet_sim::TokenRequest::account("acct-2")).await;
    opened(&mut bench, "thread/resume", &threads[0], choice(Some("acct-2"))).await;
    opened(&mut bench, "thread/resume", &threads[1], Value::Null).await;
    assert_eq!(bench.pays(&threads[0], "again").await, "acct-2");
    assert_eq!(bench.pays(&threads[1], "again").await, "acct-1");
}

#[tokio::test]
async fn a_thread_notes_the_account_that_it_was_started_under() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    let thread = bench.thread("acct-2").await;
    bench.set(&thread, None).await;
    bench.pays(&thread, "hello").await;
    let path = bench.parent.call("thread/read", json!({ "threadId": thread })).await.unwrap()["thread"]["path"].clone();
    let head = std::fs::read_to_string(path.as_str().unwrap()).unwrap();
    let head: Value = serde_json::from_str(head.lines().next().unwrap()).unwrap();
    assert_eq!(head["payload"]["creator_account_id"], "acct-2");
    let own = async |bench: &mut Bench| {
        let own = bench.parent.call("thread/list", json!({ "currentAccountOnly": true })).await.unwrap();
        own["data"].as_array().unwrap().len()
    };
    assert_eq!(own(&mut bench).await, 0, "what is of the login alone");
    bench.parent.lend(valet_sim::TokenRequest::account("acct-2")).await;
    assert_eq!(own(&mut bench).await, 1);
}

#[tokio::test]
async fn a_thread_without_a_choice_is_one_of_the_login() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    for params in [json!({}), json!({ "valet": null }), json!({ "valet": {} }), json!({ "valet": choice(None) })] {
        let started = bench.parent.call("thread/start", params).await.unwrap();
        let thread = started["thread"]["id"].as_str().unwrap().to_owned();
        assert_eq!(bench.pays(&thread, "hello").await, "acct-1");
    }
    let started = bench.parent.call("thread/start", under("acct-3")).await.unwrap();
    assert_eq!(bench.pays(started["thread"]["id"].as_str().unwrap(), "hello").await, "acct-3");
}
