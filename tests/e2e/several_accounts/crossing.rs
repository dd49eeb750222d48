//! Many threads, many accounts, tokens that wear out and moves at any moment: each request of a turn carries the
//! account that was in force for its thread when the turn was asked for.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::json;
use valet_protocol::v2::TurnStatus;
use valet_sim::{Chunks, RecordedRequest, Response, Script, TokenPolicy, TokenRequest};
use valet_tests::{TestClient, TestHost};

use super::{REFRESH, account_of, lend};

const ACCOUNTS: [&str; 4] = ["acct-2", "acct-3", "acct-4", "acct-5"];
const THREADS: u64 = 8;
const TURNS_OF_EACH: u64 = 25;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    /// One of the accounts, or the login.
    fn account(&mut self) -> Option<&'static str> {
        ACCOUNTS.get(self.below(ACCOUNTS.len() + 1)).copied()
    }
}

async fn set(client: &mut TestClient, thread: &str, account: Option<&str>) -> String {
    let params = json!({ "threadId": thread, "chatgptAccountId": account });
    client.call("valet/thread/account/set", params).await.unwrap()["from"].as_str().unwrap().to_owned()
}

/// The turns of one thread: under which account each was asked for, and how often one was moved while it ran.
async fn play(mut client: TestClient, number: u64) -> (HashMap<String, &'static str>, usize) {
    let mut dice = Dice(number);
    let thread = client.thread().await;
    let (mut account, mut asked_for, mut moved) = (None, HashMap::new(), 0);
    for turn in 0..TURNS_OF_EACH {
        if dice.below(2) == 0 {
            account = dice.account();
            assert_eq!(set(&mut client, &thread, account).await, "now");
        }
        let text = format!("thread {number} turn {turn}");
        asked_for.insert(text.clone(), account.unwrap_or("acct-1"));
        let id = client.start_turn(&thread, &text).await;
        for _ in 0..dice.below(3) {
            account = dice.account();
            moved += usize::from(set(&mut client, &thread, account).await == "nextTurn");
        }
        assert_eq!(client.end_of(&id).await.turn.status, TurnStatus::Completed, "{text}");
    }
    (asked_for, moved)
}

#[tokio::test]
async fn two_hundred_turns_with_moves_at_any_moment_and_nothing_crosses() {
    let slow = Response::new().chunks(Chunks::repeat("w ", 5).every(Duration::from_millis(3)));
    // Good for each thread once and once again: a token is not worn out anew while it is waited for.
    let policy = TokenPolicy { uses: Some(2 * THREADS), first_uses: Some(0), ..TokenPolicy::default() };
    let host = TestHost::start(Script::respond(slow).tokens(policy)).await;
    let mut parent = host.parent().await;
    for account in ACCOUNTS {
        lend(&mut parent, TokenRequest::account(account)).await;
    }
    let mut threads = Vec::new();
    for number in 0..THREADS {
        threads.push(tokio::spawn(play(host.client().await, number)));
    }
    let (mut asked_for, mut moved) = (HashMap::new(), 0);
    for thread in threads {
        let (turns, times) = thread.await.unwrap();
        asked_for.extend(turns);
        moved += times;
    }
    assert!(moved > 50, "{moved} turns were moved while they ran");
    let posts: Vec<_> = host.sim.requests().into_iter().filter(RecordedRequest::is_turn).collect();
    for post in &posts {
        assert_eq!(account_of(post), asked_for[&post.user_text()], "{}", post.user_text());
    }
    let good = posts.iter().filter(|post| post.status == Some(200)).map(RecordedRequest::user_text);
    assert_eq!(good.clone().count(), 200);
    assert_eq!(good.collect::<HashSet<_>>().len(), 200, "each turn ran once");
    let record = parent.record();
    let renewed = record.messages().iter().filter(|(_, message)| message["method"] == REFRESH);
    let renewed: HashSet<_> = renewed.map(|(_, message)| message["params"]["previousAccountId"].clone()).collect();
    assert_eq!(renewed.len(), ACCOUNTS.len() + 1, "each account was renewed by its own name");
}
