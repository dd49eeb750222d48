//! One file per method, named after it.

mod account_bedrock_check_gov_cloud_requirements;
mod account_login_cancel;
mod account_login_start;
mod account_logout;
mod account_rate_limits_read;
mod account_read;
mod account_usage_read;
mod apps_list;
mod collaboration_mode_list;
mod command_exec;
mod command_exec_resize;
mod command_exec_terminate;
mod command_exec_write;
mod config_mcp_server_reload;
mod config_read;
mod config_requirements_read;
mod experimental_feature_list;
mod fs_copy;
mod fs_create_directory;
mod fs_get_metadata;
mod fs_read_directory;
mod fs_read_file;
mod fs_remove;
mod fs_unwatch;
mod fs_watch;
mod fs_write_file;
mod fuzzy_file_search;
mod fuzzy_file_search_session_start;
mod fuzzy_file_search_session_stop;
mod fuzzy_file_search_session_update;
mod get_auth_status;
mod git_diff_to_remote;
mod hooks_list;
mod initialize;
mod mcp_server_status_list;
mod model_list;
mod permission_profile_list;
mod plugin_installed;
mod skills_list;
mod thread_archive;
mod thread_compact_start;
mod thread_delete;
mod thread_fork;
mod thread_goal_get;
mod thread_inject_items;
mod thread_items_list;
mod thread_list;
mod thread_loaded_list;
mod thread_metadata_update;
mod thread_name_set;
mod thread_read;
mod thread_read_state_update;
mod thread_resume;
mod thread_revert;
mod thread_rollback;
mod thread_search;
mod thread_section_list;
mod thread_settings_update;
mod thread_shell_command;
mod thread_start;
mod thread_turns_list;
mod thread_unarchive;
mod thread_unsubscribe;
mod turn_interrupt;
mod turn_start;
mod turn_steer;
mod valet_account_forget;
mod valet_account_lend;
mod valet_account_list;
mod valet_login_redirect;
mod valet_thread_account_set;

use valet_protocol::{ErrorKind, ErrorObject, v2};

use crate::context::{Context, thread_id_of};
use crate::threads::ThreadSettings;

/// Like [`thread_id_of`], for the methods that call a thread a session when the id is none.
fn session_id_of(text: &str) -> Result<String, ErrorObject> {
    thread_id_of(text).map_err(|error| {
        let message = error.message.replacen("thread", "session", 1);
        ErrorObject { message, ..error }
    })
}

/// Why whole histories are told with a notice.
const TURNS_OF_AN_OPENED_THREAD: &str = "Full-history hydration is deprecated for paginated threads; use `excludeTurns: true`, then page with `thread/turns/list` and `thread/items/list`.";

/// What is told of a thread that was started, resumed or forked.
fn opened(thread: &v2::Thread, settings: &ThreadSettings) -> v2::ThreadStartResponse {
    v2::ThreadStartResponse {
        thread: thread.clone(),
        model: settings.model.clone(),
        model_provider: settings.provider_id.clone(),
        service_tier: settings.service_tier.clone(),
        disabled_plugin_ids: Vec::new(),
        cwd: settings.cwd.clone(),
        runtime_workspace_roots: vec![settings.cwd.clone()],
        instruction_sources: valet_agent::project::files(settings.cwd.as_ref())
            .into_iter()
            .map(|file| file.display().to_string())
            .collect(),
        approval_policy: settings.approval_policy,
        approvals_reviewer: settings.approvals_reviewer,
        sandbox: settings.sandbox_policy.clone(),
        active_permission_profile: None,
        reasoning_effort: settings.effort.clone(),
        multi_agent_mode: v2::MultiAgentMode::ExplicitRequestOnly,
    }
}

/// What is said of a thread that is not there, where one is to be read.
fn not_loaded(thread_id: &str) -> ErrorObject {
    ErrorObject::invalid_request(format!("thread not loaded: {thread_id}")).kind(ErrorKind::ThreadNotFound)
}

fn invalid_cursor(cursor: &str) -> ErrorObject {
    ErrorObject::invalid_request_params(format!("invalid cursor: {cursor}"))
}

/// What a program sends whose variable is not set is no login. The reference takes it.
fn not_empty(context: &Context, name: &str, text: &str) -> Result<(), ErrorObject> {
    if context.host.config.strict() || !text.trim().is_empty() {
        return Ok(());
    }
    Err(ErrorObject::undecodable(format_args!("`{name}` is empty")))
}

/// What a method that takes directories is about: those, or else the host's own.
fn directories(cwds: Vec<String>) -> Vec<String> {
    if cwds.is_empty() { vec![crate::workspace::text(&std::env::current_dir().unwrap_or_default())] } else { cwds }
}

/// Checks a cursor into a list that is empty; `what` is in the list, for the message.
fn check_position(cursor: Option<&str>, what: &str) -> Result<(), ErrorObject> {
    match cursor.map(|cursor| (cursor, cursor.parse::<usize>())) {
        None | Some((_, Ok(0))) => Ok(()),
        Some((cursor, Ok(_))) => {
            Err(ErrorObject::invalid_request_params(format!("cursor {cursor} exceeds total {what} 0")))
        }
        Some((cursor, Err(_))) => Err(invalid_cursor(cursor)),
    }
}
