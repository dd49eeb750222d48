//! What an operator may count.

use serde_json::json;
use valet_protocol::methods as m;
use valet_sim::{Script, TokenPolicy, TokenRequest};
use valet_tests::{Asked, TestClient, TestHost};

fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|there| there == *line), "no line `{line}` in:\n{text}");
    }
}

#[tokio::test]
async fn requests_turns_refreshes_and_connections_are_counted_when_that_is_asked_for() {
    let tokens = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    let host =
        TestHost::builder().script(Script::text("Hello.").tokens(tokens)).with("valet.metrics=true").start().await;
    let mut parent = host.parent().await;
    let thread = parent.thread().await;
    parent.turn(&thread, "hello").await;
    parent.refused("thread/read", json!({ "threadId": "nope" })).await;
    parent.refused("no/such", json!({})).await;
    let other = host.client().await;
    let text = host.host().metrics().unwrap();
    assert_lines(
        &text,
        &[
            "valet_connections 2",
            "valet_queue_bytes 0",
            "valet_server_requests_open 0",
            "valet_turns_running 0",
            r#"valet_turns_total{outcome="completed"} 1"#,
            r#"valet_refreshes_total{outcome="renewed"} 1"#,
            r#"valet_requests_total{method="turn/start",outcome="ok"} 1"#,
            r#"valet_requests_total{method="thread/read",outcome="refused"} 1"#,
            r#"valet_requests_total{method="unknown",outcome="refused"} 1"#,
            "valet_upstream_latency_seconds_count 1",
        ],
    );
    drop(other);
}

/// A host whose parent was asked for a token, and has not answered yet.
async fn asked() -> (TestHost, TestClient, Asked) {
    asked_for(10_000).await
}

async fn asked_for(milliseconds: u64) -> (TestHost, TestClient, Asked) {
    let tokens = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    let host = TestHost::builder().script(Script::text("Hello.").tokens(tokens)).with("valet.metrics=true");
    let host = host.with(&format!("valet.auth_refresh_timeout_ms={milliseconds}")).start().await;
    let mut parent = host.parent().await;
    parent.stop_answering();
    let thread = parent.thread().await;
    parent.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    (host, parent, asked)
}

#[tokio::test]
async fn a_question_that_waits_is_open_and_one_that_is_refused_is_counted_as_such() {
    let (host, mut parent, asked) = asked().await;
    assert!(host.host().is_alive().await);
    assert_lines(&host.host().metrics().unwrap(), &["valet_server_requests_open 1", "valet_turns_running 1"]);
    parent.refuse(&asked, &json!({ "code": -32000, "message": "no" }));
    parent.wait_for::<m::TurnCompleted>().await;
    let lines = [r#"valet_refreshes_total{outcome="rejected"} 1"#, r#"valet_turns_total{outcome="failed"} 1"#];
    assert_lines(&host.host().metrics().unwrap(), &lines);
}

#[tokio::test]
async fn a_silent_parent_is_counted_when_its_time_is_up_and_not_again_when_it_answers_late() {
    let (host, mut parent, asked) = asked_for(300).await;
    parent.wait_for::<m::TurnCompleted>().await;
    let refreshes = || {
        let text = host.host().metrics().unwrap();
        text.lines().filter(|line| line.starts_with("valet_refreshes_total")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(refreshes(), [r#"valet_refreshes_total{outcome="unanswered"} 1"#]);
    let late = parent.token(TokenRequest::default());
    parent.answer(&asked, &json!({ "accessToken": late.access_token, "chatgptAccountId": late.account_id }));
    // Answers of one connection are taken in order, so this read comes after the late answer.
    parent.call("account/read", json!({})).await.unwrap();
    let thread = parent.thread().await;
    parent.turn(&thread, "again").await;
    assert!(!parent.was_asked());
    assert_eq!(refreshes(), [r#"valet_refreshes_total{outcome="unanswered"} 1"#]);
}

#[tokio::test]
async fn a_question_that_the_end_of_the_host_cuts_short_is_over_with_it() {
    let (host, _parent, _asked) = asked().await;
    host.shutdown().await;
    let is_over = async {
        while !host.host().metrics().unwrap().contains(r#"valet_refreshes_total{outcome="unanswered"} 1"#) {
            tokio::task::yield_now().await;
        }
    };
    // Far below the deadline of the question.
    tokio::time::timeout(std::time::Duration::from_secs(5), is_over).await.unwrap();
}

#[tokio::test]
async fn a_token_that_nobody_was_there_to_be_asked_for_is_counted_as_gone() {
    let tokens = TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() };
    let script = Script::text("Hello.").tokens(tokens);
    let host = TestHost::builder().script(script).with("valet.metrics=true").with("valet.auth_refresh_timeout_ms=300");
    let host = host.start().await;
    let parent = host.parent().await;
    let mut watcher = host.connect();
    // Without the opt-in it is no stand-in.
    watcher.initialize_with(serde_json::Value::Null).await;
    let thread = watcher.thread().await;
    drop(parent);
    watcher.turn(&thread, "hello").await;
    assert_lines(&host.host().metrics().unwrap(), &[r#"valet_refreshes_total{outcome="gone"} 1"#]);
}

#[tokio::test]
async fn nothing_is_counted_unasked() {
    let host = TestHost::start(Script::new()).await;
    host.parent().await;
    assert_eq!(host.host().metrics(), None);
}
