//! One file per method, named after it.

mod account_bedrock_check_gov_cloud_requirements;
mod account_login_cancel;
mod account_login_start;
mod account_logout;
mod account_rate_limits_read;
mod account_read;
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
mod plugin_installed;
mod skills_list;
mod thread_compact_start;
mod thread_inject_items;
mod thread_list;
mod thread_loaded_list;
mod thread_read;
mod thread_section_list;
mod thread_shell_command;
mod thread_start;
mod thread_unsubscribe;
mod turn_interrupt;
mod turn_start;
mod turn_steer;

use std::sync::Arc;

use uuid::Uuid;
use valet_protocol::{ErrorKind, ErrorObject};

use crate::dispatch::Context;
use crate::threads::Thread;

impl Context {
    /// A loaded thread, for a method that works on it.
    fn thread(&self, thread_id: &str) -> Result<Arc<Thread>, ErrorObject> {
        self.loaded_thread(thread_id)?.ok_or_else(|| {
            ErrorObject::invalid_request(format!("thread not found: {thread_id}")).kind(ErrorKind::ThreadNotFound)
        })
    }

    /// To be called after something was entered for the asking connection: it may have left in the meantime,
    /// and then nobody else would take the thing out again.
    fn forget_if_gone(&self) {
        let id = self.connection.id;
        if self.host.connections.get(id).is_none() {
            self.host.forget(id);
        }
    }

    /// A thread, if it is loaded. An id that is no uuid is an error.
    fn loaded_thread(&self, thread_id: &str) -> Result<Option<Arc<Thread>>, ErrorObject> {
        let id = Uuid::parse_str(thread_id).map_err(|error| {
            ErrorObject::invalid_request(format!("invalid thread id: {error}")).kind(ErrorKind::InvalidParams)
        })?;
        let thread = self.host.threads.get(&id.to_string());
        Ok(thread.filter(|thread| thread.is_visible_to(self.connection.id)))
    }
}

fn invalid_cursor(cursor: &str) -> ErrorObject {
    ErrorObject::invalid_request(format!("invalid cursor: {cursor}")).kind(ErrorKind::InvalidParams)
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
            let message = format!("cursor {cursor} exceeds total {what} 0");
            Err(ErrorObject::invalid_request(message).kind(ErrorKind::InvalidParams))
        }
        Some((cursor, Err(_))) => Err(invalid_cursor(cursor)),
    }
}
