//! The things that happen in a turn, as far as people are shown them.

use std::path::Path;

use chrono::Utc;
use serde_json::Value;
use valet_tools::shell::{Action, actions};

use crate::client::Content;
use crate::input::Input;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Unique within the conversation.
    pub id: String,
    /// Unix milliseconds.
    pub started_at_ms: i64,
    /// Unix milliseconds; none until the item is whole.
    pub completed_at_ms: Option<i64>,
    /// What it is.
    pub kind: ItemKind,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// What the person said.
    UserMessage(UserMessage),
    /// What the model said.
    AgentMessage(AgentMessage),
    /// What the model told of its reasoning.
    Reasoning(Reasoning),
    /// A command line that was to be run.
    Command(Command),
    /// Files that were to be changed.
    Patch(Patch),
    /// A call of a tool of the client.
    ClientToolCall(ClientToolCall),
    /// The model looked at an image.
    ImageView {
        /// The file.
        path: String,
    },
    /// The conversation so far was made shorter.
    Compaction,
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It goes on.
    InProgress,
    /// It worked.
    Completed,
    /// It did not.
    Failed,
    /// Somebody, or the policy, said no.
    Declined,
}

/// A command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// As one would type it, the shell that runs it included.
    pub command: String,
    /// Where it runs.
    pub cwd: String,
    /// The number of the process among those of the conversation.
    pub process_id: Option<String>,
    /// Who wanted it.
    pub source: CommandSource,
    /// How far it is.
    pub status: Status,
    /// What it seems to do.
    pub actions: Vec<Action>,
    /// What it printed, cut in the middle where it is long.
    pub output: Option<String>,
    /// 128 is added to the number of a signal.
    pub exit_code: Option<i32>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
}

impl Command {
    /// A line that a shell is about to run; `argv` calls the shell.
    pub(crate) fn begun(argv: &[String], line: &str, cwd: &Path, source: CommandSource) -> Self {
        Self {
            command: shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_else(|_| argv.join(" ")),
            cwd: cwd.display().to_string(),
            process_id: None,
            source,
            status: Status::InProgress,
            actions: actions(line, cwd),
            output: None,
            exit_code: None,
            duration_ms: None,
        }
    }
}

/// Who wanted a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandSource {
    /// The model; it is not running yet.
    Agent,
    /// The model; it was started.
    Started,
    /// The person.
    Person,
}

/// Files that were to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// File by file.
    pub changes: Vec<FileChange>,
    /// How far it is.
    pub status: Status,
}

/// A file that was to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Absolute.
    pub path: String,
    /// What happens to it.
    pub kind: FileChangeKind,
    /// For people.
    pub diff: String,
}

/// What happens to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChangeKind {
    /// It is written anew.
    Add,
    /// It goes.
    Delete,
    /// It changes.
    Update {
        /// Its new place, if it moves.
        move_to: Option<String>,
    },
}

/// A call of a tool of the client.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientToolCall {
    /// The group that the tool was declared in.
    pub namespace: Option<String>,
    /// The tool.
    pub tool: String,
    /// As the model gave them.
    pub arguments: Value,
    /// How far it is.
    pub status: Status,
    /// What the tool gave.
    pub content: Option<Vec<Content>>,
    /// Whether the tool says that it worked.
    pub success: Option<bool>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
}

/// What the person said.
#[derive(Clone, Debug, PartialEq)]
pub struct UserMessage {
    /// The client's own id for it.
    pub client_id: Option<String>,
    /// As sent.
    pub content: Vec<Input>,
}

/// What the model said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentMessage {
    /// Empty until the item is whole.
    pub text: String,
    /// Whether it is meant as the final answer, in the backend's words.
    pub phase: Option<String>,
}

/// What the model told of its reasoning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// One text per part.
    pub summary: Vec<String>,
    /// The reasoning itself, where the backend shows it.
    pub content: Vec<String>,
}

impl ItemKind {
    /// Says how far it is, if that is said of such items.
    pub(crate) fn set_status(&mut self, status: Status) {
        match self {
            Self::Command(command) => command.status = status,
            Self::Patch(patch) => patch.status = status,
            Self::ClientToolCall(call) => call.status = status,
            _ => {}
        }
    }
}

impl Item {
    pub(crate) fn started(id: impl Into<String>, kind: ItemKind) -> Self {
        Self { id: id.into(), started_at_ms: Utc::now().timestamp_millis(), completed_at_ms: None, kind }
    }

    pub(crate) fn completed(mut self) -> Self {
        self.completed_at_ms = Some(Utc::now().timestamp_millis());
        self
    }
}
