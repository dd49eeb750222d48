//! `thread/fork`: a new thread that begins with the turns of another one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::v2::{ThreadOverrides, ThreadStartResponse};

/// `thread/fork`. `path` goes before `threadId`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadForkParams {
    /// The thread to begin with. Need not be loaded.
    pub thread_id: String,
    /// The last turn to take over. It must have ended. Else all.
    pub last_turn_id: Option<String>,
    /// The first turn to leave out. Not with `lastTurnId`. Experimental.
    pub before_turn_id: Option<String>,
    /// The file of the thread to begin with. An empty text is none. Experimental.
    pub path: Option<String>,
    /// What is to be different.
    #[serde(flatten)]
    pub overrides: ThreadOverrides,
    /// Never stored and never listed.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub ephemeral: bool,
    /// What started it, in the client's words.
    pub thread_source: Option<String>,
    /// Return the thread without its turns. They can be had a page at a time.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub exclude_turns: bool,
}

/// The answer to `thread/fork`. The caller is subscribed to the new thread's events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadForkResponse(pub ThreadStartResponse);
