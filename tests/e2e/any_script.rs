//! Whatever the backend does and whatever the parent answers, each turn ends once, and the number of refreshes
//! and requests stays within its bounds.

use proptest::prelude::*;
use serde_json::{Value, json};
use valet_sim::{RecordedRequest, Response, Script, TokenRequest};
use valet_tests::{Asked, TestClient, TestHost};

/// What the backend does with one request.
#[derive(Clone, Copy, Debug)]
enum Backend {
    Answers,
    Refuses,
    Forbids,
    Limits,
    Breaks,
    Cuts,
}

/// What the parent does when it is asked.
#[derive(Clone, Copy, Debug)]
enum Parent {
    Lends,
    LendsTwice,
    LendsAnother,
    Refuses,
    Babbles,
    IsSilent,
}

fn response(backend: Backend) -> Response {
    match backend {
        Backend::Answers => Response::new().text("Hello."),
        Backend::Refuses => Response::status(401).body("no"),
        Backend::Forbids => Response::status(403).body("no"),
        Backend::Limits => Response::status(429).body("{}"),
        Backend::Breaks => Response::status(500),
        Backend::Cuts => Response::new().event(json!({ "type": "response.created" })).cut(),
    }
}

fn answer(client: &TestClient, asked: &Asked, parent: Parent) {
    let lend = |account: &str| {
        let token = client.token(TokenRequest::account(account));
        json!({ "accessToken": token.access_token, "chatgptAccountId": token.account_id })
    };
    match parent {
        Parent::Lends => client.answer(asked, &lend("acct-1")),
        Parent::LendsTwice => {
            client.answer(asked, &lend("acct-1"));
            client.answer(asked, &lend("acct-1"));
        }
        Parent::LendsAnother => client.answer(asked, &lend("acct-2")),
        Parent::Refuses => client.refuse(asked, &json!({ "message": "no" })),
        Parent::Babbles => client.answer(asked, &Value::Null),
        Parent::IsSilent => {}
    }
}

const TURNS: usize = 3;

async fn play(backend: Vec<Backend>, mut parents: Vec<Parent>) {
    let script = Script::responses(backend.iter().copied().map(response));
    let host = TestHost::builder()
        .script(script)
        .provider("stream_max_retries = 1")
        .with("valet.auth_refresh_timeout_ms=60")
        .start()
        .await;
    let mut client = host.client().await;
    client.lend(TokenRequest::default()).await;
    let thread = client.thread().await;
    for turn in 0..TURNS {
        let before = host.sim.requests().len();
        let turn_id = client.start_turn(&thread, &format!("turn {turn}")).await;
        let mut refreshes = 0;
        loop {
            while client.was_asked() {
                let asked = client.asked().await;
                refreshes += 1;
                answer(&client, &asked, parents.pop().unwrap_or(Parent::Lends));
            }
            let told = tokio::time::timeout(std::time::Duration::from_millis(5), client.next()).await;
            let Ok((method, params)) = told else { continue };
            if method == "turn/completed" && params["turn"]["id"] == turn_id.as_str() {
                break;
            }
        }
        let sent = host.sim.requests()[before..].iter().filter(|request| request.is_turn()).count();
        // At most one retry, each attempt at most one refresh and two requests.
        assert!(sent <= 4, "{sent} requests");
        assert!(refreshes <= 2, "{refreshes} refreshes");
    }
    // What came late must not have begun anything: the thread still takes a turn, and the record is judged
    // when the client is dropped.
    client.call("account/read", json!({})).await.unwrap();
    let foreign = |request: &&RecordedRequest| request.header("chatgpt-account-id") == Some("acct-2");
    assert_eq!(host.sim.requests().iter().filter(foreign).count(), 0, "a token of another account is never used");
}

fn backends() -> impl Strategy<Value = Vec<Backend>> {
    use Backend::{Answers, Breaks, Cuts, Forbids, Limits, Refuses};
    let one = prop_oneof![
        3 => Just(Refuses),
        2 => Just(Answers),
        1 => prop::sample::select(vec![Forbids, Limits, Breaks, Cuts]),
    ];
    prop::collection::vec(one, 1..10)
}

fn parents() -> impl Strategy<Value = Vec<Parent>> {
    use Parent::{Babbles, IsSilent, Lends, LendsAnother, LendsTwice, Refuses};
    let one = prop::sample::select(vec![Lends, Lends, LendsTwice, LendsAnother, Refuses, Babbles, IsSilent]);
    prop::collection::vec(one, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn x_12_any_script_of_the_backend_and_the_parent_stays_within_the_bounds(
        backend in backends(),
        parents in parents(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(play(backend, parents));
    }
}
