//! The tools that the model may use: what it is told of them, and how its calls are carried out. Each call gets
//! one output, whatever happens: the backend refuses a history with an open call.

mod amendment;
mod ask;
mod client;
mod command;
mod edit;
mod open_item;
mod output;
mod session;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use valet_exec::Launcher;
use valet_tools::definitions;
use valet_tools::patch::TurnDiff;

use crate::client::{Client, Content};
use crate::event::Event;
use crate::input;
use crate::item::{ItemKind, Status};
use crate::prompt::Surroundings;
use crate::settings::Settings;
use crate::tool_call::ToolCall;
use crate::turn::Turn;
pub use client::ClientTool;
pub(crate) use open_item::OpenItem;
use session::Sessions;

/// What came of a call.
pub(crate) enum Called {
    /// For the model.
    Output(Output),
    /// A person wants the turn to end here.
    Stop,
}

/// What the model is given back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    Text(String),
    /// Parts of a Responses API output.
    Parts(Vec<Value>),
}

impl From<String> for Called {
    fn from(text: String) -> Self {
        Self::Output(Output::Text(text))
    }
}

/// The tools of one conversation.
pub(crate) struct Tools {
    client: Arc<dyn Client>,
    launcher: Arc<Launcher>,
    sessions: Sessions,
    memory: Arc<Mutex<Memory>>,
    /// Held while a patch is applied.
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// A command that a person allowed for the rest of the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct AllowedCommand {
    argv: Vec<String>,
    cwd: PathBuf,
    /// Out of the sandbox.
    escalated: bool,
}

/// What is remembered from call to call.
#[derive(Default)]
struct Memory {
    /// Commands that a person allowed for the rest of the conversation.
    commands: HashSet<AllowedCommand>,
    /// Files that a person allowed to change for the rest of the conversation.
    files: HashSet<PathBuf>,
    /// What the patches of the running turn have done.
    diff: Option<TurnDiff>,
}

impl Tools {
    pub(crate) fn new(client: Arc<dyn Client>, launcher: Arc<Launcher>, ending: CancellationToken) -> Self {
        let (memory, writing) = (Arc::default(), Arc::default());
        Self { client, launcher, sessions: Sessions::new(ending), memory, writing }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// What the model is told of its tools. Depends on nothing that changes from turn to turn, but for the mode.
    pub(crate) fn definitions(settings: &Settings) -> Vec<Value> {
        let mut tools = vec![definitions::exec_command(), definitions::write_stdin()];
        if settings.plan_mode {
            tools.push(definitions::request_user_input());
        } else {
            tools.push(definitions::update_plan());
        }
        tools.extend([definitions::apply_patch(), definitions::view_image()]);
        tools.extend(settings.client_tools.iter().map(client::definition));
        tools
    }

    /// Carries out the calls of a response. Neighbours that do not touch the same things run at the same time, all
    /// others one after another. What is done is in `results` even when the future is dropped.
    pub(crate) async fn run(&self, turn: &Turn, calls: &[ToolCall], results: &mut [Option<Called>]) {
        let mut next = 0;
        while next < calls.len() {
            let together = calls[next..].iter().take_while(|call| is_parallel(call, &turn.settings)).count().max(1);
            let mut running: FuturesUnordered<_> = (next..next + together)
                .map(|index| async move { (index, self.timed_call(turn, &calls[index]).await) })
                .collect();
            while let Some((index, called)) = running.next().await {
                let stop = matches!(called, Called::Stop);
                results[index] = Some(called);
                if stop {
                    return;
                }
            }
            next += together;
        }
    }

    async fn timed_call(&self, turn: &Turn, call: &ToolCall) -> Called {
        let began = Instant::now();
        let called = self.call(turn, call).await;
        // Not what it was called with: that is between the model and the user.
        tracing::info!(turn = turn.id, tool = call.name, ms = began.elapsed().as_millis(), "a tool was called");
        called
    }

    async fn call(&self, turn: &Turn, call: &ToolCall) -> Called {
        match call.name.as_str() {
            "exec_command" => self.exec_command(turn, call).await,
            "write_stdin" => self.write_stdin(turn, call).await,
            "apply_patch" => self.apply_patch(turn, call).await,
            "view_image" => view_image(turn, call).await,
            "update_plan" => update_plan(turn, call),
            "request_user_input" if turn.settings.plan_mode => self.request_user_input(turn, call).await,
            _ => match client::find(&turn.settings.client_tools, call) {
                Some(tool) => self.call_client(turn, call, tool).await,
                None if call.custom => format!("unsupported custom tool call: {}", call.name).into(),
                None => format!("unsupported call: {}", call.name).into(),
            },
        }
    }

    /// Ends what a turn has started. Returns when nothing of it is left, and every item is whole.
    pub(crate) async fn end_turn(&self, turn: &Turn) {
        self.sessions.end().await;
        drop(self.writing.lock().await);
        let diff = self.memory().diff.take();
        if let Some(diff) = diff {
            turn.emit(Event::Diff(&diff.render()));
        }
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    // Nothing under this lock can panic half-way.
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Commands, looks and the client's own tools do not wait for each other.
fn is_parallel(call: &ToolCall, settings: &Settings) -> bool {
    matches!(call.name.as_str(), "exec_command" | "view_image") || client::find(&settings.client_tools, call).is_some()
}

/// A path of the model.
fn resolve(path: &str, surroundings: &Surroundings) -> PathBuf {
    let cwd = Path::new(&surroundings.cwd);
    // Joined with nothing it would end in a slash.
    if path.is_empty() { cwd.to_owned() } else { cwd.join(path) }
}

async fn view_image(turn: &Turn, call: &ToolCall) -> Called {
    let arguments: definitions::ViewImage = match definitions::parse(&call.input) {
        Ok(arguments) => arguments,
        Err(error) => return error.to_string().into(),
    };
    let path = resolve(&arguments.path, &turn.settings.surroundings);
    let item = OpenItem::begin(turn, &call.call_id, ItemKind::ImageView { path: path.display().to_string() });
    let read = input::read_image(path).await;
    item.end(Status::Completed);
    match read {
        Ok(url) => Called::Output(Output::Parts(vec![json!({ "type": "input_image", "image_url": url })])),
        Err(error) => error.into(),
    }
}

fn update_plan(turn: &Turn, call: &ToolCall) -> Called {
    let arguments: definitions::UpdatePlan = match definitions::parse(&call.input) {
        Ok(arguments) => arguments,
        Err(error) => return error.to_string().into(),
    };
    turn.emit(Event::Plan { explanation: arguments.explanation.as_deref(), steps: &arguments.plan });
    "Plan updated".to_owned().into()
}

impl Content {
    /// The part as the Responses API takes it.
    fn part(&self) -> Value {
        match self {
            Self::Text(text) => json!({ "type": "input_text", "text": text }),
            Self::Image(url) => json!({ "type": "input_image", "image_url": url }),
            Self::Audio(url) => json!({ "type": "input_audio", "audio_url": url }),
        }
    }
}
