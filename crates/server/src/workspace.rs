//! What connections have going in the file system: watches, typed searches and searches that can be cancelled.
//! All of it belongs to a connection and goes with it. The work itself is done by `valet-workspace`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use valet_protocol::v2::{AbsolutePath, FuzzyFileSearchMatchType, FuzzyFileSearchResult};
use valet_protocol::{ErrorKind, ErrorObject};
use valet_workspace::files::FileError;
use valet_workspace::search::{Catalog, Found, Session};
use valet_workspace::watch::{Changes, Watch, Watcher};

use crate::connection::ConnectionId;

/// Typed searches that a connection may have open: each keeps what it has found in memory.
const MAX_SESSIONS: usize = 16;

/// Whose it is, and the name that the client gave it.
type Key = (ConnectionId, String);

/// What all connections have going.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    watcher: Arc<Watcher>,
    /// Empty: the watch is being set up.
    watches: Mutex<HashMap<Key, Arc<OnceLock<Watch>>>>,
    sessions: Mutex<HashMap<Key, Session>>,
    searches: Mutex<HashMap<Key, Arc<Catalog>>>,
}

fn lock<T>(map: &Mutex<HashMap<Key, T>>) -> MutexGuard<'_, HashMap<Key, T>> {
    // A map is whole between any two statements below.
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes out what belongs to a connection. It is dropped without the lock.
fn take<T>(map: &Mutex<HashMap<Key, T>>, connection: ConnectionId) -> Vec<T> {
    lock(map).extract_if(|(owner, _), _| *owner == connection).map(|(_, value)| value).collect()
}

impl Workspace {
    /// Ends everything that a connection has going.
    pub(crate) fn forget(&self, connection: ConnectionId) {
        drop(take(&self.watches, connection));
        drop(take(&self.sessions, connection));
        take(&self.searches, connection).iter().for_each(|search| search.cancel());
    }

    /// Begins a watch.
    pub(crate) async fn watch(
        &self,
        connection: ConnectionId,
        id: String,
        path: AbsolutePath,
    ) -> Result<Changes, ErrorObject> {
        let key = (connection, id);
        let own = Arc::default();
        match lock(&self.watches).entry(key.clone()) {
            Entry::Occupied(_) => {
                return Err(ErrorObject::invalid_request(format!("watchId already exists: {}", key.1)));
            }
            Entry::Vacant(entry) => entry.insert(Arc::clone(&own)),
        };
        let watcher = Arc::clone(&self.watcher);
        match blocking(move || Ok(watcher.watch(path.as_ref())?)).await {
            Ok((watch, changes)) => {
                // If it was taken out meanwhile, nobody wants the watch, and it ends here.
                let _ = own.set(watch);
                Ok(changes)
            }
            Err(error) => {
                let mut watches = lock(&self.watches);
                // The id may stand for a later watch by now.
                if watches.get(&key).is_some_and(|current| Arc::ptr_eq(current, &own)) {
                    watches.remove(&key);
                }
                Err(error)
            }
        }
    }

    /// Ends a watch, if there is one.
    pub(crate) fn unwatch(&self, connection: ConnectionId, id: String) {
        let watch = lock(&self.watches).remove(&(connection, id));
        drop(watch);
    }

    /// Keeps a typed search under its id, and ends the one that had it.
    pub(crate) fn open_session(
        &self,
        connection: ConnectionId,
        id: String,
        session: Session,
    ) -> Result<(), ErrorObject> {
        let mut sessions = lock(&self.sessions);
        let open = sessions.keys().filter(|(owner, other)| *owner == connection && *other != id).count();
        if open >= MAX_SESSIONS {
            return Err(ErrorObject::invalid_request(format!(
                "failed to start fuzzy file search session: {MAX_SESSIONS} are open"
            )));
        }
        sessions.insert((connection, id), session);
        Ok(())
    }

    /// Asks a typed search for something else.
    pub(crate) fn ask_session(&self, connection: ConnectionId, id: String, query: String) -> Result<(), ErrorObject> {
        let key = (connection, id);
        match lock(&self.sessions).get(&key) {
            Some(session) => {
                session.ask(query);
                Ok(())
            }
            None => Err(ErrorObject::invalid_request(format!("fuzzy file search session not found: {}", key.1))),
        }
    }

    /// Ends a typed search, if there is one.
    pub(crate) fn close_session(&self, connection: ConnectionId, id: String) {
        lock(&self.sessions).remove(&(connection, id));
    }

    /// Notes a search as running, and cancels the one with the same token.
    pub(crate) fn begin_search(&self, connection: ConnectionId, token: String, search: &Arc<Catalog>) {
        if let Some(before) = lock(&self.searches).insert((connection, token), Arc::clone(search)) {
            before.cancel();
        }
    }

    /// Notes that a search is over.
    pub(crate) fn end_search(&self, connection: ConnectionId, token: String, search: &Arc<Catalog>) {
        let key = (connection, token);
        let mut searches = lock(&self.searches);
        // The token may stand for a later search by now.
        if searches.get(&key).is_some_and(|current| Arc::ptr_eq(current, search)) {
            searches.remove(&key);
        }
    }
}

/// Does file work where it holds up nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, ErrorObject> {
    crate::blocking::blocking(|| work().map_err(|error| file_error(&error))).await
}

fn file_error(error: &FileError) -> ErrorObject {
    let refused = |message: &str| ErrorObject::invalid_request(message);
    let error = match error {
        FileError::IsADirectory => refused("fs/copy requires recursive: true when sourcePath is a directory"),
        FileError::IntoItself => refused("fs/copy cannot copy a directory to itself or one of its descendants"),
        FileError::NotCopyable => refused("fs/copy only supports regular files, directories, and symlinks"),
        FileError::NotAFile(_) | FileError::TooLarge => ErrorObject::invalid_request(error.to_string()),
        FileError::Io(error) => ErrorObject::internal(error.to_string()),
    };
    error.kind(ErrorKind::FileSystem)
}

/// A path in an answer.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A match of a search.
pub(crate) fn file_match(found: Found) -> FuzzyFileSearchResult {
    let (file, directory) = (FuzzyFileSearchMatchType::File, FuzzyFileSearchMatchType::Directory);
    FuzzyFileSearchResult {
        root: text(&found.root),
        file_name: found.file_name().to_owned(),
        path: found.path,
        match_type: if found.is_directory { directory } else { file },
        score: found.score,
        indices: Some(found.indices),
    }
}

#[cfg(test)]
mod tests {
    use super::Workspace;
    use pretty_assertions::assert_eq;
    use valet_protocol::v2::AbsolutePath;

    use crate::connection::ConnectionId;

    const ONE: ConnectionId = ConnectionId(1);

    #[test]
    fn a_watch_that_is_given_up_while_it_is_set_up_leaves_the_next_of_its_name_alone() {
        // One thing after another is done for them all.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let there = AbsolutePath::new(folder.path()).unwrap();
            let missing = AbsolutePath::new(&folder.path().join("missing/file")).unwrap();
            for path in [there.clone(), missing] {
                let workspace = Workspace::default();
                let watch = |path: &AbsolutePath| Box::pin(workspace.watch(ONE, "w".to_owned(), path.clone()));
                let (go_on, wait) = std::sync::mpsc::channel::<()>();
                tokio::task::spawn_blocking(move || wait.recv());
                let mut first = watch(&path);
                assert!(futures_util::poll!(&mut first).is_pending());
                workspace.unwatch(ONE, "w".to_owned());
                let mut second = watch(&there);
                assert!(futures_util::poll!(&mut second).is_pending());
                drop(go_on);
                // Whichever comes last, the second is the one that counts.
                let (second, first) = if path == there {
                    let second = second.await;
                    (second, first.await)
                } else {
                    let first = first.await;
                    (second.await, first)
                };
                assert_eq!(first.is_ok(), path == there);
                std::fs::write(folder.path().join("file"), "text").unwrap();
                assert!(second.unwrap().next().await.is_some());
                assert_eq!(watch(&there).await.unwrap_err().message, "watchId already exists: w");
                if let Ok(mut given_up) = first {
                    assert_eq!(given_up.next().await, None);
                }
            }
        });
    }
}
