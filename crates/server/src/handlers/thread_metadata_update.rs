//! `thread/metadata/update`.

use valet_protocol::methods::ThreadMetadataUpdate;
use valet_protocol::v2::{
    GitInfo, Thread, ThreadMetadataGitInfoUpdateParams, ThreadMetadataUpdateParams, ThreadMetadataUpdateResponse,
};
use valet_protocol::{ErrorKind, ErrorObject};

use super::thread_id_of;
use crate::context::Context;
use crate::convert;
use crate::dispatch::{Answered, Answers};
use crate::rollout::SessionMeta;

impl Answers for ThreadMetadataUpdate {
    async fn answer(context: Context, params: ThreadMetadataUpdateParams) -> Answered<Self> {
        let id = thread_id_of(&params.thread_id)?;
        if params.project_id.is_some() || params.daybreak_enabled.is_some() {
            let message = "this host keeps neither projects nor `daybreakEnabled`";
            return Err(ErrorObject::invalid_request(message).kind(ErrorKind::NotSupported));
        }
        let nothing = || ErrorObject::invalid_request_params("thread metadata update must include at least one field");
        let git = params.git_info.ok_or_else(nothing)?;
        check(&git)?;
        if let Some(thread) = context.loaded_thread(&id)? {
            thread.check_stored("metadata updates")?;
            let before = thread.shared.stage().record.thread.git_info.clone();
            let changed = changed(before, git);
            let thread = Thread { can_accept_direct_input: None, ..thread.note(changed)? };
            return Ok(ThreadMetadataUpdateResponse { thread });
        }
        let summary = context.stored_or_none_found(&id).await?;
        let changed = changed(summary.git.as_ref().map(convert::git_info), git);
        let thread = Thread { git_info: changed, ..convert::thread(&summary) };
        let line = SessionMeta::noting(&thread, summary.creator.as_ref());
        context.with_store(move |store| store.lease(&id)?.append(line.ok().as_slice())).await?;
        Ok(ThreadMetadataUpdateResponse { thread })
    }
}

fn check(git: &ThreadMetadataGitInfoUpdateParams) -> Result<(), ErrorObject> {
    let members = [("sha", &git.sha), ("branch", &git.branch), ("originUrl", &git.origin_url)];
    if members.iter().all(|(_, value)| value.is_none()) {
        return Err(ErrorObject::invalid_request_params("gitInfo must include at least one field"));
    }
    match members.iter().find(|(_, value)| matches!(value, Some(Some(text)) if text.trim().is_empty())) {
        Some((member, _)) => Err(ErrorObject::invalid_request_params(format!("gitInfo.{member} must not be empty"))),
        None => Ok(()),
    }
}

/// None: nothing is noted any more.
fn changed(before: Option<GitInfo>, change: ThreadMetadataGitInfoUpdateParams) -> Option<GitInfo> {
    let GitInfo { sha, branch, origin_url } = before.unwrap_or(GitInfo { sha: None, branch: None, origin_url: None });
    let git = GitInfo {
        sha: change.sha.unwrap_or(sha),
        branch: change.branch.unwrap_or(branch),
        origin_url: change.origin_url.unwrap_or(origin_url),
    };
    (git.sha.is_some() || git.branch.is_some() || git.origin_url.is_some()).then_some(git)
}
