//! A stored thread for clients: what lists show of it, and what can go wrong with it.

use valet_protocol::v2;
use valet_protocol::{ErrorKind, ErrorObject, ThreadHolder};
use valet_store::{GitInfo, Holder, ReadState, StoreError, Summary};

use crate::rollout::source;

/// A thread that is not loaded.
pub(crate) fn thread(summary: &Summary) -> v2::Thread {
    let summary = summary.clone();
    v2::Thread {
        id: summary.id,
        environments: None,
        extra: None,
        session_id: summary.session_id,
        forked_from_id: summary.forked_from_id,
        attached_to_thread_id: None,
        parent_thread_id: None,
        preview: summary.preview,
        ephemeral: false,
        section: None,
        section_entered_at: None,
        project_id: None,
        history_mode: match summary.history_mode.as_str() {
            "paginated" => v2::ThreadHistoryMode::Paginated,
            _ => v2::ThreadHistoryMode::Legacy,
        },
        model_provider: summary.model_provider,
        model: summary.model,
        reasoning_effort: summary.reasoning_effort,
        created_at: summary.created_at_ms.div_euclid(1000),
        updated_at: summary.updated_at_ms.div_euclid(1000),
        recency_at: Some(summary.recency_at_ms.div_euclid(1000)),
        status: v2::ThreadStatus::NotLoaded {},
        path: summary.path,
        cwd: summary.cwd,
        cli_version: summary.cli_version,
        originator: summary.originator,
        source: source::to_wire(&summary.source),
        can_accept_direct_input: None,
        thread_source: summary.thread_source,
        agent_nickname: None,
        agent_role: None,
        git_info: summary.git.as_ref().map(git_info),
        name: summary.name,
        daybreak_enabled: None,
        turns: Vec::new(),
    }
}

pub(crate) fn git_info(git: &GitInfo) -> v2::GitInfo {
    let GitInfo { sha, branch, origin_url } = git.clone();
    v2::GitInfo { sha, branch, origin_url }
}

pub(crate) fn read_state(state: &ReadState) -> v2::ThreadReadState {
    let first_unread = state.first_unread.as_deref().and_then(|place| serde_json::from_str(place).ok());
    v2::ThreadReadState { first_unread, revision: state.revision.clone() }
}

/// The read state of a thread of which nothing was noted.
pub(crate) fn unread_nothing(thread_id: &str) -> v2::ThreadReadState {
    v2::ThreadReadState { first_unread: None, revision: format!("initial:{thread_id}") }
}

pub(crate) fn stored_read_state(state: &v2::ThreadReadState) -> ReadState {
    let place = |place: &v2::ThreadUnreadPosition| serde_json::to_string(place).ok();
    ReadState { first_unread: state.first_unread.as_ref().and_then(place), revision: state.revision.clone() }
}

/// What went wrong with a store, for whoever asked.
pub(crate) fn store_error(error: StoreError) -> ErrorObject {
    let message = error.to_string();
    match error {
        StoreError::NotFound(_) => ErrorObject::invalid_request(message).kind(ErrorKind::ThreadNotFound),
        StoreError::Leased { holder, .. } => {
            ErrorObject::held(message, holder.map(|Holder { pid, since }| ThreadHolder { pid, since }))
        }
        StoreError::Archived(_) | StoreError::Referenced { .. } => {
            ErrorObject::invalid_request(message).kind(ErrorKind::ThreadBusy)
        }
        StoreError::InvalidCursor(_) => ErrorObject::invalid_request_params(message),
        StoreError::Exists(_) | StoreError::Damaged { .. } | StoreError::Io { .. } | StoreError::Index(_) => {
            ErrorObject::internal(message).kind(ErrorKind::FileSystem)
        }
    }
}
