//! What becomes of an account at its limit, and of the turns around that moment.

use pretty_assertions::assert_eq;
use valet_protocol::methods as m;
use valet_protocol::v2::TurnStatus;
use valet_sim::{Chunks, Response, Script};

use super::{Stage, app_servers, name, of, refused, used};
use crate::probe::first_words;
use crate::support::in_time;

fn accounts(turns: &[(&str, u16)]) -> Vec<(String, u16)> {
    turns.iter().map(|(account, status)| ((*account).to_owned(), *status)).collect()
}

#[tokio::test]
async fn the_next_turn_after_the_limit_runs_as_another_account_in_the_same_conversation() {
    for server in app_servers() {
        let script = Script::new()
            .rule(of("acct-1").respond(used(99, "one")).respond(used(100, "two")))
            .rule(of("acct-2").respond(used(10, "three")));
        let stage = Stage::open(script, &["acct-1", "acct-2"]).await;
        let args: Vec<&str> = server.iter().map(String::as_str).chain(["--policy", "headroom"]).collect();
        let session = stage.session(&args).await;
        let mut guest = session.guest().await;
        for words in ["first", "second", "third"] {
            assert_eq!(guest.turn(words).await, TurnStatus::Completed, "{words} {server:?}");
        }
        assert_eq!(stage.turns(), accounts(&[("acct-1", 200), ("acct-1", 200), ("acct-2", 200)]), "{server:?}");
        assert_eq!(stage.active(), "acct-2", "other programs of this home go on as the same");
        let last = stage.sim.requests().into_iter().rfind(valet_sim::RecordedRequest::is_turn).unwrap();
        let body = last.body.to_string();
        assert!(
            ["first", "one", "second", "two"].iter().all(|words| body.contains(words)),
            "the conversation is whole"
        );
        session.end().await;
    }
}

#[tokio::test]
async fn a_turn_that_the_limit_has_stopped_fails_once_and_the_next_one_runs_as_another_account() {
    for server in app_servers() {
        let script = Script::new().rule(of("acct-1").respond(refused())).rule(of("acct-2").respond(used(1, "fine")));
        let stage = Stage::open(script, &["acct-1", "acct-2"]).await;
        let args: Vec<&str> = server.iter().map(String::as_str).chain(["--policy", "headroom"]).collect();
        let session = stage.session(&args).await;
        let mut guest = session.guest().await;
        assert_eq!(guest.turn("first").await, TurnStatus::Failed, "{server:?}");
        assert_eq!(guest.turn("second").await, TurnStatus::Completed, "{server:?}");
        assert_eq!(stage.turns(), accounts(&[("acct-1", 429), ("acct-2", 200)]), "{server:?}");
        session.end().await;
    }
}

#[tokio::test]
async fn a_turn_that_the_limit_has_stopped_before_it_did_anything_is_repeated_once_if_that_is_wanted() {
    let script = Script::new().rule(of("acct-1").respond(refused())).rule(of("acct-2").respond(used(1, "fine")));
    let stage = Stage::open(script, &["acct-1", "acct-2"]).await;
    let session = stage.session(&["--policy", "headroom", "--repeat"]).await;
    let mut guest = session.guest().await;
    let turn = guest.begin("do it").await;
    assert_eq!(guest.end_of(&turn).await.status, TurnStatus::Failed);
    let again = in_time(guest.told.wait_for::<m::TurnCompleted>(|_| true)).await.unwrap();
    assert!(again.turn.id != turn && again.turn.status == TurnStatus::Completed);
    assert_eq!(stage.turns(), accounts(&[("acct-1", 429), ("acct-2", 200)]));
    session.end().await;
}

#[tokio::test]
async fn a_turn_that_has_said_something_is_never_repeated() {
    let partly = Response::new()
        .text("a part")
        .function_call("exec_command", serde_json::json!({ "cmd": "echo done", "login": false }));
    let script =
        Script::new().rule(of("acct-1").respond(partly).respond(refused())).rule(of("acct-2").respond(used(1, "fine")));
    let stage = Stage::open(script, &["acct-1", "acct-2"]).await;
    let session = stage.session(&["--policy", "headroom", "--repeat"]).await;
    let mut guest = session.guest().await;
    assert_eq!(guest.turn("do it").await, TurnStatus::Failed);
    assert_eq!(guest.turn("go on").await, TurnStatus::Completed);
    assert_eq!(stage.turns(), accounts(&[("acct-1", 200), ("acct-1", 429), ("acct-2", 200)]));
    session.end().await;
}

#[tokio::test]
async fn without_a_policy_the_person_is_told_who_could_go_on_and_nothing_is_done() {
    let script = Script::new().rule(of("acct-1").respond(used(100, "the last one")).respond(refused()));
    let stage = Stage::open(script, &["acct-1", "acct-2"]).await;
    let session = stage.session(&[]).await;
    let mut guest = session.guest().await;
    assert_eq!(guest.turn("first").await, TurnStatus::Completed);
    let hint = guest.hint().await;
    assert!(
        hint.contains(&name("acct-1")) && hint.contains(&format!("valet accounts use {}", name("acct-2"))),
        "{hint}"
    );
    assert_eq!(guest.turn("second").await, TurnStatus::Failed);
    assert_eq!((stage.turns(), stage.active()), (accounts(&[("acct-1", 200), ("acct-1", 429)]), "acct-1".to_owned()));
    session.end().await;
}

#[tokio::test]
async fn when_nobody_is_left_the_person_is_told_who_comes_back_first() {
    let script =
        Script::new().rule(of("acct-1").respond(used(100, "one"))).rule(of("acct-2").respond(used(100, "two")));
    let stage = Stage::open(script, &["acct-1", "acct-2"]).await;
    let session = stage.session(&["--policy", "headroom"]).await;
    let mut guest = session.guest().await;
    assert_eq!(guest.turn("first").await, TurnStatus::Completed);
    assert!(guest.hint().await.contains(&name("acct-2")));
    assert_eq!(guest.turn("second").await, TurnStatus::Completed);
    let hint = guest.hint().await;
    assert!(hint.contains("no account is left") && hint.contains("comes back first"), "{hint}");
    session.end().await;
}

#[tokio::test]
async fn an_account_that_is_chosen_elsewhere_is_followed_within_a_second_and_no_turn_is_broken_off() {
    for server in app_servers() {
        let slow =
            Response::new().text("a").chunks(Chunks::repeat("b", 60).every(std::time::Duration::from_millis(50)));
        let script = Script::new().rule(of("acct-1").respond(slow)).rule(of("acct-2").respond("fine"));
        let stage = Stage::open(script, &["acct-1", "acct-2"]).await;
        let args: Vec<&str> = server.iter().map(String::as_str).collect();
        let session = stage.session(&args).await;
        let (mut one, mut two) = (session.guest().await, session.guest().await);
        let turn = one.begin("slowly").await;
        first_words(&mut one.told).await;
        let (code, said) = stage.valet(&["accounts", "use", "acct-2"]).await;
        assert_eq!(code, 0, "{said}");
        if server.is_empty() {
            let begin = std::time::Instant::now();
            let hint = one.hint().await;
            assert!(hint.contains(&name("acct-2")), "{hint}");
            // A busy machine is given more than the second that is promised.
            assert!(begin.elapsed().as_secs() < 3, "{:?}", begin.elapsed());
        } else {
            // The reference would break the turn off: it is waited for.
            one.hint().await;
        }
        assert_eq!(two.turn("quickly").await, TurnStatus::Completed, "{server:?}");
        if server.is_empty() {
            assert_eq!(one.end_of(&turn).await.status, TurnStatus::Completed);
        }
        assert_eq!(stage.turns(), accounts(&[("acct-1", 200), ("acct-2", 200)]), "{server:?}");
        session.end().await;
    }
}

#[tokio::test]
async fn a_token_that_the_backend_refuses_is_renewed_and_clients_see_nothing_of_it() {
    for server in app_servers() {
        let stage = Stage::open(Script::new().rule(of("acct-1").respond("fine")), &["acct-1"]).await;
        let args: Vec<&str> = server.iter().map(String::as_str).collect();
        let session = stage.session(&args).await;
        let mut guest = session.guest().await;
        stage.sim.tokens().expire_all();
        assert_eq!(guest.turn("hello").await, TurnStatus::Completed, "{server:?}");
        assert_eq!(stage.turns(), accounts(&[("acct-1", 401), ("acct-1", 200)]), "{server:?}");
        let redeemed = stage.sim.requests().iter().filter(|request| request.path.ends_with("/oauth/token")).count();
        assert_eq!(redeemed, 1, "{server:?}");
        session.end().await;
    }
}
