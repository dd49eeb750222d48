//! What happens in a turn, item by item. The parts of which items are made have a file per kind of item.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

mod command;
mod file_change;
mod message;
mod plan;
mod tool;

pub use command::*;
pub use file_change::*;
pub use message::*;
pub use plan::*;
pub use tool::*;

use super::DynamicToolCallOutputContentItem;

/// One thing that happened in a turn. New types appear: keep what you do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadItem {
    /// What it is.
    #[serde(flatten)]
    pub details: ThreadItemDetails,
    /// When it began.
    pub started_at_ms: Option<i64>,
    /// When it was complete. Null until then, and for ever when the turn was cut.
    pub completed_at_ms: Option<i64>,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum ThreadItemDetails {
    /// What the person said.
    UserMessage {
        /// A uuid.
        id: String,
        /// The `clientUserMessageId` of the request.
        client_id: Option<String>,
        /// As sent.
        content: Vec<UserInput>,
    },
    /// What the model said.
    AgentMessage {
        /// The backend's id.
        id: String,
        /// Empty when the item starts; deltas follow; whole when it is complete.
        text: String,
        /// Whether it is meant as the final answer.
        phase: Option<MessagePhase>,
        /// Null here.
        #[schemars(with = "()")]
        #[ts(type = "null")]
        moderation: Option<Value>,
        /// Null here.
        #[schemars(with = "()")]
        #[ts(type = "null")]
        memory_citation: Option<Value>,
        /// Null here.
        #[schemars(with = "()")]
        #[ts(type = "null")]
        delivery: Option<Value>,
        /// Null here.
        #[schemars(with = "()")]
        #[ts(type = "null")]
        questions: Option<Value>,
    },
    /// What the model told of its reasoning.
    Reasoning {
        /// The backend's id.
        id: String,
        /// One text per part.
        summary: Vec<String>,
        /// The reasoning itself, where the backend shows it.
        content: Vec<String>,
    },
    /// What the model proposes to do, in plan mode.
    Plan {
        /// Made here.
        id: String,
        /// Markdown. Empty when the item starts; deltas follow; whole when it is complete.
        text: String,
    },
    /// A command. The item starts before a person is asked about it.
    CommandExecution {
        /// The id of the model's call; a uuid when the person ran it.
        id: String,
        /// Null here.
        plugin_id: Option<String>,
        /// Null here.
        script_path: Option<String>,
        /// One line as for a shell, with the shell that runs it.
        command: String,
        /// Where it runs, absolute.
        cwd: String,
        /// Names the process in `terminalInteraction`. Null until it runs.
        process_id: Option<String>,
        /// Who wanted it.
        source: CommandExecutionSource,
        /// How it stands.
        status: CommandExecutionStatus,
        /// What each of its parts seems to do.
        command_actions: Vec<CommandAction>,
        /// Standard output and standard error as they came, within a limit. Null until it has ended, and when
        /// it never ran.
        aggregated_output: Option<String>,
        /// Null until it has ended, and when it never ran.
        exit_code: Option<i32>,
        /// How long it ran, in milliseconds. Null as above.
        duration_ms: Option<i64>,
    },
    /// A patch. The item starts before a person is asked about it.
    FileChange {
        /// The id of the model's call.
        id: String,
        /// What it does, file by file.
        changes: Vec<FileUpdateChange>,
        /// How it stands.
        status: PatchApplyStatus,
    },
    /// A call of a tool that the client declared in `thread/start`.
    DynamicToolCall {
        /// The id of the model's call.
        id: String,
        /// The namespace that the tool was declared in.
        namespace: Option<String>,
        /// The tool.
        tool: String,
        /// What the model passes: JSON that should fit the tool's schema, and is not checked here.
        #[ts(type = "unknown")]
        arguments: Value,
        /// How it stands.
        status: DynamicToolCallStatus,
        /// What the model gets to see. Null until the client has answered.
        content_items: Option<Vec<DynamicToolCallOutputContentItem>>,
        /// What the client says of it. Null until it has answered.
        success: Option<bool>,
        /// How long the client took, in milliseconds. Null until it has answered.
        duration_ms: Option<i64>,
    },
    /// The output of a function that the client ran by itself.
    FunctionCallOutput {
        /// Made here.
        id: String,
        /// The function.
        name: String,
        /// The namespace of the function.
        namespace: Option<String>,
        /// What the model gets to see.
        output: FunctionCallOutputBody,
    },
    /// A search of the web by the backend.
    WebSearch {
        /// The backend's id.
        id: String,
        /// What was searched for, for display. Empty until it is known.
        query: String,
        /// What was done. Null until it is known.
        action: Option<WebSearchAction>,
        /// What was found, as the backend tells it. Null when it does not.
        #[ts(type = "Array<unknown> | null")]
        results: Option<Vec<Value>>,
    },
    /// The model looked at an image on this machine.
    ImageView {
        /// The id of the model's call.
        id: String,
        /// The file, absolute.
        path: String,
    },
    /// A review begins.
    EnteredReviewMode {
        /// Made here.
        id: String,
        /// What is reviewed.
        review: String,
    },
    /// A review is over.
    ExitedReviewMode {
        /// Made here.
        id: String,
        /// What came of it.
        review: String,
    },
    /// The history was replaced by a summary of it, so that the model can read on.
    ContextCompaction {
        /// Made here.
        id: String,
    },
    /// An item of a newer version, or of a kind that is never made here. Kept as it came.
    #[serde(untagged)]
    #[schemars(skip)]
    #[ts(skip)]
    Unknown(Value),
}

impl ThreadItem {
    /// The item's id, where it has one.
    pub fn id(&self) -> Option<&str> {
        match &self.details {
            ThreadItemDetails::UserMessage { id, .. }
            | ThreadItemDetails::AgentMessage { id, .. }
            | ThreadItemDetails::Reasoning { id, .. }
            | ThreadItemDetails::Plan { id, .. }
            | ThreadItemDetails::CommandExecution { id, .. }
            | ThreadItemDetails::FileChange { id, .. }
            | ThreadItemDetails::DynamicToolCall { id, .. }
            | ThreadItemDetails::FunctionCallOutput { id, .. }
            | ThreadItemDetails::WebSearch { id, .. }
            | ThreadItemDetails::ImageView { id, .. }
            | ThreadItemDetails::EnteredReviewMode { id, .. }
            | ThreadItemDetails::ExitedReviewMode { id, .. }
            | ThreadItemDetails::ContextCompaction { id } => Some(id),
            ThreadItemDetails::Unknown(value) => value.get("id")?.as_str(),
        }
    }
}

/// `item/started`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ItemStartedNotification {
    /// The item, empty or whole.
    pub item: ThreadItem,
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// When it began.
    pub started_at_ms: i64,
}

/// `item/completed`: the truth about an item; deltas are for display.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ItemCompletedNotification {
    /// The whole item.
    pub item: ThreadItem,
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// Null here.
    pub content_token_count: Option<i64>,
    /// When it was complete.
    pub completed_at_ms: i64,
}
