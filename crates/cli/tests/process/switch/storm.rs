//! Everything at once: three clients, accounts that change under them, tokens that are refused, and kills of clients, app
//! server and session. Each turn has one outcome, none runs twice, and no token crosses from one account to another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pretty_assertions::assert_eq;
use tokio::sync::watch;
use valet_auth::Claims;
use valet_client::{Client, Handlers, Notifications};
use valet_protocol::{methods as m, v2};
use valet_sim::{RecordedRequest, Response, Rule, Script};

use super::ends::app_server_of;
use super::{Session, Stage, TOKEN, kill};
use crate::probe::{Process, gone, tree};
use crate::support::{in_time, long};

const ACCOUNTS: [&str; 3] = ["acct-1", "acct-2", "acct-3"];
const CLIENTS: u32 = 3;

/// Numbers that look like chance, and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(sides)).unwrap()
    }
}

/// A client that goes on wherever the session is, and what became of its turns.
struct Wanderer {
    number: u32,
    addresses: watch::Receiver<String>,
    /// How many turns all have begun.
    begun: Arc<AtomicU32>,
    dice: Dice,
    thread: Option<String>,
    /// By their words: how a turn ended, or none if the end was not heard.
    turns: BTreeMap<String, Option<v2::TurnStatus>>,
}

impl Wanderer {
    /// Connects where the session is now, and takes its thread up. None: it is just dying.
    async fn connect(&mut self) -> Option<(Client, Notifications)> {
        let address = self.addresses.borrow_and_update().clone();
        let link = valet_client::connect(&format!("ws://{address}"), Some(TOKEN)).await.ok()?;
        let (client, told) = Client::new(link, Handlers::new());
        client.initialize("wanderer", "1", false).await.ok()?;
        match &self.thread {
            Some(thread) => {
                let params = v2::ThreadResumeParams { thread_id: thread.clone(), ..Default::default() };
                if let Err(error) = client.request::<m::ThreadResume>(params).await {
                    // The session was killed before anything of the thread was written.
                    if error.to_string().contains("no rollout found") {
                        assert!(self.turns.values().all(Option::is_none), "{error}: {:?}", self.turns);
                        self.turns.clear();
                        self.thread = None;
                    }
                    return None;
                }
            }
            None => {
                let params = v2::ThreadStartParams {
                    approval_policy: Some(v2::AskForApproval::Never),
                    sandbox: Some(v2::SandboxMode::DangerFullAccess),
                    ..Default::default()
                };
                self.thread = Some(client.request::<m::ThreadStart>(params).await.ok()?.thread.id);
            }
        }
        Some((client, told))
    }

    /// Runs turns until there have been enough, with a new connection whenever the old one is gone, or is left in mid-turn.
    async fn wander(mut self, enough: u32) -> Self {
        let mut connection = None;
        loop {
            let (client, told) = match &mut connection {
                Some(connection) => connection,
                None => match in_time(self.connect()).await {
                    Some(connected) => connection.insert(connected),
                    None => {
                        // Until the next session is there; this one may also just refuse a thread that it has not left yet.
                        let _ = tokio::time::timeout(Duration::from_millis(100), self.addresses.changed()).await;
                        continue;
                    }
                },
            };
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            if number >= enough {
                return self;
            }
            let words = format!("turn {number} of client {}", self.number);
            let input = vec![v2::UserInput::Text { text: words.clone(), text_elements: Vec::new() }];
            let thread_id = self.thread.clone().unwrap();
            let begun =
                in_time(client.request::<m::TurnStart>(v2::TurnStartParams { thread_id, input, ..Default::default() }));
            let Ok(begun) = begun.await else {
                connection = None;
                continue;
            };
            if self.dice.roll(12) == 0 {
                self.turns.insert(words, None);
                connection = None;
                continue;
            }
            let ended = in_time(told.wait_for::<m::TurnCompleted>(|ended| ended.turn.id == begun.turn.id)).await;
            self.turns.insert(words, ended.as_ref().map(|ended| ended.turn.status.clone()));
            if ended.is_none() {
                connection = None;
            }
        }
    }
}

/// Two requests each, so that an account could change between them.
fn script(turns: u32) -> Script {
    let tool = Response::new()
        .delay(Duration::from_millis(15))
        .function_call("exec_command", serde_json::json!({ "cmd": "true", "login": false }));
    let end = Response::new().delay(Duration::from_millis(15)).text("done");
    (0..turns).fold(Script::new(), |script, number| {
        script.rule(Rule::when(format!("turn {number} of")).respond(tool.clone()).respond(end.clone()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_each_turn_has_one_outcome_none_runs_twice_and_no_token_crosses() {
    let (turns, switches) = long((200, 40), (2000, 400));
    let stage = Stage::open(script(turns), &ACCOUNTS).await;
    let mut dice = Dice(9);
    let mut session = stage.session(&[]).await;
    let mut all: Vec<Process> = tree(session.pid());
    let (address, addresses) = watch::channel(session.address.clone());
    let begun = Arc::new(AtomicU32::new(0));
    let wanderers: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (addresses, begun) = (addresses.clone(), Arc::clone(&begun));
            let dice = Dice(number.into());
            let wanderer = Wanderer { number, addresses, begun, dice, thread: None, turns: BTreeMap::new() };
            tokio::spawn(wanderer.wander(turns))
        })
        .collect();
    let mut deaths = 0;
    for number in 0..switches {
        let (code, said) = stage.valet(&["accounts", "use", ACCOUNTS[(number + 1) % ACCOUNTS.len()]]).await;
        assert_eq!(code, 0, "{said}");
        match dice.roll(10) {
            0 | 1 => _ = stage.sim.tokens().expire_all(),
            2 => {
                deaths += 1;
                all.extend(tree(session.pid()));
                kill(if dice.roll(2) == 0 { session.pid() } else { app_server_of(session.pid(), "valet") });
                in_time(session.child.wait()).await.unwrap();
                session = stage.session(&[]).await;
                all.extend(tree(session.pid()));
                address.send_replace(session.address.clone());
            }
            _ => tokio::time::sleep(Duration::from_millis(40)).await,
        }
    }
    assert!(deaths >= 3, "{deaths} deaths are no storm");
    let mut threads = Vec::new();
    for wanderer in wanderers {
        let wanderer = tokio::time::timeout(Duration::from_secs(120), wanderer).await.unwrap().unwrap();
        threads.push((wanderer.thread.unwrap(), wanderer.turns));
    }
    for (thread, turns) in &threads {
        one_outcome_each(&session, thread, turns).await;
    }
    all.extend(tree(session.pid()));
    session.end().await;
    gone(&all).await;
    nothing_crossed_or_ran_twice(&stage.sim.requests());
}

/// What is stored says of each turn how it ended, and the same as its client has heard.
async fn one_outcome_each(session: &Session, thread: &str, turns: &BTreeMap<String, Option<v2::TurnStatus>>) {
    let (client, _told) = session.connect().await;
    let params = v2::ThreadResumeParams { thread_id: thread.to_owned(), ..Default::default() };
    let stored = in_time(client.request::<m::ThreadResume>(params)).await.unwrap().opened.thread.turns;
    let mut outcomes: BTreeMap<String, Vec<v2::TurnStatus>> = BTreeMap::new();
    for turn in stored {
        // What was said while the turn of a client that had left went on is part of that turn.
        for item in &turn.items {
            let v2::ThreadItemDetails::UserMessage { content, .. } = &item.details else { continue };
            let [v2::UserInput::Text { text, .. }] = &content[..] else { continue };
            outcomes.entry(text.clone()).or_default().push(turn.status.clone());
        }
    }
    for (words, heard) in turns {
        let stored = outcomes.remove(words).unwrap_or_default();
        match heard {
            Some(heard) => assert_eq!(stored, std::slice::from_ref(heard), "{words}"),
            // Nobody heard. What was killed before it was written has left nothing.
            None => assert!(stored.len() <= 1 && !stored.contains(&v2::TurnStatus::InProgress), "{words}: {stored:?}"),
        }
    }
    assert!(outcomes.values().all(|outcomes| outcomes.len() == 1), "{outcomes:?}");
}

fn nothing_crossed_or_ran_twice(requests: &[RecordedRequest]) {
    let mut by_turn: BTreeMap<String, Vec<&RecordedRequest>> = BTreeMap::new();
    let mut accounts = BTreeSet::new();
    for request in requests.iter().filter(|request| request.is_turn()) {
        let account = request.header("chatgpt-account-id").unwrap();
        let claims = Claims::of(request.bearer.as_deref().unwrap()).unwrap();
        assert_eq!(claims.account_id.as_deref(), Some(account), "a token of one account with the name of another");
        accounts.insert(account.to_owned());
        by_turn.entry(request.user_text()).or_default().push(request);
    }
    assert_eq!(accounts.len(), ACCOUNTS.len(), "each account was used");
    for (words, requests) in by_turn {
        let accounts: BTreeSet<_> = requests.iter().map(|request| request.header("chatgpt-account-id")).collect();
        assert_eq!(accounts.len(), 1, "{words} has changed its account: {requests:?}");
        // The first request, and the one with the tool's output. A refused one is sent once more.
        let good = requests.iter().filter(|request| request.status == Some(200)).count();
        assert!(good <= 2 && requests.len() <= 4, "{words} ran twice: {requests:?}");
    }
}
