//! Whoever the conversation belongs to, as far as tools need them: somebody who can be asked.

use futures_util::future::BoxFuture;
use serde_json::Value;
use valet_tools::definitions::Question;
use valet_tools::shell::Action;

/// Answers questions of the tools. A question may stay open for as long as a person thinks; when its future is
/// dropped, the answer is not wanted any more.
pub trait Client: Send + Sync + 'static {
    /// Whether a command may run.
    fn approve_command<'a>(&'a self, turn_id: &'a str, question: CommandQuestion) -> BoxFuture<'a, Decision>;

    /// Whether a patch may be applied.
    fn approve_patch<'a>(&'a self, turn_id: &'a str, question: PatchQuestion) -> BoxFuture<'a, Decision>;

    /// Runs a tool of the client's own. None: it could not.
    fn call<'a>(&'a self, turn_id: &'a str, call: ClientCall) -> BoxFuture<'a, Option<ClientAnswer>>;

    /// Asks a person. The answers by question; none: there are none.
    fn ask<'a>(&'a self, turn_id: &'a str, item_id: &'a str, questions: Vec<Question>) -> BoxFuture<'a, Option<Value>>;
}

/// May this command run?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandQuestion {
    /// The item that shows it.
    pub item_id: String,
    /// When the item began, in unix milliseconds.
    pub started_at_ms: i64,
    /// Set when something is to be typed into a command that runs: the call that wants it.
    pub approval_id: Option<String>,
    /// Why the model wants it.
    pub reason: Option<String>,
    /// The command line, as one would type it.
    pub command: String,
    /// Where it would run.
    pub cwd: String,
    /// What it seems to do.
    pub actions: Vec<Action>,
    /// The first words of a command that the person may allow for good.
    pub amendment: Option<Vec<String>>,
}

/// May these files be changed?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchQuestion {
    /// The item that shows the changes.
    pub item_id: String,
    /// When the item began, in unix milliseconds.
    pub started_at_ms: i64,
    /// Why it is asked.
    pub reason: Option<String>,
}

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// This once.
    Accept,
    /// The same again is not asked in this conversation.
    AcceptForSession,
    /// Everything that begins with these words is allowed for good.
    AcceptPrefix(Vec<String>),
    /// Not this; the turn goes on.
    Decline,
    /// Not this, and nothing else in this turn.
    Cancel,
    /// There was no answer that could be understood.
    Failed,
}

/// A call of a tool that the client declared.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientCall {
    /// The backend's id for it.
    pub call_id: String,
    /// The group that the tool was declared in.
    pub namespace: Option<String>,
    /// The tool.
    pub tool: String,
    /// As the model gave them.
    pub arguments: Value,
}

/// What a tool of the client gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAnswer {
    /// For the model.
    pub content: Vec<Content>,
    /// Whether the tool says that it worked.
    pub success: bool,
}

/// A part of a tool's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// An image by URL.
    Image(String),
    /// Sound by URL.
    Audio(String),
}
