//! What is noted about a thread: its name, the repository it works in, its goal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::nullable;
use crate::v2::Thread;

/// `thread/name/set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadSetNameParams {
    /// The thread.
    pub thread_id: String,
    /// Not empty.
    pub name: String,
}

/// The answer to `thread/name/set`; `thread/name/updated` follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadSetNameResponse {}

/// `thread/name/updated`: somebody named the thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadNameUpdatedNotification {
    /// The thread.
    pub thread_id: String,
    /// Its name. Absent when it has none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub thread_name: Option<String>,
}

/// `thread/metadata/update`. At least one member besides `threadId`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadMetadataUpdateParams {
    /// The thread.
    pub thread_id: String,
    /// What is to change about its repository.
    pub git_info: Option<ThreadMetadataGitInfoUpdateParams>,
    /// A project. An empty text takes the thread out of its project. Experimental.
    pub project_id: Option<String>,
    /// A choice of the client that is kept for it. Experimental.
    pub daybreak_enabled: Option<bool>,
}

/// What is to change about a thread's repository: at least one member. Null takes away what is noted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct ThreadMetadataGitInfoUpdateParams {
    /// The commit. Not empty.
    #[serde(default, deserialize_with = "nullable::present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[ts(as = "Option<String>")]
    pub sha: Option<Option<String>>,
    /// The branch. Not empty.
    #[serde(default, deserialize_with = "nullable::present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[ts(as = "Option<String>")]
    pub branch: Option<Option<String>>,
    /// Where it is pushed to. Not empty.
    #[serde(default, deserialize_with = "nullable::present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[ts(as = "Option<String>")]
    pub origin_url: Option<Option<String>>,
}

/// The answer to `thread/metadata/update`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadMetadataUpdateResponse {
    /// The thread, without turns.
    pub thread: Thread,
}

/// `thread/goal/get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadGoalGetParams {
    /// A loaded thread.
    pub thread_id: String,
}

/// The answer to `thread/goal/get`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct ThreadGoalGetResponse {
    /// Always null here: no thread has a goal.
    #[schemars(with = "()")]
    #[ts(type = "null")]
    pub goal: Option<Value>,
}

/// `thread/goal/cleared`: the thread has no goal. Also after each `thread/resume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct ThreadGoalClearedNotification {
    /// The thread.
    pub thread_id: String,
}
