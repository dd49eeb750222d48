//! What becomes of the threads of an account that is forgotten: they fail, and no other account pays for them.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{TurnError, TurnStatus};
use valet_sim::{Script, TokenRequest};
use valet_tests::{Direction, Refusal};

use super::{Bench, go_on, listed, paused, pausing, pausing_thread, refusing};

const GONE: &str = "account acct-2 is not lent: lend it again with `valet/account/lend`, or choose another one for the \
                    thread with `valet/thread/account/set`";

async fn forget(bench: &mut Bench, account: &str) {
    let params = json!({ "chatgptAccountId": account });
    assert_eq!(bench.parent.call("valet/account/forget", params).await.unwrap(), json!({}));
}

async fn refused(bench: &mut Bench, thread: &str) -> Refusal {
    bench.parent.refused("turn/start", json!({ "threadId": thread, "input": [] })).await
}

fn logged_out(error: &TurnError) {
    assert_eq!(error.message, "Fatal error: application network permission was revoked");
    assert_eq!(error.additional_details.as_deref(), Some("reauthRequired"));
}

#[tokio::test]
async fn what_runs_under_it_fails_after_the_answer_and_what_is_bound_to_it_is_refused() {
    let mut bench = Bench::start(pausing()).await;
    let thread = pausing_thread(&mut bench, "acct-2").await;
    let idle = bench.thread("acct-2").await;
    let of_another = pausing_thread(&mut bench, "acct-3").await;
    let (turn, _) = paused(&mut bench, &thread, "first").await;
    forget(&mut bench, "acct-2").await;
    let ended = bench.parent.end_of(&turn).await.turn;
    logged_out(&ended.error.unwrap());
    let record = bench.parent.record();
    let to_client = record.messages().iter().filter(|(to, _)| *to == Direction::ToClient);
    let story: Vec<_> = to_client.map(|(_, message)| message).collect();
    let answered = story.iter().rposition(|message| message["result"] == json!({})).unwrap();
    assert!(answered < story.iter().position(|message| message["method"] == "error").unwrap());
    assert!(!story.iter().skip(answered).any(|message| message["method"] == "account/updated"));
    for thread in [&thread, &idle] {
        let refusal = refused(&mut bench, thread).await;
        assert_eq!(
            (refusal.code, refusal.kind.as_deref(), refusal.message.as_str()),
            (-32600, Some("authRequired"), GONE)
        );
        let params = json!({ "threadId": thread, "excludeTurns": true });
        assert_eq!(bench.parent.refused("thread/compact/start", params).await.message, GONE);
    }
    let params = json!({ "threadId": thread, "excludeTurns": true });
    assert_eq!(bench.parent.refused("thread/fork", params).await.message, GONE);
    assert_eq!(listed(&mut bench.parent).await, [("acct-3".to_owned(), false)]);
    let before = bench.host.sim.requests().len();
    bench.host.sim.replace_script(pausing());
    let (turn, tool) = paused(&mut bench, &of_another, "second").await;
    go_on(&bench.parent, &tool);
    assert_eq!(bench.parent.end_of(&turn).await.turn.status, TurnStatus::Completed);
    assert_eq!(bench.host.sim.requests().len() - before, 2, "nothing was sent for those that were refused");
}

#[tokio::test]
async fn a_thread_that_was_refused_goes_on_when_it_has_an_account_again() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    let threads = [bench.thread("acct-2").await, bench.thread("acct-2").await, bench.thread("acct-2").await];
    forget(&mut bench, "acct-2").await;
    bench.set(&threads[0], Some("acct-3")).await;
    bench.set(&threads[1], None).await;
    assert_eq!(bench.pays(&threads[0], "one").await, "acct-3");
    assert_eq!(bench.pays(&threads[1], "two").await, "acct-1");
    refused(&mut bench, &threads[2]).await;
    // Whoever else has that account is not whom the thread was bound to.
    let mut other = TokenRequest::account("acct-2");
    other.user = "user-2".to_owned();
    bench.lend(other).await;
    assert_eq!(refused(&mut bench, &threads[2]).await.message, GONE);
    forget(&mut bench, "acct-2").await;
    bench.lend(TokenRequest::account("acct-2")).await;
    assert_eq!(bench.pays(&threads[2], "three").await, "acct-2");
}

#[tokio::test]
async fn a_turn_that_waits_for_a_token_of_it_fails_at_once_and_the_answer_is_of_no_use() {
    let mut bench = Bench::start(refusing()).await;
    let thread = bench.thread("acct-2").await;
    let turn = bench.parent.start_turn(&thread, "hello").await;
    let asked = bench.parent.asked().await;
    forget(&mut bench, "acct-2").await;
    logged_out(&bench.parent.end_of(&turn).await.turn.error.unwrap());
    super::renew(&bench.parent, &asked);
    assert_eq!(refused(&mut bench, &thread).await.message, GONE);
}

#[tokio::test]
async fn when_it_is_also_the_login_that_is_logged_out_and_everybody_is_told() {
    let mut bench = Bench::start(pausing()).await;
    bench.lend(TokenRequest::account("acct-1")).await;
    let thread = pausing_thread(&mut bench, "acct-1").await;
    let (turn, _) = paused(&mut bench, &thread, "first").await;
    forget(&mut bench, "acct-1").await;
    let told = bench.parent.wait_for::<m::AccountUpdated>().await;
    assert_eq!((told.auth_mode, told.plan_type), (None, None));
    logged_out(&bench.parent.end_of(&turn).await.turn.error.unwrap());
    let read = bench.parent.call("account/read", json!({})).await.unwrap();
    assert_eq!(read["account"], Value::Null);
}

#[tokio::test]
async fn a_logout_forgets_the_login_wherever_it_was_lent_and_no_other_account() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    bench.lend(TokenRequest::account("acct-1")).await;
    let threads = [bench.thread("acct-1").await, bench.thread("acct-2").await];
    bench.parent.call("account/logout", Value::Null).await.unwrap();
    let left = ["acct-2", "acct-3"].map(|id| (id.to_owned(), false));
    assert_eq!(listed(&mut bench.parent).await, left);
    assert_eq!(refused(&mut bench, &threads[0]).await.kind.as_deref(), Some("authRequired"));
    assert_eq!(bench.pays(&threads[1], "hello").await, "acct-2");
}
