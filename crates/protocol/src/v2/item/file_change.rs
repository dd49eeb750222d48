//! Patches as items, and what is told about them on the way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::open_enum::open_enum;

open_enum! {
    /// How a patch stands.
    pub enum PatchApplyStatus in "v2/" {
        /// It is being applied, or a person is asked whether it may.
        InProgress = "inProgress",
        /// All of it was applied.
        Completed = "completed",
        /// It did not fit. No file was changed.
        Failed = "failed",
        /// A person refused it. No file was changed.
        Declined = "declined",
    }
}

/// What a patch does to one file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct FileUpdateChange {
    /// The file, absolute. Of a moved file: where it was.
    pub path: String,
    /// What happens to it.
    pub kind: PatchChangeKind,
    /// The whole content of a file that is added or deleted; a unified diff without file headers of one that
    /// is updated.
    pub diff: String,
}

/// What happens to a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum PatchChangeKind {
    /// It is new.
    Add {},
    /// It goes.
    Delete {},
    /// It changes.
    Update {
        /// Where it is from then on, absolute. Null when it stays.
        move_path: Option<String>,
    },
    /// A kind of a newer version, kept as it came.
    #[serde(untagged)]
    #[schemars(skip)]
    #[ts(skip)]
    Unknown(Value),
}

/// `item/fileChange/patchUpdated`: more of a patch is known while the model still writes it.
///
/// Nothing has been asked or applied yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct FileChangePatchUpdatedNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The item.
    pub item_id: String,
    /// All changes known by now; they replace those told before.
    pub changes: Vec<FileUpdateChange>,
}

/// `turn/diff/updated`: a turn has changed files, once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct TurnDiffUpdatedNotification {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// All that the turn has changed by now, as one unified diff with git's headers. Replaces what was told
    /// before.
    pub diff: String,
}
