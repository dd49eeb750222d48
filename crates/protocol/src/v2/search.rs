//! What the working tree is asked for: files by a few letters of their paths, and the diff to the remote.
//! Its names are older than version 2.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `fuzzyFileSearch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchParams {
    /// One or more words. Each may be marked: `^` begins the path, `$` ends it, `'` is taken literally, `!` must
    /// not be there. Nothing matches an empty query.
    pub query: String,
    /// The directories to look in. A path that is no directory holds nothing.
    pub roots: Vec<String>,
    /// Ends the search of the same connection that has the same token; that one is answered with no files.
    pub cancellation_token: Option<String>,
}

/// The answer to `fuzzyFileSearch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchResponse {
    /// The best 50, best first.
    pub files: Vec<FuzzyFileSearchResult>,
}

/// One match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct FuzzyFileSearchResult {
    /// The root that it is below, as it was given.
    pub root: String,
    /// The path below the root.
    pub path: String,
    /// What it is.
    pub match_type: FuzzyFileSearchMatchType,
    /// The last part of the path.
    pub file_name: String,
    /// The higher, the better. To be compared with those of the same answer only.
    pub score: u32,
    /// The characters of `path` that match, ascending, counted in characters.
    pub indices: Option<Vec<u32>>,
}

/// What a match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum FuzzyFileSearchMatchType {
    /// A file, or a link that leads to no directory.
    File,
    /// A directory.
    Directory,
}

/// `fuzzyFileSearch/sessionStart`: a search whose query changes while it is typed. The files are those of now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchSessionStartParams {
    /// Chosen by the client. A session of the same connection that has it ends.
    pub session_id: String,
    /// The directories to look in, at least one.
    pub roots: Vec<String>,
}

/// The answer to `fuzzyFileSearch/sessionStart`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct FuzzyFileSearchSessionStartResponse {}

/// `fuzzyFileSearch/sessionUpdate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchSessionUpdateParams {
    /// A session of this connection.
    pub session_id: String,
    /// The query from now on. Of several in quick succession only the last may be told.
    pub query: String,
}

/// The answer to `fuzzyFileSearch/sessionUpdate`. What is found is told by `fuzzyFileSearch/sessionUpdated`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct FuzzyFileSearchSessionUpdateResponse {}

/// `fuzzyFileSearch/sessionStop`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchSessionStopParams {
    /// The session. One that is not there is no error.
    pub session_id: String,
}

/// The answer to `fuzzyFileSearch/sessionStop`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
pub struct FuzzyFileSearchSessionStopResponse {}

/// `fuzzyFileSearch/sessionUpdated`, to the connection of the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchSessionUpdatedNotification {
    /// The session.
    pub session_id: String,
    /// The query that was asked.
    pub query: String,
    /// The best 50 so far, best first.
    pub files: Vec<FuzzyFileSearchResult>,
}

/// `fuzzyFileSearch/sessionCompleted`: all files have been seen, and what was told last is final until the query
/// changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchSessionCompletedNotification {
    /// The session.
    pub session_id: String,
}

/// `gitDiffToRemote`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct GitDiffToRemoteParams {
    /// A directory in the working tree.
    pub cwd: String,
}

/// The answer to `gitDiffToRemote`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct GitDiffToRemoteResponse {
    /// The commit of the remote.
    pub sha: GitSha,
    /// From that commit to the working tree, with untracked files.
    pub diff: String,
}

/// The name of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct GitSha(pub String);
