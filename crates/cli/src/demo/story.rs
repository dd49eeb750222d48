//! The story itself: what the parent does, and what is counted on the way.

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;
use valet_client::{AppServer, Client, Handlers, Notifications};
use valet_protocol::{ErrorObject, Secret, methods as m, v2};
use valet_sim::{
    Chunks, IssuedToken, RecordedRequest, Response, Rule, Script, Sim, TokenPolicy, TokenRequest, fingerprint,
};

use super::narrator::{Narrator, Role};

/// How long any one step may take before the demo gives up.
const STEP_LIMIT: Duration = Duration::from_secs(20);

const ANSWER: &str = "Your token had expired. I asked for a new one, you lent it, and the work went on.";
const SECOND_ANSWER: &str = "This time nobody had to be asked: the new token is still good.";

/// What the parent of the demo wants of a thread that was opened. Reading no more than what is wanted of the larger
/// answers keeps the decoders of all that a thread can hold out of the binary, which is a host and only writes them.
#[derive(Deserialize)]
struct Opened {
    thread: OpenedThread,
}

#[derive(Deserialize)]
struct OpenedThread {
    id: String,
}

/// What it wants of a turn that has ended.
#[derive(Deserialize)]
struct Ended {
    turn: EndedTurn,
}

#[derive(Deserialize)]
struct EndedTurn {
    status: v2::TurnStatus,
}

/// What happened.
#[derive(Debug, Default)]
pub(super) struct Summary {
    turns: usize,
    tokens_lent: usize,
    refreshes: usize,
    refused: usize,
    answered: usize,
    deltas: usize,
    fingerprints: Vec<String>,
    elapsed: Duration,
}

impl Summary {
    pub(super) fn print(&self, narrator: &Narrator) {
        narrator.heading("What happened");
        let rows: [(&str, String); 7] = [
            ("turns completed", self.turns.to_string()),
            ("tokens lent", format!("{} ({})", self.tokens_lent, self.fingerprints.join(", "))),
            ("refresh requests", self.refreshes.to_string()),
            ("requests refused with 401", self.refused.to_string()),
            ("requests answered", self.answered.to_string()),
            ("streamed pieces of text", self.deltas.to_string()),
            ("milliseconds in all", self.elapsed.as_millis().to_string()),
        ];
        for (name, value) in rows {
            narrator.line(format_args!("  {name:<26} {value}"));
        }
        narrator.line("");
    }

    /// Whether it was what the demo is meant to show.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(self.turns == 2, "{} turns completed instead of 2", self.turns);
        ensure!(self.refused == 1, "{} requests were refused instead of 1", self.refused);
        ensure!(self.refreshes == 1, "the parent was asked {} times instead of once", self.refreshes);
        ensure!(self.answered == 2, "{} requests were answered instead of 2", self.answered);
        ensure!(self.tokens_lent == 2 && self.fingerprints.len() == 2, "the tokens lent were not two different ones");
        ensure!(self.deltas > 2, "the answer did not stream");
        Ok(())
    }
}

/// The parent of the demo, and what it keeps count of.
struct Parent {
    narrator: Arc<Narrator>,
    sim: Sim,
    /// How many of the backend's requests were shown.
    shown: Mutex<usize>,
    summary: Mutex<Summary>,
}

impl Parent {
    /// Gets a token, as a real parent gets one from the user's login.
    fn token(&self) -> IssuedToken {
        let token = self.sim.tokens().issue(TokenRequest::default());
        self.count(|summary| {
            summary.tokens_lent += 1;
            summary.fingerprints.push(fingerprint(&token.access_token));
            summary.fingerprints.dedup();
        });
        token
    }

    fn count(&self, change: impl FnOnce(&mut Summary)) {
        change(&mut self.summary.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn says(&self, what: &str, details: &str) {
        self.narrator.say(Role::Parent, Role::Valet, what, details);
    }

    /// What Valet says, after whatever it said to the backend before.
    fn hears(&self, what: &str, details: &str) {
        self.show_backend();
        self.narrator.say(Role::Valet, Role::Parent, what, details);
    }

    fn show_backend(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = self.sim.requests();
        for request in &requests[*shown..] {
            self.show_request(request);
        }
        *shown = requests.len();
    }

    fn show_request(&self, request: &RecordedRequest) {
        let token = request.bearer.as_deref().map_or_else(|| "no token".to_owned(), fingerprint);
        let what = format!("{} {}", request.method, request.path_only());
        self.narrator.say(Role::Valet, Role::Backend, what, format_args!("token {token}"));
        let status = request.status.unwrap_or_default();
        let meaning = match (status, request.is_turn()) {
            (401, _) => "the token has expired",
            (_, true) => "a stream of events",
            _ => "",
        };
        self.narrator.say(Role::Backend, Role::Valet, status, meaning);
        if request.is_turn() {
            self.count(|summary| if status == 401 { summary.refused += 1 } else { summary.answered += 1 });
        }
    }

    /// Answers the one request that a parent must answer.
    async fn refresh(
        self: Arc<Self>,
        params: v2::ChatgptAuthTokensRefreshParams,
    ) -> Result<v2::ChatgptAuthTokensRefreshResponse, ErrorObject> {
        let account = params.previous_account_id.unwrap_or_default();
        self.hears("account/chatgptAuthTokens/refresh", &format!("a new token for {account}, please"));
        self.count(|summary| summary.refreshes += 1);
        let token = self.token();
        self.says("the answer", &format!("token {}", fingerprint(&token.access_token)));
        Ok(v2::ChatgptAuthTokensRefreshResponse {
            access_token: Secret::new(token.access_token),
            chatgpt_account_id: token.account_id,
            chatgpt_plan_type: Some(token.plan),
        })
    }

    async fn log_in(&self, client: &Client, notifications: &mut Notifications) -> anyhow::Result<()> {
        let token = self.token();
        self.says("account/login/start", &format!("lends token {}", fingerprint(&token.access_token)));
        let params = v2::LoginAccountParams::lend(token.access_token, token.account_id);
        client.request::<m::AccountLoginStart>(params).await?;
        let updated = notifications.wait_for::<m::AccountUpdated>(|_| true).await.context("the host has left")?;
        let plan = updated.plan_type.map(|plan| plan.as_str().to_owned()).unwrap_or_default();
        self.hears("account/updated", &format!("logged in, plan {plan}"));
        Ok(())
    }

    async fn turn(
        &self,
        client: &Client,
        notifications: &mut Notifications,
        thread_id: &str,
        text: &str,
    ) -> anyhow::Result<()> {
        self.says("turn/start", &format!("“{text}”"));
        let input = vec![v2::UserInput::Text { text: text.to_owned(), text_elements: Vec::new() }];
        let params = v2::TurnStartParams { thread_id: thread_id.to_owned(), input, ..Default::default() };
        client.request_part::<m::TurnStart, IgnoredAny>(params).await?;
        loop {
            let notification = notifications.next().await.context("the host has left")?;
            if let Some(delta) = notification.read::<m::AgentMessageDelta>() {
                self.show_backend();
                self.count(|summary| summary.deltas += 1);
                self.narrator.stream(&delta.delta);
            }
            if let Some(error) = notification.read::<m::Error>() {
                self.hears("error", &error.error.message);
            }
            if let Some(Ended { turn }) = notification.read_part::<m::TurnCompleted, Ended>() {
                self.hears("turn/completed", turn.status.as_str());
                let done = turn.status == v2::TurnStatus::Completed;
                self.count(|summary| summary.turns += usize::from(done));
                return Ok(());
            }
        }
    }
}

/// Word by word, as a model speaks: what comes at once is told at once.
fn spoken(answer: &str) -> Response {
    Response::new().chunks(Chunks::words(answer).every(Duration::from_millis(15)))
}

/// A backend that refuses the first token of an account at its first turn.
fn script() -> Script {
    Script::new()
        .tokens(TokenPolicy { first_uses: Some(0), ..TokenPolicy::default() })
        .rule(Rule::when("Try again").respond(spoken(SECOND_ANSWER)))
        .rule(Rule::always().respond(spoken(ANSWER)))
}

/// Tells the story, and counts.
pub(super) async fn tell(narrator: Arc<Narrator>) -> anyhow::Result<Summary> {
    let began = Instant::now();
    let sim = Sim::start(script()).await.context("cannot start the sim")?;
    let home = tempfile::tempdir().context("cannot make a home directory")?;
    std::fs::write(home.path().join("config.toml"), config(&sim)).context("cannot write config.toml")?;
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.arg("app-server").env("VALET_HOME", home.path());
    // The sim is on this machine, and no proxy is asked for it.
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    let server = AppServer::spawn(&mut command).context("cannot start the host")?;
    let parent = Arc::new(Parent { narrator, sim, shown: Mutex::default(), summary: Mutex::default() });
    let handlers = {
        let parent = Arc::clone(&parent);
        Handlers::new().on::<m::ChatgptAuthTokensRefresh, _>(move |params| Arc::clone(&parent).refresh(params))
    };
    let (client, notifications) = Client::new(server.link, handlers);
    let played = tokio::time::timeout(STEP_LIMIT, play(&parent, client, notifications)).await;
    played.context("the host took too long")??;
    let status = server.process.wait(STEP_LIMIT).await?;
    ensure!(status.success(), "the host ended with {status}");
    parent.sim.shutdown().await;
    let mut summary = std::mem::take(&mut *parent.summary.lock().unwrap_or_else(PoisonError::into_inner));
    summary.elapsed = began.elapsed();
    Ok(summary)
}

/// The parent's part. The host ends when the client is dropped.
async fn play(parent: &Arc<Parent>, client: Client, mut notifications: Notifications) -> anyhow::Result<()> {
    let narrator = &parent.narrator;
    narrator.heading("A parent starts Valet over stdio and lends it a token");
    parent.says("initialize", "");
    let opened = client.initialize("valet-demo", env!("CARGO_PKG_VERSION"), true).await?;
    parent.hears("the answer", &opened.user_agent);
    parent.log_in(&client, &mut notifications).await?;
    parent.says("thread/start", "");
    let params = v2::ThreadStartParams::default();
    let Opened { thread } = client.request_part::<m::ThreadStart, Opened>(params).await?;
    parent.hears("the answer", &format!("thread {}", thread.id));
    narrator.heading("The backend refuses the token; the parent is asked for another; the turn goes on");
    parent.turn(&client, &mut notifications, &thread.id, "Is my token still good?").await?;
    narrator.heading("The next turn uses the new token");
    parent.turn(&client, &mut notifications, &thread.id, "Try again.").await?;
    Ok(())
}

fn config(sim: &Sim) -> String {
    format!(
        "model_provider = \"sim\"\n\
         chatgpt_base_url = \"{}\"\n\
         [model_providers.sim]\n\
         base_url = \"{}\"\n\
         requires_openai_auth = true\n",
        sim.chatgpt_base_url(),
        sim.base_url(),
    )
}
