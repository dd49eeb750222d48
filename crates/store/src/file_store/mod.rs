//! The embedded store: logs as files, and the index beside them.

mod behind;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use self::behind::Behind;
use crate::error::{StoreError, io as failed};
use crate::files::{FileLog, Files};
use crate::index::Index;
use crate::line::{NewLine, Position};
use crate::log::{Lines, ThreadLog};
use crate::query::{Found, Page, Query};
use crate::store::ThreadStore;
use crate::summary::{ReadState, Summary};

/// The threads of a home, as files in the place and the format of the reference. Other processes may use the same
/// home: other hosts, and the reference.
///
/// A list shows at once what hosts with this store did in the home, and of what other programs did: new threads of the
/// newest days, names, what they moved into the archive, and what they appended to threads that the list returns or
/// that are among the latest to have changed. Whatever else they did, it shows after a sweep, which a list sets off
/// at most once a minute.
pub struct FileStore {
    files: Files,
    behind: Arc<Behind>,
}

impl FileStore {
    /// The store of a home. Touches nothing: the index opens when it is first asked, or something is appended.
    pub fn open(home: &Path) -> Self {
        let files = Files::new(home.to_owned());
        Self { behind: Arc::new(Behind::new(Index::new(files.clone()))), files }
    }

    /// Compares everything with the files, and waits until the index knows it all. Lists do not need this: it is for
    /// those who want to have the work behind them.
    ///
    /// # Errors
    ///
    /// The files cannot be read, or the index refuses.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.behind.catch_up();
        self.behind.index().with(|db| {
            db.sweep()?;
            while db.index_words()? {}
            Ok(())
        })
    }

    fn indexed(&self, id: &str, log: FileLog) -> Box<dyn ThreadLog> {
        Box::new(IndexedLog { id: id.to_owned(), log, files: self.files.clone(), behind: self.behind.clone() })
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        self.behind.end();
    }
}

impl ThreadStore for FileStore {
    fn create(&self, id: Uuid, head: NewLine) -> Result<Box<dyn ThreadLog>, StoreError> {
        Ok(self.indexed(&id.to_string(), self.files.create(id, head)?))
    }

    fn place(&self, id: Uuid) -> Option<PathBuf> {
        Some(self.files.layout().place(id).path)
    }

    fn lease(&self, id: &str) -> Result<Box<dyn ThreadLog>, StoreError> {
        Ok(self.indexed(id, self.files.lease(id, self.behind.hint(id).as_deref())?))
    }

    fn lines(&self, id: &str) -> Result<Arc<dyn Lines>, StoreError> {
        self.files.lines(id, self.behind.hint(id).as_deref())
    }

    fn find(&self, id: &str) -> Result<Option<Summary>, StoreError> {
        self.behind.catch_up();
        self.behind.index().with(|db| db.find(id))
    }

    fn list(&self, query: &Query) -> Result<Page<Summary>, StoreError> {
        self.behind.catch_up();
        let page = self.behind.index().with(|db| db.list(query));
        self.behind.sweep_soon();
        page
    }

    fn search(&self, text: &str, query: &Query) -> Result<Page<Found>, StoreError> {
        self.behind.catch_up();
        let page = self.behind.index().with(|db| db.search(text, query));
        self.behind.sweep_soon();
        page
    }

    fn set_archived(&self, id: &str, archived: bool) -> Result<Summary, StoreError> {
        self.files.set_archived(id, archived, self.behind.hint(id).as_deref())?;
        let reason = || "it has no first line".to_owned();
        self.find(id)?.ok_or_else(|| StoreError::Damaged { id: id.to_owned(), reason: reason() })
    }

    fn delete(&self, id: &str) -> Result<(), StoreError> {
        if is_base(&self.files, &self.behind, id)? {
            return Err(StoreError::Referenced { id: id.to_owned(), doing: "delete" });
        }
        self.files.delete(id, self.behind.hint(id).as_deref())?;
        // It is gone, whatever the index says; and what has no file is listed no more.
        if let Err(error) = self.behind.index().with(|db| db.remove(id)) {
            tracing::warn!(%error, "a deleted thread stays in the index for now");
        }
        Ok(())
    }

    fn set_name(&self, id: &str, name: &str) -> Result<(), StoreError> {
        match self.files.find(id, self.behind.hint(id).as_deref())? {
            Some(_) => self.files.set_name(id, name),
            None => Err(StoreError::NotFound(id.to_owned())),
        }
    }

    fn set_read_state(&self, id: &str, state: &ReadState) -> Result<(), StoreError> {
        self.behind.catch_up();
        let set = |db: &crate::index::Db| Ok(db.find(id)?.is_some() && db.set_read_state(id, state)?);
        if self.behind.index().with(set)? { Ok(()) } else { Err(StoreError::NotFound(id.to_owned())) }
    }
}

/// Whether forks of a thread have their history in its log.
fn is_base(files: &Files, behind: &Behind, id: &str) -> Result<bool, StoreError> {
    let Some(place) = files.find(id, behind.hint(id).as_deref())? else { return Ok(false) };
    let parts = files.layout().parts(&place).map_err(failed("cannot look for", &place.path))?;
    let names: Vec<String> = parts.into_iter().filter_map(|part| part.part).chain([id.to_owned()]).collect();
    behind.catch_up();
    behind.index().with(|db| db.is_base(id, &names))
}

/// A log whose changes the index comes to know.
struct IndexedLog {
    id: String,
    log: FileLog,
    files: Files,
    behind: Arc<Behind>,
}

impl IndexedLog {
    fn note(&self, shortened: bool) {
        if let Some(path) = self.log.path() {
            self.behind.note(&self.id, path, shortened);
        }
    }
}

impl ThreadLog for IndexedLog {
    fn append(&mut self, lines: &[NewLine]) -> Result<(), StoreError> {
        self.log.append(lines)?;
        self.note(false);
        Ok(())
    }

    fn truncate(&mut self, from: Position) -> Result<(), StoreError> {
        if from < self.log.lines().end()? && is_base(&self.files, &self.behind, &self.id)? {
            return Err(StoreError::Referenced { id: self.id.clone(), doing: "revert" });
        }
        self.log.truncate(from)?;
        self.note(true);
        Ok(())
    }

    fn sync(&self) {
        self.log.sync();
    }

    fn lines(&self) -> Arc<dyn Lines> {
        self.log.lines()
    }

    fn path(&self) -> Option<&Path> {
        self.log.path()
    }
}
