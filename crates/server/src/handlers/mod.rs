//! One file per method, named after it. Here: what many of them begin with, such as finding the thread that a request
//! is about, as far as the asking connection may know of it.

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

use std::sync::Arc;

use uuid::Uuid;
use valet_auth::Identity;
use valet_protocol::{ErrorKind, ErrorObject, ServerNotificationMethod, v2};
use valet_store::{Creator, StoreError, Summary, ThreadStore};

use crate::account::creator;
use crate::blocking::blocking;
use crate::connection::{Audience, ConnectionId};
use crate::convert;
use crate::dispatch::Context;
use crate::threads::{History, Thread, ThreadSettings};

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
        let thread = self.host.threads.get(&thread_id_of(thread_id)?);
        Ok(thread.filter(|thread| self.may_see(thread)))
    }

    /// Whether the asking connection may know of a loaded thread.
    fn may_see(&self, thread: &Thread) -> bool {
        if !self.host.config.per_connection() {
            return true;
        }
        let now = self.host.accounts.creators(self.connection.id);
        let stage = thread.shared.stage();
        match &stage.record.creator {
            // Whoever has other accounts since then is somebody else.
            Some(creator) if !now.is_empty() => now.contains(creator),
            _ => stage.is_of(self.connection.id),
        }
    }

    /// Whether the asking connection may know of what was started with this login. Where each connection is a tenant,
    /// it sees what is of its own accounts.
    fn may_see_what_is_of(&self, creator: Option<&Creator>) -> bool {
        !self.host.config.per_connection() || self.holds(self.connection.id, creator)
    }

    /// Whether a connection has the account that something was started with.
    fn holds(&self, connection: ConnectionId, creator: Option<&Creator>) -> bool {
        creator.is_some_and(|creator| self.host.accounts.creators(connection).contains(creator))
    }

    /// The lent account that a request chooses; null within: whoever is logged in. None: it chooses nothing.
    fn choice(&self, asked: Option<&v2::AccountChoice>) -> Result<Option<Option<Identity>>, ErrorObject> {
        let asked = asked.filter(|_| !self.host.config.strict()).and_then(|asked| asked.chatgpt_account_id.as_ref());
        asked.map(|account_id| self.chosen(account_id.as_deref())).transpose()
    }

    /// An account by its id, if it is lent; null: whoever is logged in.
    fn chosen(&self, account_id: Option<&str>) -> Result<Option<Identity>, ErrorObject> {
        let Some(account_id) = account_id else { return Ok(None) };
        let account = self.host.accounts.lent_account(self.connection.id, account_id)?;
        Ok(account.snapshot().identity.clone())
    }

    /// Whose account the work of a thread runs under, as threads note it.
    fn creator_under(&self, chosen: Option<&Identity>) -> Result<Option<Creator>, ErrorObject> {
        let account = self.host.accounts.for_work(self.connection.id, chosen)?;
        Ok(account.as_deref().and_then(creator))
    }

    /// Tells everybody who may know of what was started with this login.
    fn tell_of<N: ServerNotificationMethod>(&self, creator: Option<&Creator>, params: &N::Params) {
        if !self.host.config.per_connection() {
            return self.host.connections.tell::<N>(Audience::Everybody, params);
        }
        for connection in self.host.connections.all() {
            if connection.id == self.connection.id || self.holds(connection.id, creator) {
                connection.notify::<N>(params);
            }
        }
    }

    /// Works with the stored threads, where it may wait for a disk.
    async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn ThreadStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ErrorObject> {
        let store = Arc::clone(&self.host.threads.stored);
        match blocking(move || work(&*store)).await {
            Ok(result) => result.map_err(convert::store_error),
            Err(error) => Err(ErrorObject::internal(format!("the store of threads failed: {error}"))),
        }
    }

    /// A thread that is stored, whether it is loaded or not.
    async fn stored(&self, thread_id: &str) -> Result<Option<Summary>, ErrorObject> {
        let id = thread_id_of(thread_id)?;
        let is_own = self.loaded_thread(&id)?.is_some();
        let found = self.store(move |store| store.find(&id)).await?;
        Ok(found.filter(|summary| is_own || self.may_see_what_is_of(summary.creator.as_ref())))
    }

    /// A thread that is stored; the error says that there is none.
    async fn stored_or_none_found(&self, thread_id: &str) -> Result<Summary, ErrorObject> {
        let summary = self.stored(thread_id).await?;
        summary.ok_or_else(|| convert::store_error(StoreError::NotFound(thread_id.to_owned())))
    }

    /// Has a loaded thread know the name that another process may have given it.
    async fn learn_name(&self, thread: &Thread) -> Result<(), ErrorObject> {
        if thread.shared.is_stored()
            && let Some(summary) = self.stored(&thread.id).await?
        {
            thread.shared.stage().record.thread.name = summary.name;
        }
        Ok(())
    }

    /// A thread that is stored and not in the archive; one that is loaded is stored for it. The error says that there
    /// is none.
    async fn kept(&self, thread_id: &str) -> Result<Summary, ErrorObject> {
        if let Some(thread) = self.loaded_thread(thread_id)?.filter(|thread| !thread.shared.is_stored()) {
            thread.store()?;
        }
        let summary = self.stored(thread_id).await?.filter(|summary| !summary.archived);
        summary.ok_or_else(|| convert::store_error(StoreError::NotFound(thread_id.to_owned())))
    }

    /// What happened in a thread, loaded or not. None within: nothing did yet. None: there is no such thread.
    async fn history(&self, thread_id: &str) -> Result<Option<Option<History>>, ErrorObject> {
        if let Some(thread) = self.loaded_thread(thread_id)? {
            return Ok(Some(thread.shared.moment().map_err(convert::store_error)?.history));
        }
        let Some(summary) = self.stored(thread_id).await? else { return Ok(None) };
        let history = self.store(move |store| History::of(store.lines(&summary.id)?)).await?;
        Ok(Some(Some(history)))
    }

    /// Ends what runs in a thread and takes it out of memory, if it is there.
    async fn let_go(&self, thread_id: &str) {
        if let Some(thread) = self.host.threads.get(thread_id) {
            thread.end().await;
            self.host.threads.let_go(&thread);
        }
    }
}

/// The id of a thread in the form that it is stored under. An id that is no uuid is an error.
fn thread_id_of(text: &str) -> Result<String, ErrorObject> {
    match Uuid::parse_str(text) {
        Ok(id) => Ok(id.to_string()),
        Err(error) => {
            Err(ErrorObject::invalid_request(format!("invalid thread id: {error}")).kind(ErrorKind::InvalidParams))
        }
    }
}

/// The same for the methods that call a thread a session when the id is none.
fn session_id_of(text: &str) -> Result<String, ErrorObject> {
    thread_id_of(text).map_err(|error| {
        let message = error.message.replacen("thread", "session", 1);
        ErrorObject { message, ..error }
    })
}

/// Why whole histories are told with a notice.
const TURNS_OF_AN_OPENED_THREAD: &str = "Full-history hydration is deprecated for paginated threads; use `excludeTurns: true`, then page with `thread/turns/list` and `thread/items/list`.";

/// Reads a history, where it may wait for a disk.
async fn reading<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ErrorObject> + Send + 'static,
) -> Result<T, ErrorObject> {
    blocking(read).await.unwrap_or_else(|error| Err(ErrorObject::internal(error.to_string())))
}

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
