//! A conversation: its metadata and its state. The methods on it have a module per topic.

mod archive;
mod fork;
mod lifecycle;
mod list;
mod metadata;
mod overrides;
mod pages;
mod read;
mod read_state;
mod resume;
mod revert;
mod search;
mod settings;
mod start;
mod usage;
mod work;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::Turn;
use crate::open_enum::open_enum;

pub use archive::*;
pub use fork::*;
pub use lifecycle::*;
pub use list::*;
pub use metadata::*;
pub use overrides::*;
pub use pages::*;
pub use read::*;
pub use read_state::*;
pub use resume::*;
pub use revert::*;
pub use search::*;
pub use settings::*;
pub use start::*;
pub use usage::*;
pub use work::*;

/// One thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct Thread {
    /// A uuid, version 7.
    pub id: String,
    /// Where its commands run. Null when it is not loaded.
    pub environments: Option<Vec<ThreadEnvironment>>,
    /// Null here.
    #[schemars(with = "()")]
    #[ts(type = "null")]
    pub extra: Option<Value>,
    /// Shared by threads that belong together; else the thread's id.
    pub session_id: String,
    /// The thread that it was forked from.
    pub forked_from_id: Option<String>,
    /// Null here.
    pub attached_to_thread_id: Option<String>,
    /// Null here.
    pub parent_thread_id: Option<String>,
    /// The first words of the person.
    pub preview: String,
    /// Whether it is never stored.
    pub ephemeral: bool,
    /// Null here.
    #[schemars(with = "()")]
    #[ts(type = "null")]
    pub section: Option<Value>,
    /// Null here.
    pub section_entered_at: Option<i64>,
    /// Null here.
    pub project_id: Option<String>,
    /// How its history is served.
    pub history_mode: ThreadHistoryMode,
    /// The provider in force.
    pub model_provider: String,
    /// The model in force.
    pub model: Option<String>,
    /// How hard the model thinks, when somebody said so.
    pub reasoning_effort: Option<String>,
    /// When it was started, in unix seconds.
    pub created_at: i64,
    /// When it last changed, in unix seconds.
    pub updated_at: i64,
    /// What lists sort by, in unix seconds.
    pub recency_at: Option<i64>,
    /// How it stands.
    pub status: ThreadStatus,
    /// Its file. Null when it is ephemeral.
    pub path: Option<String>,
    /// The working directory.
    pub cwd: String,
    /// The compatible version of the host that started it.
    pub cli_version: String,
    /// The name of the client that started it.
    pub originator: Option<String>,
    /// What kind of program started it.
    pub source: SessionSource,
    /// Whether `turn/start` is taken.
    pub can_accept_direct_input: Option<bool>,
    /// What started it, in the client's words.
    pub thread_source: Option<String>,
    /// Null here.
    pub agent_nickname: Option<String>,
    /// Null here.
    pub agent_role: Option<String>,
    /// The repository that it works in.
    pub git_info: Option<GitInfo>,
    /// A name given by a person.
    pub name: Option<String>,
    /// Null here.
    pub daybreak_enabled: Option<bool>,
    /// Empty unless turns were asked for.
    pub turns: Vec<Turn>,
}

/// Where a thread's commands run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadEnvironment {
    /// `local`.
    pub environment_id: String,
    /// The working directory.
    pub cwd: String,
    /// The directories that belong to the work.
    pub runtime_workspace_roots: Vec<String>,
}

/// The repository that a thread works in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct GitInfo {
    /// The commit.
    pub sha: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// Where it is pushed to.
    pub origin_url: Option<String>,
}

open_enum! {
    /// How a thread's history is served.
    pub enum ThreadHistoryMode in "v2/" {
        /// Whole.
        Legacy = "legacy",
        /// By pages.
        Paginated = "paginated",
    }
}

/// What kind of program started a thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub enum SessionSource {
    /// A terminal.
    Cli,
    /// An app server, whatever stands in front of it.
    #[serde(rename = "vscode")]
    VsCode,
    /// A single run.
    Exec,
    /// An app server.
    AppServer,
    /// A program with a name of its own.
    Custom(String),
    /// Another agent; in what role is kept as it came.
    SubAgent(#[ts(type = "unknown")] Value),
    /// Not known.
    Unknown,
    /// A value of a newer version, kept as it came.
    #[serde(untagged)]
    #[schemars(skip)]
    #[ts(skip)]
    Other(Value),
}

/// How a thread stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "v2/")]
pub enum ThreadStatus {
    /// Stored, not in memory.
    NotLoaded {},
    /// Waiting for input.
    Idle {},
    /// The last turn failed.
    SystemError {},
    /// A turn runs.
    Active {
        /// What it waits for; empty when it works.
        active_flags: Vec<ThreadActiveFlag>,
    },
    /// A state of a newer version, kept as it came.
    #[serde(untagged)]
    #[schemars(skip)]
    #[ts(skip)]
    Unknown(Value),
}

open_enum! {
    /// What a running turn waits for.
    pub enum ThreadActiveFlag in "v2/" {
        /// A person's approval.
        WaitingOnApproval = "waitingOnApproval",
        /// A person's answer.
        WaitingOnUserInput = "waitingOnUserInput",
    }
}
