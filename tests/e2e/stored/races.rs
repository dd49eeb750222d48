//! Many clients who want the same thread at the same moment.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::v2::TurnStatus;
use valet_tests::{TestClient, TestHost};

use super::{Bench, words};

#[tokio::test(flavor = "multi_thread")]
async fn clients_who_resume_a_thread_at_once_share_it() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one"]).await;
    for _ in 0..10 {
        bench = bench.restarted().await;
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(bench.host.client().await);
        }
        let params = json!({ "threadId": thread });
        let answers: Vec<_> = clients.iter_mut().map(|client| client.begin("thread/resume", params.clone())).collect();
        for answer in answers {
            assert_eq!(answer.await.unwrap()["thread"]["id"], thread);
        }
        bench.resume(&thread).await;
        bench.say(&thread, "more").await;
    }
    assert_eq!(bench.turns(&thread).await.len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_resumed_a_thread_can_use_it_however_fast_threads_are_unloaded() {
    let builder = TestHost::builder().script(words()).config("thread_unload_delay_secs = 0");
    let mut bench = Bench::of(builder).await;
    let thread = bench.talk(&["one"]).await;
    let mut clients: Vec<TestClient> = Vec::new();
    for _ in 0..4 {
        clients.push(bench.host.client().await);
    }
    bench.call("thread/unsubscribe", json!({ "threadId": thread })).await;
    let comings = clients.into_iter().map(|mut client| {
        let thread = thread.clone();
        tokio::spawn(async move {
            let params = json!({ "threadId": thread, "excludeTurns": true });
            for _ in 0..40 {
                client.call("thread/resume", params.clone()).await.unwrap();
                let settings = json!({ "threadId": thread, "effort": "high" });
                client.call("thread/settings/update", settings).await.unwrap();
                let left = client.call("thread/unsubscribe", params.clone()).await.unwrap();
                assert_eq!(left, json!({ "status": "unsubscribed" }));
            }
        })
    });
    for coming in comings.collect::<Vec<_>>() {
        coming.await.unwrap();
    }
    bench.resume(&thread).await;
    assert_eq!(bench.parent.turn(&thread, "two").await.turn.status, TurnStatus::Completed);
    assert_eq!(bench.given(), ["one", "A word.", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_is_put_away_while_others_resume_it_is_whole_afterwards() {
    let mut bench = Bench::start(words()).await;
    let thread = bench.talk(&["one"]).await;
    let params = json!({ "threadId": thread });
    for round in 0..20 {
        let mut other = bench.host.client().await;
        let resumed = other.begin("thread/resume", params.clone());
        bench.call("thread/archive", params.clone()).await;
        let refused = resumed.await.err().map(|refusal| refusal.message).unwrap_or_default();
        assert!(refused.is_empty() || refused.contains("is archived"), "{round}: {refused}");
        let loaded = bench.call("thread/loaded/list", json!({})).await["data"].clone();
        assert_eq!(loaded, json!([]), "{round}: what is in the archive is not loaded");
        bench.call("thread/unarchive", params.clone()).await;
        bench.resume(&thread).await;
        bench.say(&thread, "more").await;
    }
    assert_eq!(bench.turns(&thread).await.len(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_take_turns_with_a_thread_lose_nothing() {
    let mut first = Bench::start(words()).await;
    let thread = first.talk(&["0"]).await;
    first.call("thread/unsubscribe", json!({ "threadId": thread })).await;
    let hosts = [Bench::on(first.host.beside()).await, Bench::on(first.host.beside()).await, first];
    let busy = format!("thread {thread} already has an active writer");
    let comings = hosts.into_iter().map(|mut bench| {
        let (thread, busy) = (thread.clone(), busy.clone());
        tokio::spawn(async move {
            let mut done = 0;
            while done < 10 {
                let params = json!({ "threadId": thread, "excludeTurns": true });
                match bench.parent.call("thread/resume", params.clone()).await {
                    Ok(_) => {
                        bench.say(&thread, "more").await;
                        bench.call("thread/unsubscribe", params).await;
                        done += 1;
                    }
                    Err(refusal) => assert_eq!(refusal.message, busy),
                }
                tokio::task::yield_now().await;
            }
            bench
        })
    });
    let mut hosts = Vec::new();
    for coming in comings.collect::<Vec<_>>() {
        hosts.push(coming.await.unwrap());
    }
    for bench in &mut hosts {
        let turns = bench.turns(&thread).await;
        assert_eq!(turns.len(), 31);
        assert!(turns.iter().all(|turn| turn["status"] == "completed"));
    }
    let ordinals: Vec<Value> = hosts[0].log(&thread).iter().map(|line| line["ordinal"].clone()).collect();
    assert_eq!(json!(ordinals), json!((0..ordinals.len()).collect::<Vec<_>>()));
}
