//! Several accounts over one connection: what a parent lends beside the login, and the threads that run under it.

mod choices;
mod crossing;
mod forgotten;
mod moves;
mod refused;
mod scopes;

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use valet_protocol::methods as m;
use valet_protocol::v2::{Turn, TurnStatus};
use valet_sim::{IssuedToken, RecordedRequest, Response, Script, TokenPolicy, TokenRequest};
use valet_tests::{Asked, TestClient, TestHost};

const REFRESH: &str = "account/chatgptAuthTokens/refresh";

/// A host, and a parent that has logged in as `acct-1` and lent `acct-2` and `acct-3`.
struct Bench {
    host: TestHost,
    parent: TestClient,
}

impl Bench {
    /// A backend that does what the script says, and takes every token.
    async fn start(script: Script) -> Self {
        Self::on(TestHost::start(script).await).await
    }

    async fn on(host: TestHost) -> Self {
        let mut parent = host.client().await;
        parent.lend(TokenRequest::account("acct-1")).await;
        let mut bench = Self { host, parent };
        bench.lend(TokenRequest::account("acct-2")).await;
        bench.lend(TokenRequest::account("acct-3")).await;
        bench
    }

    async fn lend(&mut self, request: TokenRequest) -> IssuedToken {
        lend(&mut self.parent, request).await
    }

    async fn thread(&mut self, account: &str) -> String {
        thread(&mut self.parent, account).await
    }

    /// Has the next turns of a thread run under another account, and says from when on.
    async fn set(&mut self, thread: &str, account: Option<&str>) -> String {
        let set = json!({ "threadId": thread, "chatgptAccountId": account });
        let answer = self.parent.call("valet/thread/account/set", set).await.unwrap();
        answer["from"].as_str().unwrap().to_owned()
    }

    /// Carries a turn through, and says under which account.
    async fn pays(&mut self, thread: &str, text: &str) -> String {
        assert_eq!(self.parent.turn(thread, text).await.turn.status, TurnStatus::Completed, "{text}");
        let posts = self.posts(text);
        let (account, status) = posts.last().unwrap();
        assert_eq!(*status, 200, "{text}");
        account.clone()
    }

    /// The requests of the turns with this text, in order: the account, and the status that came.
    fn posts(&self, text: &str) -> Vec<(String, u16)> {
        let turns = self.host.sim.requests().into_iter().filter(|post| post.is_turn() && post.user_text() == text);
        turns.map(|post| (account_of(&post), post.status.unwrap())).collect()
    }
}

async fn lend(client: &mut TestClient, request: TokenRequest) -> IssuedToken {
    let token = client.token(request);
    assert_eq!(client.call("valet/account/lend", lent(&token)).await.unwrap(), json!({}));
    token
}

fn lent(token: &IssuedToken) -> Value {
    json!({ "accessToken": token.access_token, "chatgptAccountId": token.account_id })
}

/// A thread that runs under a lent account.
async fn thread(client: &mut TestClient, account: &str) -> String {
    let started = client.call("thread/start", under(account)).await.unwrap();
    started["thread"]["id"].as_str().unwrap().to_owned()
}

fn under(account: &str) -> Value {
    json!({ "valet": { "chatgptAccountId": account } })
}

/// What a client is told of the accounts that are lent: the id of each, and whether it is the login.
async fn listed(client: &mut TestClient) -> Vec<(String, bool)> {
    let listed = client.call("valet/account/list", Value::Null).await.unwrap();
    let each = listed["accounts"].as_array().unwrap().iter();
    each.map(|one| (one["chatgptAccountId"].as_str().unwrap().to_owned(), one["isCurrent"] == true)).collect()
}

/// The account of a request to the backend, by its header and by its token.
fn account_of(request: &RecordedRequest) -> String {
    let account = request.header("chatgpt-account-id").unwrap().to_owned();
    let claims = request.bearer.as_deref().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["https://api.openai.com/auth"]["chatgpt_account_id"], json!(account), "no token crosses");
    account
}

/// Answers a refresh with a new token, and says of which account.
fn renew(client: &TestClient, asked: &Asked) -> String {
    assert_eq!(asked.method, REFRESH);
    let account = asked.params["previousAccountId"].as_str().unwrap().to_owned();
    client.answer(asked, &lent(&client.token(TokenRequest::account(&account))));
    account
}

/// Waits until so many turns have ended.
async fn ends(client: &mut TestClient, count: usize) -> HashMap<String, Turn> {
    let mut ended = HashMap::new();
    while ended.len() < count {
        let turn = client.wait_for::<m::TurnCompleted>().await.turn;
        ended.insert(turn.id.clone(), turn);
    }
    ended
}

/// A backend that refuses the first token of each account.
fn refusing() -> Script {
    Script::text("Hello.").tokens(TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() })
}

/// A tool of the parent's, so that a turn stands still where the test wants it to.
fn pausing() -> Script {
    Script::responses([Response::new().function_call("pause", json!({})), Response::new().text("Done.")])
}

/// A thread under a lent account, with that tool.
async fn pausing_thread(bench: &mut Bench, account: &str) -> String {
    let mut params = under(account);
    let schema = json!({ "type": "object", "properties": {} });
    params["dynamicTools"] =
        json!([{ "type": "function", "name": "pause", "description": "Waits.", "inputSchema": schema }]);
    let started = bench.parent.call("thread/start", params).await.unwrap();
    started["thread"]["id"].as_str().unwrap().to_owned()
}

/// Starts a turn, which stands still at the tool.
async fn paused(bench: &mut Bench, thread: &str, text: &str) -> (String, Asked) {
    let turn = bench.parent.start_turn(thread, text).await;
    let asked = bench.parent.asked().await;
    assert_eq!(asked.method, "item/tool/call");
    (turn, asked)
}

fn go_on(client: &TestClient, paused: &Asked) {
    client.answer(paused, &json!({ "contentItems": [], "success": true }));
}

#[tokio::test]
async fn two_threads_are_refused_at_once_and_each_account_is_renewed_by_its_own_name() {
    let mut bench = Bench::start(refusing()).await;
    let threads = [bench.thread("acct-2").await, bench.thread("acct-3").await];
    bench.parent.start_turn(&threads[0], "one").await;
    bench.parent.start_turn(&threads[1], "two").await;
    let asked = [bench.parent.asked().await, bench.parent.asked().await];
    let mut renewed = asked.map(|asked| {
        assert_eq!(asked.params["reason"], "unauthorized");
        renew(&bench.parent, &asked)
    });
    renewed.sort();
    assert_eq!(renewed, ["acct-2", "acct-3"]);
    for turn in ends(&mut bench.parent, 2).await.into_values() {
        assert_eq!(turn.status, TurnStatus::Completed);
    }
    for (text, account) in [("one", "acct-2"), ("two", "acct-3")] {
        assert_eq!(bench.posts(text), [(account.to_owned(), 401), (account.to_owned(), 200)]);
    }
}

#[tokio::test]
async fn what_is_lent_is_listed_without_its_tokens_and_the_login_stays_what_it_was() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    let token = bench.lend(TokenRequest::account("acct-3").plan("plus")).await;
    let answer = bench.parent.call("valet/account/list", Value::Null).await.unwrap();
    let of = |account: &str, plan: &str, expires_at: &Value| {
        json!({ "chatgptAccountId": account, "userId": "user-1", "email": "user@example.com", "planType": plan,
            "expiresAt": expires_at, "isCurrent": false })
    };
    let first = &answer["accounts"][0]["expiresAt"];
    assert_eq!(answer["accounts"], json!([of("acct-2", "pro", first), of("acct-3", "plus", &json!(token.expires_at))]));
    assert!(first.is_i64());
    let thread = bench.parent.thread().await;
    assert_eq!(bench.pays(&thread, "hello").await, "acct-1");
    assert_eq!(bench.parent.record().messages().iter().filter(|(_, m)| m["method"] == "account/updated").count(), 1);
}

#[tokio::test]
async fn a_login_of_a_lent_account_is_the_same_account_and_so_is_what_is_lent_of_the_login() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    bench.lend(TokenRequest::account("acct-1")).await;
    let listed_as = |current: &str| ["acct-2", "acct-3", "acct-1"].map(|id| (id.to_owned(), id == current));
    assert_eq!(listed(&mut bench.parent).await, listed_as("acct-1"));
    let newer = bench.parent.lend(TokenRequest::account("acct-2")).await;
    assert_eq!(listed(&mut bench.parent).await, listed_as("acct-2"));
    let thread = bench.thread("acct-2").await;
    assert_eq!(bench.pays(&thread, "hello").await, "acct-2");
    let post = bench.host.sim.requests().into_iter().rfind(RecordedRequest::is_turn).unwrap();
    assert_eq!(post.bearer, Some(newer.access_token), "the token of the login is the newer one");
}

#[tokio::test]
async fn a_token_that_is_lent_in_time_saves_the_turn_that_waits_for_one() {
    let mut bench = Bench::start(refusing()).await;
    let thread = bench.thread("acct-2").await;
    let turn = bench.parent.start_turn(&thread, "hello").await;
    bench.parent.asked().await;
    bench.lend(TokenRequest::account("acct-2")).await;
    assert_eq!(bench.parent.end_of(&turn).await.turn.status, TurnStatus::Completed);
}

#[tokio::test]
async fn a_lent_token_about_to_expire_is_renewed_beside_the_turn() {
    let mut bench = Bench::start(Script::text("Hello.")).await;
    let soon = std::time::Duration::from_secs(120);
    bench.lend(TokenRequest::account("acct-2").lifetime(soon)).await;
    let thread = bench.thread("acct-2").await;
    assert_eq!(bench.pays(&thread, "hello").await, "acct-2");
    let asked = bench.parent.asked().await;
    assert_eq!(asked.params["valet"], json!({ "proactive": true }));
    assert_eq!(renew(&bench.parent, &asked), "acct-2");
}

#[tokio::test]
async fn a_lender_that_comes_back_is_asked_for_each_account_that_it_has_lent() {
    let host = TestHost::start(refusing()).await;
    let capabilities = json!({ "experimentalApi": true, "valet": { "ownerKey": "nobody guesses this" } });
    let mut parent = host.connect();
    parent.initialize_with(capabilities.clone()).await;
    lend(&mut parent, TokenRequest::account("acct-2")).await;
    let mut viewer = host.client().await;
    let thread = thread(&mut viewer, "acct-2").await;
    drop(parent);
    let mut parent = host.connect();
    parent.initialize_with(capabilities).await;
    let turn = viewer.start_turn(&thread, "hello").await;
    let asked = parent.asked().await;
    assert_eq!(renew(&parent, &asked), "acct-2");
    assert_eq!(viewer.end_of(&turn).await.turn.status, TurnStatus::Completed);
    assert!(!viewer.was_asked());
}

#[tokio::test]
async fn limits_are_told_and_read_of_the_account_that_the_thread_runs_under() {
    let used = |percent: &str| Response::new().text("Hi.").header("x-codex-primary-used-percent", percent);
    let mut bench = Bench::start(Script::responses([used("90"), Response::new().text("Hi."), used("7")])).await;
    let threads = [bench.thread("acct-2").await, bench.parent.thread().await];
    let mut told = async |thread: &str| {
        let turn = bench.parent.turn(thread, "hello").await;
        let told = turn.all::<m::AccountRateLimitsUpdated>().remove(0);
        let used = told.rate_limits.primary.map(|window| window.used_percent);
        (told.valet.unwrap().account_id.unwrap(), used)
    };
    assert_eq!(told(&threads[0]).await, ("acct-2".to_owned(), Some(90)));
    assert_eq!(told(&threads[1]).await, ("acct-1".to_owned(), None), "nothing is known of this one");
    assert_eq!(told(&threads[1]).await, ("acct-1".to_owned(), Some(7)));
    for (params, account) in [(under("acct-3"), "acct-3"), (json!({ "valet": {} }), "acct-1"), (json!({}), "acct-1")] {
        bench.parent.call("account/rateLimits/read", params).await.unwrap();
        let read = bench.host.sim.requests().into_iter().rfind(|read| read.path.ends_with("/wham/usage")).unwrap();
        assert_eq!(account_of(&read), account);
    }
}
