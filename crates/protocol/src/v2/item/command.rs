//! Commands as items: how they stand, what they seem to do, and what they print on the way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::open_enum::open_enum;

open_enum! {
    /// How a command stands.
    pub enum CommandExecutionStatus in "v2/" {
        /// It runs, or a person is asked whether it may.
        InProgress = "inProgress",
        /// It ended with exit code 0.
        Completed = "completed",
        /// It ended in another way, or could not be started.
        Failed = "failed",
        /// A person refused it. It never ran.
        Declined = "declined",
    }
}

open_enum! {
    /// Who wanted a command to run.
    pub enum CommandExecutionSource in "v2/" {
        /// The model. Also what stands here until the command runs.
        Agent = "agent",
        /// The person, by `thread/shellCommand`.
        UserShell = "userShell",
        /// The model, with a process that later calls may write to.
        UnifiedExecStartup = "unifiedExecStartup",
        /// The model, writing to such a process.
        UnifiedExecInteraction = "unifiedExecInteraction",
    }
}

/// What one part of a command seems to do. A guess for display: nothing is allowed because of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum CommandAction {
    /// It reads a file.
    Read {
        /// The part of the command.
        command: String,
        /// The name of the file, without its folder.
        name: String,
        /// The file.
        path: String,
    },
    /// It lists a folder.
    ListFiles {
        /// The part of the command.
        command: String,
        /// The folder. Null when it is the working directory.
        path: Option<String>,
    },
    /// It looks for a text.
    Search {
        /// The part of the command.
        command: String,
        /// The text, where it was understood.
        query: Option<String>,
        /// Where it looks, where that was understood.
        path: Option<String>,
    },
    /// None of the others.
    Unknown {
        /// The part of the command.
        command: String,
    },
    /// An action of a newer version, kept as it came.
    #[serde(untagged)]
    #[schemars(skip)]
    #[ts(skip)]
    Other(Value),
}

/// `item/commandExecution/outputDelta`: a running command has printed something.
///
/// For display. The completed item holds the output, within its limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct CommandExecutionOutputDeltaNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The item.
    pub item_id: String,
    /// To be appended. Standard output and standard error as they came; what is no UTF-8 is replaced.
    pub delta: String,
}

/// `item/commandExecution/terminalInteraction`: the model wrote to a running command, or looked at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct TerminalInteractionNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The item of the command.
    pub item_id: String,
    /// The `processId` of that item.
    pub process_id: String,
    /// What was written. Empty when the model only looked.
    pub stdin: String,
}
