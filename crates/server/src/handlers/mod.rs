//! One file per method, named after it.

mod account_login_cancel;
mod account_login_start;
mod account_logout;
mod account_rate_limits_read;
mod account_read;
mod config_read;
mod config_requirements_read;
mod get_auth_status;
mod initialize;
mod model_list;
mod thread_list;
mod thread_loaded_list;
mod thread_read;
mod thread_start;
mod thread_unsubscribe;
mod turn_interrupt;
mod turn_start;

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
