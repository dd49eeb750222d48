//! Drives an app server with the crate `codex-codes`, as it is published. Called as `PROGRAM SERVER ORIGIN DIRECTORY`;
//! tells of its steps as TAP does. The answers that are expected are those of `backend.json`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use codex_codes::{AppServerBuilder, AsyncClient, Notification, ServerMessage};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

/// Each may use what an earlier one left behind.
const STEPS: &[&str] = &[
    "start",
    "account_read",
    "login_api_key",
    "thread_start",
    "plain_turn",
    "turn_with_reasoning",
    "turn_with_approval",
    "interrupted_turn",
    "failed_turn",
    "turns_list",
    "fork",
    "archive",
    "restart",
    "unarchive",
    "resume",
    "turn_after_resume",
    "no_message_of_unknown_type",
    "shutdown",
];

struct Steps {
    server: PathBuf,
    directory: PathBuf,
    client: Option<AsyncClient>,
    thread: String,
    /// Methods that the crate does not know.
    strangers: Vec<String>,
}

/// How a turn ended, and what was streamed.
#[derive(Default)]
struct Turn {
    status: Value,
    text: String,
    reasoning: String,
    asked: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments == ["--version"] {
        // Whoever looks for this program asks.
        println!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let [server, _origin, directory] = arguments.try_into().ok().context("three arguments are needed")?;
    let mut steps = Steps {
        server: server.into(),
        directory: directory.into(),
        client: None,
        thread: String::new(),
        strangers: Vec::new(),
    };
    println!("1..{}", STEPS.len());
    for step in STEPS {
        let result = tokio::time::timeout(LIMIT, steps.take(step)).await;
        match result.context("it takes too long").and_then(|result| result) {
            Ok(()) => println!("ok {step}"),
            Err(why) => {
                eprintln!("{step}: {why:#}");
                println!("not ok {step}");
            }
        }
    }
    Ok(())
}

impl Steps {
    async fn take(&mut self, step: &str) -> Result<()> {
        let thread = json!({ "threadId": self.thread });
        match step {
            "start" | "restart" => {
                // The old one is killed when it is dropped.
                self.client = None;
                let builder = AppServerBuilder::new().command(&self.server).working_directory(&self.directory);
                self.client = Some(AsyncClient::start_with(builder).await?);
            }
            "account_read" => {
                let account = self.client()?.account_read(&read(json!({}))?).await?;
                ensure!(account.account.is_none() && account.requires_openai_auth, "{account:?}");
            }
            "login_api_key" => self.log_in().await?,
            "thread_start" => {
                let params = json!({ "cwd": self.directory });
                self.thread = self.client()?.thread_start(&read(params)?).await?.thread.id;
            }
            "plain_turn" | "turn_after_resume" => {
                let turn = self.turn("say hello", false).await?;
                ensure!(turn.status == "completed" && turn.text == "Hello there.", "{} {}", turn.status, turn.text);
            }
            "turn_with_reasoning" => {
                let turn = self.turn("think about it", false).await?;
                ensure!(turn.status == "completed" && turn.text == "Here is the thought.", "{}", turn.text);
                ensure!(turn.reasoning == "**Thinking** about it", "{}", turn.reasoning);
            }
            "turn_with_approval" => {
                let turn = self.turn("run the command", false).await?;
                ensure!(turn.status == "completed" && turn.text == "The command has run.", "{}", turn.text);
                ensure!(turn.asked == 1, "asked {} times", turn.asked);
            }
            "interrupted_turn" => {
                let turn = self.turn("tell it slowly", true).await?;
                ensure!(turn.status == "interrupted", "{}", turn.status);
            }
            "failed_turn" => {
                let turn = self.turn("bad request", false).await?;
                ensure!(turn.status == "failed", "{}", turn.status);
            }
            "turns_list" => {
                let turns = self.client()?.thread_turns_list(&read(thread)?).await?;
                ensure!(turns.data.len() == 5, "{} turns", turns.data.len());
            }
            "fork" => {
                let fork = self.client()?.thread_fork(&read(thread)?).await?.thread.id;
                ensure!(fork != self.thread, "the fork is the thread");
            }
            "archive" => {
                self.client()?.thread_archive(&read(thread)?).await?;
            }
            "unarchive" => {
                let unarchived: Value = self.client()?.request("thread/unarchive", &thread).await?;
                ensure!(unarchived["thread"]["id"] == self.thread, "{unarchived}");
            }
            "resume" => {
                // The host that was started anew may know nothing of the login.
                self.log_in().await?;
                let resumed = self.client()?.thread_resume(&read(thread)?).await?;
                ensure!(resumed.thread.id == self.thread, "{}", resumed.thread.id);
            }
            "no_message_of_unknown_type" => ensure!(self.strangers.is_empty(), "{:?}", self.strangers),
            "shutdown" => self.client.take().context("not started")?.shutdown().await?,
            _ => unreachable!("every step is here"),
        }
        Ok(())
    }

    fn client(&mut self) -> Result<&mut AsyncClient> {
        self.client.as_mut().context("not started")
    }

    async fn log_in(&mut self) -> Result<()> {
        let login = json!({ "type": "apiKey", "apiKey": "sk-of-the-parent" });
        self.client()?.account_login_start(&read(login)?).await?;
        Ok(())
    }

    /// Runs a turn to its end, approves what is asked, and interrupts it at the first text where that is wanted.
    async fn turn(&mut self, text: &str, mut interrupt: bool) -> Result<Turn> {
        let params = json!({ "threadId": self.thread, "input": [{ "type": "text", "text": text }] });
        let id = self.client()?.turn_start(&read(params)?).await?.turn.id;
        let mut turn = Turn::default();
        loop {
            let message = self.client()?.next_message().await?.context("the host is gone")?;
            if message.is_unknown() {
                self.strangers.push(format!("{message:?}"));
            }
            match message {
                ServerMessage::Notification(Notification::AgentMessageDelta(delta)) => {
                    turn.text += &delta.delta;
                    if std::mem::take(&mut interrupt) {
                        let params = json!({ "threadId": self.thread, "turnId": id });
                        self.client()?.turn_interrupt(&read(params)?).await?;
                    }
                }
                ServerMessage::Notification(Notification::ReasoningDelta(delta)) => turn.reasoning += &delta.delta,
                ServerMessage::Notification(Notification::TurnCompleted(completed)) if completed.turn.id == id => {
                    turn.status = serde_json::to_value(&completed.turn.status)?;
                    return Ok(turn);
                }
                ServerMessage::Request { id, .. } => {
                    turn.asked += 1;
                    self.client()?.respond(id, &json!({ "decision": "accept" })).await?;
                }
                ServerMessage::Notification(_) => {}
            }
        }
    }
}

/// Parameters of the crate, which have many members, from their JSON.
fn read<T: serde::de::DeserializeOwned>(params: Value) -> Result<T> {
    Ok(serde_json::from_value(params)?)
}
