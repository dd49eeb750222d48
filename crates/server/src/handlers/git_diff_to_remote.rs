//! `gitDiffToRemote`.

use std::path::Path;

use valet_protocol::ErrorObject;
use valet_protocol::methods::GitDiffToRemote;
use valet_protocol::v2::{GitDiffToRemoteParams, GitDiffToRemoteResponse, GitSha};
use valet_workspace::git;

use crate::context::Context;
use crate::dispatch::{Answered, Answers};

impl Answers for GitDiffToRemote {
    async fn answer(_: Context, params: GitDiffToRemoteParams) -> Answered<Self> {
        let diff = git::diff_to_remote(Path::new(&params.cwd)).await;
        let refused =
            || ErrorObject::invalid_request(format!("failed to compute git diff to remote for cwd: {:?}", params.cwd));
        let answer = |diff: git::RemoteDiff| GitDiffToRemoteResponse { sha: GitSha(diff.sha), diff: diff.diff };
        diff.map(answer).ok_or_else(refused)
    }
}
