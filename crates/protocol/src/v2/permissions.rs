//! Permissions beyond the sandbox, asked for and granted one by one.
//! Closed types: a grant that is not understood in full must not be taken for a smaller or a larger one.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `item/permissions/requestApproval`: the model asks for more than the sandbox allows.
///
/// Goes to all subscribers of the thread; the first answer counts. The turn waits, without a deadline. An
/// error, or an answer that does not fit the type, grants nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct PermissionsRequestApprovalParams {
    /// The thread.
    pub thread_id: String,
    /// The turn.
    pub turn_id: String,
    /// The id of the model's call.
    pub item_id: String,
    /// Where they would hold: an `environmentId` of the thread.
    pub environment_id: Option<String>,
    /// When it was first asked, in unix milliseconds.
    pub started_at_ms: i64,
    /// What relative paths are relative to.
    pub cwd: String,
    /// Why, in the model's words.
    pub reason: Option<String>,
    /// What is asked for.
    pub permissions: RequestPermissionProfile,
}

/// The answer to `item/permissions/requestApproval`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct PermissionsRequestApprovalResponse {
    /// What is granted. At most what was asked for; more is ignored. Nothing in it: nothing is granted.
    pub permissions: GrantedPermissionProfile,
    /// For how long. May be left out: for the turn.
    #[serde(default)]
    #[ts(as = "Option<PermissionGrantScope>", optional)]
    pub scope: PermissionGrantScope,
    /// Whether every later command of the turn is reviewed before it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub strict_auto_review: Option<bool>,
}

/// For how long permissions hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum PermissionGrantScope {
    /// For the rest of the turn.
    #[default]
    Turn,
    /// For as long as the thread is in memory.
    Session,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct RequestPermissionProfile {
    /// The network. Null: it is not asked for.
    pub network: Option<AdditionalNetworkPermissions>,
    /// Files. Null: none is asked for.
    pub file_system: Option<AdditionalFileSystemPermissions>,
}

/// What a single command would be allowed beyond the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct AdditionalPermissionProfile {
    /// The network. Null: no more than the sandbox allows.
    pub network: Option<AdditionalNetworkPermissions>,
    /// Files. Null: no more than the sandbox allows.
    pub file_system: Option<AdditionalFileSystemPermissions>,
}

/// What is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields)]
pub struct GrantedPermissionProfile {
    /// The network. Absent: not granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<AdditionalNetworkPermissions>,
    /// Files. Absent: not granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_system: Option<AdditionalFileSystemPermissions>,
}

/// Permission to reach the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct AdditionalNetworkPermissions {
    /// Whether it is meant. Null counts as no.
    pub enabled: Option<bool>,
}

/// Permission to read or write files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct AdditionalFileSystemPermissions {
    /// The older form of entries with `read`: files, and folders with all below them.
    pub read: Option<Vec<String>>,
    /// The older form of entries with `write`.
    pub write: Option<Vec<String>>,
    /// How many levels of folders a pattern is expanded through. Absent: the host's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub glob_scan_max_depth: Option<NonZeroU32>,
    /// One by one. Absent: only the older forms count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub entries: Option<Vec<FileSystemSandboxEntry>>,
}

/// What may happen to some files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[ts(export_to = "v2/")]
pub struct FileSystemSandboxEntry {
    /// Which files.
    pub path: FileSystemPath,
    /// What may happen to them.
    pub access: FileSystemAccessMode,
}

/// What may happen to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub enum FileSystemAccessMode {
    /// It may be read.
    Read,
    /// It may be read and written.
    Write,
    /// Neither.
    Deny,
}

/// Which files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(export_to = "v2/")]
pub enum FileSystemPath {
    /// A file, or a folder with all below it.
    Path {
        /// It.
        path: String,
    },
    /// All that match.
    GlobPattern {
        /// A pattern with `*`, `**` and `?`.
        pattern: String,
    },
    /// A place that is not the same everywhere.
    Special {
        /// Which.
        value: FileSystemSpecialPath,
    },
}

/// A place that is not the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[ts(export_to = "v2/")]
pub enum FileSystemSpecialPath {
    /// The whole file system.
    Root {},
    /// What a program needs in order to start.
    Minimal {},
    /// The directories that belong to the work.
    ProjectRoots {
        /// Only this below each of them. Null: all.
        subpath: Option<String>,
    },
    /// The folder that `$TMPDIR` names.
    Tmpdir {},
    /// `/tmp`.
    SlashTmp {},
    /// A place that the sender has no better name for.
    Unknown {
        /// Its name.
        path: String,
        /// Only this below it. Null: all.
        subpath: Option<String>,
    },
}

/// `permissionProfile/list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/", optional_fields = nullable)]
pub struct PermissionProfileListParams {
    /// From an earlier answer. All profiles fit one page.
    pub cursor: Option<String>,
    /// How many at most.
    pub limit: Option<u32>,
    /// A directory whose own configuration counts. Changes nothing here.
    pub cwd: Option<String>,
}

/// The answer to `permissionProfile/list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct PermissionProfileListResponse {
    /// The profiles, the strictest first.
    pub data: Vec<PermissionProfileSummary>,
    /// For the next page.
    pub next_cursor: Option<String>,
}

/// A profile that can be chosen for a thread or a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "v2/")]
pub struct PermissionProfileSummary {
    /// Its name, such as `:read-only`.
    pub id: String,
    /// For people.
    pub description: Option<String>,
    /// Whether it may be chosen.
    pub allowed: bool,
}
