//! The parent of an app server whose turns a change of the account would break off, as those of the reference.

use std::sync::Arc;
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use valet_auth::AccessToken;
use valet_auth::issuer::Issuer;
use valet_auth::store::{CodexFile, CredentialStore, Login, Shelf, Shelving, Tokens};
use valet_protocol::v2::{RateLimitSnapshot, RateLimitWindow};
use valet_sim::{Script, Sim, TokenRequest};
use valet_transport::{Inbox, Outbox, OutboxLimits, memory};

use super::{BOUNDARY, Parent, Wishes};
use crate::meters::Meters;
use crate::policy::Policy;
use crate::session::Session;
use crate::wallet::{Parts, Wallet};

const FIRST: &str = "user@example.com_acct-1";
const SECOND: &str = "user@example.com_acct-2";
const THIRD: &str = "user@example.com_acct-3";

/// A parent with three accounts, of which the first one is lent, and a client that hears what the person is told.
struct Stage {
    parent: Parent,
    /// From the app server to the parent.
    app_server: Outbox,
    told: mpsc::UnboundedReceiver<Utf8Bytes>,
    _home: TempDir,
}

impl Stage {
    async fn open(policy: Policy) -> Self {
        let sim = Sim::start(Script::new()).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let (store, shelf) = (Arc::new(CodexFile::of_home(home.path())), Shelf::of_home(home.path()));
        for account in ["acct-3", "acct-2", "acct-1"] {
            let token = sim.tokens().issue(TokenRequest::account(account));
            let [id, access, refresh] = [token.id_token, token.access_token, token.refresh_token].map(AccessToken::new);
            let login = Login::Chatgpt(Tokens::issued(id, access, refresh, 1));
            let shelving = Shelving::new(store.clone(), shelf.clone());
            shelving.lock(Duration::ZERO).unwrap().save(&login).unwrap();
        }
        let issuer = Issuer::at(&sim.origin());
        let parts = Parts { store, shelf, rules: Default::default(), issuer, http: Arc::default(), redeemer: None };
        let wallet = Arc::new(Wallet::new(parts));
        let meters = Arc::new(Meters::new(Arc::clone(&wallet), &sim.chatgpt_base_url()));
        let (news, _heard) = mpsc::unbounded_channel();
        let session = Arc::new(Session::new(policy.acts(), false, "secret", news));
        let (to_client, told) = mpsc::unbounded_channel();
        session.join(to_client);
        let (ours, theirs) = memory::pair(OutboxLimits::default());
        tokio::spawn(serve(theirs.inbox, theirs.outbox.clone()));
        let wishes = Wishes { policy, ..Wishes::default() };
        let parent = Parent::open(ours, session, wallet, meters, wishes).await.unwrap();
        Self { parent, app_server: theirs.outbox, told, _home: home }
    }

    /// The app server has a turn that runs, or that one has ended.
    async fn becomes(&mut self, status: &str) {
        let params = json!({ "threadId": "a", "status": { "type": status } });
        push(&self.app_server, &json!({ "method": "thread/status/changed", "params": params }));
        let told = self.parent.notifications.next().await.unwrap();
        self.parent.note(&told);
        self.parent.change_late().await;
    }

    /// The person takes another account. Returns for how long turns are held back.
    async fn choose(&mut self, name: &str) -> Duration {
        let begin = Instant::now();
        self.parent.wallet.activate(name).unwrap();
        self.parent.follow().await;
        begin.elapsed()
    }

    /// So much of an account is used. Returns for how long turns are held back.
    async fn used(&mut self, name: &str, percent: i32) -> Duration {
        let begin = Instant::now();
        let window = RateLimitWindow { used_percent: percent, window_duration_mins: None, resets_at: None };
        self.parent.meters.told(name, &RateLimitSnapshot { primary: Some(window), ..Default::default() });
        self.parent.decide(false).await;
        begin.elapsed()
    }

    fn lent(&self) -> String {
        self.parent.session.lent().unwrap()
    }

    /// What the person was told since the last time.
    fn hints(&mut self) -> Vec<String> {
        let texts = std::iter::from_fn(|| self.told.try_recv().ok());
        let messages = texts.map(|text| serde_json::from_str::<Value>(&text).unwrap()["params"]["message"].clone());
        messages.map(|message| message.as_str().unwrap().to_owned()).collect()
    }
}

/// Answers everything.
async fn serve(mut inbox: Inbox, outbox: Outbox) {
    while let Some(text) = inbox.next().await {
        let request: Value = serde_json::from_slice(&text).unwrap();
        let result = match request["method"].as_str().unwrap() {
            "initialize" => json!({ "userAgent": "", "codexHome": "", "platformFamily": "", "platformOs": "" }),
            "account/login/start" => json!({ "type": "chatgptAuthTokens" }),
            "thread/loaded/list" => json!({ "data": [] }),
            _ => continue,
        };
        push(&outbox, &json!({ "id": request["id"], "result": result }));
    }
}

fn push(outbox: &Outbox, message: &Value) {
    outbox.push(message.to_string().into());
}

#[tokio::test(start_paused = true)]
async fn a_choice_that_waits_for_a_turn_and_is_taken_back_changes_nothing() {
    let mut stage = Stage::open(Policy::Tell).await;
    stage.becomes("active").await;
    assert_eq!(stage.choose(SECOND).await, BOUNDARY);
    stage.choose(FIRST).await;
    stage.becomes("idle").await;
    assert_eq!((stage.lent(), stage.hints()), (FIRST.to_owned(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn of_choices_that_wait_for_a_turn_the_last_one_counts_and_is_told_when_it_does() {
    let mut stage = Stage::open(Policy::Tell).await;
    stage.becomes("active").await;
    stage.choose(SECOND).await;
    stage.choose(THIRD).await;
    assert_eq!((stage.lent(), stage.hints()), (FIRST.to_owned(), Vec::new()));
    stage.becomes("idle").await;
    assert_eq!((stage.lent(), stage.hints()), (THIRD.to_owned(), vec![format!("From now on turns run as {THIRD}.")]));
}

#[tokio::test(start_paused = true)]
async fn the_change_that_a_limit_asks_for_replaces_a_choice_that_waits() {
    let mut stage = Stage::open(Policy::Headroom).await;
    stage.becomes("active").await;
    stage.used(THIRD, 1).await;
    stage.choose(SECOND).await;
    stage.used(FIRST, 100).await;
    stage.becomes("idle").await;
    assert_eq!(stage.lent(), THIRD);
    let hints = stage.hints();
    assert!(matches!(&hints[..], [hint] if hint.contains(&format!("{THIRD} is used from now on"))), "{hints:?}");
}

#[tokio::test(start_paused = true)]
async fn turns_are_held_back_once_for_a_change_that_waits() {
    let mut stage = Stage::open(Policy::Headroom).await;
    stage.becomes("active").await;
    stage.used(SECOND, 1).await;
    assert_eq!(stage.used(FIRST, 100).await, BOUNDARY);
    assert_eq!(stage.used(SECOND, 2).await, Duration::ZERO);
    assert_eq!(stage.choose(SECOND).await, Duration::ZERO);
    stage.becomes("idle").await;
    assert_eq!(stage.lent(), SECOND);
}
