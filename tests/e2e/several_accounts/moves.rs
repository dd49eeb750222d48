//! A thread gets another account at the boundary of its turns, and never in one.

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_protocol::v2::TurnStatus;
use valet_sim::{RecordedRequest, Response, Script, TokenRequest};

use super::{Bench, account_of, go_on, paused, pausing, pausing_thread, renew};

#[tokio::test]
async fn a_turn_that_runs_ends_under_its_own_account_refresh_included_and_the_next_has_the_new_one() {
    let mut bench = Bench::start(pausing()).await;
    bench.lend(TokenRequest::account("acct-2").uses(1)).await;
    let thread = pausing_thread(&mut bench, "acct-2").await;
    let (turn, tool) = paused(&mut bench, &thread, "first").await;
    assert_eq!(bench.set(&thread, Some("acct-3")).await, "nextTurn");
    go_on(&bench.parent, &tool);
    let asked = bench.parent.asked().await;
    assert_eq!(renew(&bench.parent, &asked), "acct-2");
    assert_eq!(bench.parent.end_of(&turn).await.turn.status, TurnStatus::Completed);
    let acct_2 = |status| ("acct-2".to_owned(), status);
    assert_eq!(bench.posts("first"), [acct_2(200), acct_2(401), acct_2(200)]);
    assert_eq!(bench.pays(&thread, "second").await, "acct-3");
}

#[tokio::test]
async fn what_is_said_into_a_turn_that_runs_does_not_change_its_account() {
    let mut bench = Bench::start(pausing()).await;
    let thread = pausing_thread(&mut bench, "acct-2").await;
    let (turn, tool) = paused(&mut bench, &thread, "first").await;
    bench.set(&thread, None).await;
    assert_eq!(bench.parent.start_turn(&thread, "and this").await, turn);
    go_on(&bench.parent, &tool);
    assert_eq!(bench.parent.end_of(&turn).await.turn.status, TurnStatus::Completed);
    assert_eq!(bench.posts("and this"), [("acct-2".to_owned(), 200)]);
    assert_eq!(bench.pays(&thread, "second").await, "acct-1");
}

#[tokio::test]
async fn a_thread_moves_at_once_while_nothing_runs_and_null_is_whoever_is_logged_in() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    let thread = bench.parent.thread().await;
    assert_eq!(bench.pays(&thread, "one").await, "acct-1");
    for (account, payer) in [(Some("acct-2"), "acct-2"), (Some("acct-3"), "acct-3"), (None, "acct-1")] {
        assert_eq!(bench.set(&thread, account).await, "now");
        assert_eq!(bench.pays(&thread, payer).await, payer);
    }
    bench.parent.lend(TokenRequest::account("acct-4")).await;
    assert_eq!(bench.pays(&thread, "two").await, "acct-4", "the login of that moment");
}

#[tokio::test]
async fn a_turn_that_was_asked_for_before_a_move_is_not_moved() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    for round in 0..20 {
        let (thread, text) = (bench.thread("acct-2").await, format!("round {round}"));
        let input = json!([{ "type": "text", "text": text }]);
        let turn = bench.parent.begin("turn/start", json!({ "threadId": thread, "input": input }));
        let params = json!({ "threadId": thread, "chatgptAccountId": "acct-3" });
        let set = bench.parent.begin("valet/thread/account/set", params);
        let turn = turn.await.unwrap()["turn"]["id"].as_str().unwrap().to_owned();
        set.await.unwrap();
        bench.parent.end_of(&turn).await;
        assert_eq!(bench.posts(&text), [("acct-2".to_owned(), 200)]);
        assert_eq!(bench.pays(&thread, "after").await, "acct-3");
    }
}

#[tokio::test]
async fn everything_that_a_thread_asks_of_the_model_is_paid_by_its_account() {
    let mut bench = Bench::start(Script::responses([Response::new().text("Hello.")])).await;
    let thread = bench.thread("acct-2").await;
    bench.parent.turn(&thread, "hello").await;
    bench.parent.call("thread/compact/start", json!({ "threadId": thread })).await.unwrap();
    bench.parent.wait_for::<valet_protocol::methods::TurnCompleted>().await;
    bench.parent.turn(&thread, "again").await;
    let of_thread = |post: &RecordedRequest| post.method == "POST" && post.header("thread-id") == Some(thread.as_str());
    let posts: Vec<_> = bench.host.sim.requests().into_iter().filter(of_thread).collect();
    assert_eq!(posts.iter().map(account_of).collect::<Vec<_>>(), ["acct-2", "acct-2", "acct-2"]);
}
