//! What a handler works with, and what many of them begin with, such as finding the thread that a request is about, as
//! far as the asking connection may know of it.

use std::sync::Arc;

use uuid::Uuid;
use valet_auth::Identity;
use valet_protocol::{ErrorKind, ErrorObject, ServerNotificationMethod, v2};
use valet_store::{Creator, StoreError, Summary, ThreadStore};

use crate::account::creator;
use crate::blocking::blocking;
use crate::connection::{Connection, ConnectionId};
use crate::convert;
use crate::host::HostState;
use crate::notification::Notification;
use crate::threads::{History, Thread};

/// What a handler works with.
#[derive(Clone)]
pub(crate) struct Context {
    /// The host.
    pub(crate) host: Arc<HostState>,
    /// Who asked.
    pub(crate) connection: Arc<Connection>,
}

impl Context {
    /// A loaded thread, for a method that works on it.
    pub(crate) fn thread(&self, thread_id: &str) -> Result<Arc<Thread>, ErrorObject> {
        self.loaded_thread(thread_id)?.ok_or_else(|| {
            ErrorObject::invalid_request(format!("thread not found: {thread_id}")).kind(ErrorKind::ThreadNotFound)
        })
    }

    /// To be called after something was entered for the asking connection: it may have left in the meantime,
    /// and then nobody else would take the thing out again.
    pub(crate) fn forget_if_gone(&self) {
        let id = self.connection.id;
        if self.host.connections.get(id).is_none() {
            self.host.forget(id);
        }
    }

    /// A thread, if it is loaded. An id that is no uuid is an error.
    pub(crate) fn loaded_thread(&self, thread_id: &str) -> Result<Option<Arc<Thread>>, ErrorObject> {
        let thread = self.host.threads.get(&thread_id_of(thread_id)?);
        Ok(thread.filter(|thread| self.may_see(thread)))
    }

    /// Whether the asking connection may know of a loaded thread.
    pub(crate) fn may_see(&self, thread: &Thread) -> bool {
        self.may_know(self.connection.id, &thread.id, thread.creator().as_ref())
    }

    /// Whether a connection may know of a thread that was started with this login. Where each connection is a tenant,
    /// it knows what is of its own accounts; without one, a thread in memory that it brought or listens to.
    fn may_know(&self, connection: ConnectionId, thread_id: &str, creator: Option<&Creator>) -> bool {
        if !self.host.config.per_connection() {
            return true;
        }
        let now = self.host.accounts.creators(connection);
        match creator {
            // Whoever has other accounts since then is somebody else.
            Some(creator) if !now.is_empty() => now.contains(creator),
            _ => self.host.threads.get(thread_id).is_some_and(|thread| thread.shared.stage().is_of(connection)),
        }
    }

    /// The loaded threads that the asking connection may know of.
    pub(crate) fn own_threads(&self) -> Vec<String> {
        let threads = self.host.threads.all();
        threads.iter().filter(|thread| self.may_see(thread)).map(|thread| thread.id.clone()).collect()
    }

    /// Which threads a list shows to the asking connection: those of these accounts, or of all where there are none, and
    /// of them these only, if they are named.
    pub(crate) fn may_list(&self, of_account: bool) -> (Vec<Creator>, Option<Vec<String>>) {
        let own = self.host.config.per_connection();
        let id = self.connection.id;
        let creators = match (of_account, own) {
            (true, _) => self.host.accounts.creator(id).into_iter().collect(),
            (false, true) => self.host.accounts.creators(id),
            (false, false) => Vec::new(),
        };
        // A tenant that has no account has no thread that was stored by another connection.
        let only = (own && creators.is_empty()).then(|| self.own_threads());
        (creators, only)
    }

    /// The lent account that a request chooses; null within: whoever is logged in. None: it chooses nothing.
    pub(crate) fn choice(&self, asked: Option<&v2::AccountChoice>) -> Result<Option<Option<Identity>>, ErrorObject> {
        let asked = asked.filter(|_| !self.host.config.strict()).and_then(|asked| asked.chatgpt_account_id.as_ref());
        asked.map(|account_id| self.chosen(account_id.as_deref())).transpose()
    }

    /// An account by its id, if it is lent; null: whoever is logged in.
    pub(crate) fn chosen(&self, account_id: Option<&str>) -> Result<Option<Identity>, ErrorObject> {
        let Some(account_id) = account_id else { return Ok(None) };
        let account = self.host.accounts.lent_account(self.connection.id, account_id)?;
        Ok(account.snapshot().identity.clone())
    }

    /// Whose account the work of a thread runs under, as threads note it.
    pub(crate) fn creator_under(&self, chosen: Option<&Identity>) -> Result<Option<Creator>, ErrorObject> {
        let account = self.host.accounts.for_work(self.connection.id, chosen)?;
        Ok(account.as_deref().and_then(creator))
    }

    /// Tells everybody who may know of a thread that was started with this login, and whoever asked: it did, before the
    /// thread was gone.
    pub(crate) fn tell_of<N: ServerNotificationMethod>(
        &self,
        thread_id: &str,
        creator: Option<&Creator>,
        params: &N::Params,
    ) {
        let Some(notification) = Notification::new::<N>(params) else { return };
        for connection in self.host.connections.all() {
            if connection.id == self.connection.id || self.may_know(connection.id, thread_id, creator) {
                notification.send_to(&connection);
            }
        }
    }

    /// Works with the stored threads, where it may wait for a disk.
    pub(crate) async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn ThreadStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ErrorObject> {
        let store = Arc::clone(&self.host.threads.stored);
        blocking(move || work(&*store).map_err(convert::store_error)).await
    }

    /// A thread that is stored, whether it is loaded or not.
    pub(crate) async fn stored(&self, thread_id: &str) -> Result<Option<Summary>, ErrorObject> {
        let id = thread_id_of(thread_id)?;
        let found = self.with_store(move |store| store.find(&id)).await?;
        Ok(found.filter(|summary| self.may_know(self.connection.id, &summary.id, summary.creator.as_ref())))
    }

    /// A thread that is stored; the error says that there is none.
    pub(crate) async fn stored_or_none_found(&self, thread_id: &str) -> Result<Summary, ErrorObject> {
        let summary = self.stored(thread_id).await?;
        summary.ok_or_else(|| convert::store_error(StoreError::NotFound(thread_id.to_owned())))
    }

    /// Has a loaded thread know the name that another process may have given it.
    pub(crate) async fn learn_name(&self, thread: &Thread) -> Result<(), ErrorObject> {
        if thread.shared.is_stored()
            && let Some(summary) = self.stored(&thread.id).await?
        {
            thread.shared.stage().record.thread.name = summary.name;
        }
        Ok(())
    }

    /// A thread that is stored and not in the archive; one that is loaded is stored for it. The error says that there
    /// is none.
    pub(crate) async fn kept(&self, thread_id: &str) -> Result<Summary, ErrorObject> {
        if let Some(thread) = self.loaded_thread(thread_id)?.filter(|thread| !thread.shared.is_stored()) {
            thread.store()?;
        }
        let summary = self.stored(thread_id).await?.filter(|summary| !summary.archived);
        summary.ok_or_else(|| convert::store_error(StoreError::NotFound(thread_id.to_owned())))
    }

    /// What happened in a thread, loaded or not; none before the first turn, and where there is no such thread.
    pub(crate) async fn history(&self, thread_id: &str) -> Result<Option<History>, ErrorObject> {
        if let Some(thread) = self.loaded_thread(thread_id)? {
            return Ok(thread.shared.moment().map_err(convert::store_error)?.history);
        }
        let Some(summary) = self.stored(thread_id).await? else { return Ok(None) };
        self.with_store(move |store| History::of(store.lines(&summary.id)?)).await.map(Some)
    }

    /// Ends what runs in a thread and takes it out of memory, if it is there.
    pub(crate) async fn end_and_unload(&self, thread_id: &str) {
        if let Some(thread) = self.host.threads.get(thread_id) {
            thread.end().await;
            self.host.threads.unload(&thread);
        }
    }
}

/// The id of a thread in the form that it is stored under. An id that is no uuid is an error.
pub(crate) fn thread_id_of(text: &str) -> Result<String, ErrorObject> {
    match Uuid::parse_str(text) {
        Ok(id) => Ok(id.to_string()),
        Err(error) => Err(ErrorObject::invalid_request_params(format!("invalid thread id: {error}"))),
    }
}
