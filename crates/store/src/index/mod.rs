//! The index: a database in the home that finds threads among very many. The logs are the truth, and it is made from
//! them. It opens at its first use. When it cannot be kept in the home, a private one does until the process ends.

mod query;
mod reading;
mod rows;
mod schema;
mod search;
mod sweep;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use self::query::hits;
use self::rows::{Log, Stored};
use self::search::{In, search};
use crate::error::StoreError;
use crate::files::{Files, Place};
use crate::lock::lock;
use crate::query::{Found, Page, Query};
use crate::summary::{ReadState, Summary};

/// How often a page is put together again because its files had changed.
const ATTEMPTS: usize = 3;
/// How often the first sweep is begun again because another process kept the index.
const PATIENCE: usize = 10;
/// How much text is made known to the search in one transaction.
const WORDS: usize = 128 << 10;

/// The index of a home.
pub(crate) struct Index {
    files: Files,
    db: Mutex<Option<Arc<Db>>>,
}

impl Index {
    /// Touches nothing.
    pub(crate) fn new(files: Files) -> Self {
        Self { files, db: Mutex::new(None) }
    }

    /// Runs something on the database. If that turns out to be unusable, it is replaced and the work begun anew.
    pub(crate) fn with<T>(&self, work: impl Fn(&Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let db = self.db()?;
        match work(&db) {
            Err(StoreError::Index(error)) if self.replace(&db, &error)? => work(&*self.db()?),
            result => result,
        }
    }

    /// What runs on the database now ends soon, and is not complete.
    pub(crate) fn stop(&self) {
        if let Some(db) = &*lock(&self.db) {
            db.stop.store(true, Ordering::Relaxed);
        }
    }

    fn db(&self) -> Result<Arc<Db>, StoreError> {
        let mut db = lock(&self.db);
        if let Some(db) = &*db {
            return Ok(db.clone());
        }
        let home = self.files.layout().home();
        let _lock = schema::lock(home);
        let opened = schema::open(home).and_then(|writer| Ok((writer, schema::open_for_reading(home)?)));
        let new = match opened {
            Ok((writer, reader)) => Db::new(self.files.clone(), writer, Some(reader), schema::identity(home)),
            // Whoever asks again finds it free.
            Err(error) if schema::is_busy(&error) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "the index of threads cannot be kept in the home, so it is made for this process");
                Db::new(self.files.clone(), schema::open_private()?, None, None)
            }
        };
        Ok(db.insert(Arc::new(new)).clone())
    }

    /// Puts a new database into the place of one that cannot go on. Returns whether there was a reason to.
    fn replace(&self, old: &Arc<Db>, error: &rusqlite::Error) -> Result<bool, StoreError> {
        let damaged = schema::is_damage(error);
        let useless = matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen));
        if !damaged && !useless {
            return Ok(false);
        }
        let mut db = lock(&self.db);
        if !db.as_ref().is_some_and(|db| Arc::ptr_eq(db, old)) {
            return Ok(true);
        }
        tracing::warn!(%error, "the index of threads is made anew");
        *db = None;
        if useless {
            *db = Some(Arc::new(Db::new(self.files.clone(), schema::open_private()?, None, None)));
            return Ok(true);
        }
        let home = self.files.layout().home();
        let _lock = schema::lock(home);
        // Another host may have made a new one already.
        if schema::identity(home) == old.file {
            schema::discard(home);
        }
        Ok(true)
    }
}

/// An open database. Readers do not wait for the writer.
pub(crate) struct Db {
    files: Files,
    writer: Mutex<Connection>,
    /// None: the database is private, and has one connection.
    reader: Option<Mutex<Connection>>,
    /// Which file it is in. None: the database is private.
    file: Option<i64>,
    /// Held by whoever sweeps.
    sweeping: Mutex<()>,
    stop: AtomicBool,
}

impl Db {
    fn new(files: Files, writer: Connection, reader: Option<Connection>, file: Option<i64>) -> Self {
        let (writer, reader) = (Mutex::new(writer), reader.map(Mutex::new));
        Self { files, writer, reader, file, sweeping: Mutex::new(()), stop: AtomicBool::new(false) }
    }

    /// A page of threads.
    pub(crate) fn list(&self, query: &Query) -> Result<Page<Summary>, StoreError> {
        let page = self.page(query, |db| match &query.text {
            Some(text) => search(db, query, text, In::Title),
            None => {
                let hits = hits(db, query, query.after.as_ref(), query.limit.saturating_add(1), None)?;
                Ok(hits.into_iter().map(|hit| (hit, String::new())).collect())
            }
        })?;
        Ok(Page { data: page.data.into_iter().map(|found| found.thread).collect(), more: page.more })
    }

    /// A page of threads in which a text was said.
    pub(crate) fn search(&self, text: &str, query: &Query) -> Result<Page<Found>, StoreError> {
        self.page(query, |db| search(db, query, text, In::Said))
    }

    fn page(
        &self,
        query: &Query,
        find: impl Fn(&Connection) -> rusqlite::Result<Vec<(query::Hit, String)>>,
    ) -> Result<Page<Found>, StoreError> {
        self.look_around()?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (rows, more) = self.read(|db| {
                let mut found = find(db)?;
                let more = found.len() > query.limit;
                found.truncate(query.limit);
                let home = self.files.layout().home();
                let mut rows = Vec::with_capacity(found.len());
                for (hit, snippet) in found {
                    rows.extend(rows::by_key(db, home, hit.key)?.map(|row| (row, snippet)));
                }
                Ok((rows, more))
            })?;
            let files: Vec<_> = rows.iter().map(|(row, _)| (row.log.clone(), row.state)).collect();
            let mut gone = Vec::new();
            if attempt == ATTEMPTS || !passing(self.check(&files, &mut gone))?.unwrap_or_default() {
                let found = |(row, snippet): (Stored, _)| row.summary.map(|thread| Found { thread, snippet });
                return Ok(Page { data: rows.into_iter().filter_map(found).collect(), more });
            }
            passing(self.drop_gone(&gone, false))?;
        }
    }

    /// Brings in what is new, as far as that can be done at once. Whoever only reads does not fail because another
    /// process is writing.
    fn look_around(&self) -> Result<(), StoreError> {
        let mut attempt = 0;
        while !self.is_complete()? && !self.stop.load(Ordering::Relaxed) {
            attempt += 1;
            match self.sweep() {
                // Another host is making the same index, and leaves the less to do.
                Err(error) if is_index_busy(&error) && attempt < PATIENCE => {}
                result => result?,
            }
        }
        passing(self.glance()).map(drop)
    }

    /// What is known of a thread.
    pub(crate) fn find(&self, id: &str) -> Result<Option<Summary>, StoreError> {
        let home = self.files.layout().home();
        passing(self.names())?;
        let row = self.read(|db| rows::by_id(db, home, id))?;
        let hint = row.as_ref().map(|row| home.join(&row.log.path));
        let Some(place) = self.files.find(id, hint.as_deref())? else {
            if row.is_some() {
                passing(self.write(|db| rows::remove(db, id)))?;
            }
            return Ok(None);
        };
        let known = self.catch_up(&[self.log(place)]);
        // What is not known at all cannot be told.
        if row.is_none() {
            known?;
        } else {
            passing(known)?;
        }
        Ok(self.read(|db| rows::by_id(db, home, id))?.and_then(|row| row.summary))
    }

    /// Where a thread's log was last seen.
    pub(crate) fn hint(&self, id: &str) -> Result<Option<PathBuf>, StoreError> {
        let path = self.read(|db| rows::place(db, id))?;
        Ok(path.map(|path| self.files.layout().home().join(path)))
    }

    /// Takes note of a log that changed. `anew`: it may have become shorter.
    pub(crate) fn changed(&self, id: &str, path: &Path, anew: bool) -> Result<(), StoreError> {
        let log = Log { id: id.to_owned(), path: self.below_home(path), archived: false };
        if anew {
            self.write(|db| rows::doubt(db, &log.id))?;
        }
        self.catch_up(&[log])
    }

    /// Whether another thread than this one continues the history in one of these logs.
    pub(crate) fn is_base(&self, id: &str, logs: &[String]) -> Result<bool, StoreError> {
        self.look_around()?;
        // What is not known of a fork would cost its history.
        self.glance()?;
        self.read(|db| {
            for log in logs {
                if rows::is_base(db, id, log)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Forgets a thread.
    pub(crate) fn remove(&self, id: &str) -> Result<(), StoreError> {
        self.write(|db| rows::remove(db, id))
    }

    /// Notes what of a thread is unread. Returns whether it is known.
    pub(crate) fn set_read_state(&self, id: &str, state: &ReadState) -> Result<bool, StoreError> {
        self.write(|db| {
            let sql = "UPDATE threads SET first_unread = ?2, revision = ?3 WHERE id = ?1";
            let count = db.prepare_cached(sql)?.execute((id, &state.first_unread, &state.revision))?;
            Ok(count > 0)
        })
    }

    /// Makes more of what was said known to the search. Returns whether anything is left.
    pub(crate) fn index_words(&self) -> Result<bool, StoreError> {
        self.write(|db| rows::index_some(db, WORDS))
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let reader = lock(self.reader.as_ref().unwrap_or(&self.writer));
        Ok(work(&reader)?)
    }

    /// Writes all or nothing.
    fn write<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut writer = lock(&self.writer);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    fn path(&self, log: &Log) -> PathBuf {
        self.files.layout().home().join(&log.path)
    }

    fn below_home(&self, path: &Path) -> String {
        path.strip_prefix(self.files.layout().home()).unwrap_or(path).to_string_lossy().into_owned()
    }

    fn log(&self, place: Place) -> Log {
        Log { path: self.below_home(&place.path), id: place.id, archived: place.archived }
    }
}

/// What came of a change to the index, or nothing if that was not possible at the moment: another process is in the way,
/// or the disk takes no more. Whoever only reads does not fail because of that, and may not see the latest.
fn passing<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Err(StoreError::Index(error)) if is_passing(&error) => {
            tracing::debug!(%error, "the index of threads may not show the latest");
            Ok(None)
        }
        result => result.map(Some),
    }
}

fn is_passing(error: &rusqlite::Error) -> bool {
    let full = matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure));
    full || schema::is_busy(error)
}

/// Whether another process kept the index for too long.
pub(crate) fn is_index_busy(error: &StoreError) -> bool {
    matches!(error, StoreError::Index(error) if schema::is_busy(error))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use rusqlite::Connection;

    use super::{Index, is_index_busy, schema};
    use crate::files::Files;

    #[test]
    fn a_host_that_finds_damage_later_leaves_the_new_index_of_another_alone() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::new(home.path().to_owned());
        let (one, two) = (Index::new(files.clone()), Index::new(files));
        let (old, same) = (one.db().unwrap(), two.db().unwrap());
        assert_eq!(old.file, same.file);
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        let damage = rusqlite::Error::SqliteFailure(code, None);
        assert!(one.replace(&old, &damage).unwrap());
        let new = one.db().unwrap();
        assert_ne!(new.file, old.file);
        assert!(two.replace(&same, &damage).unwrap());
        assert_eq!(schema::identity(home.path()), new.file);
        assert_eq!(two.db().unwrap().file, new.file);
    }

    #[test]
    fn an_index_that_is_busy_is_known_by_either_of_its_errors() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let [writer, other] = [(), ()].map(|()| Connection::open(file.path()).unwrap());
        writer.execute_batch("CREATE TABLE a (b); INSERT INTO a VALUES (1), (2)").unwrap();
        {
            let mut select = writer.prepare("SELECT b FROM a").unwrap();
            let mut rows = select.query([]).unwrap();
            rows.next().unwrap();
            let locked = writer.execute_batch("DROP TABLE a").unwrap_err();
            assert_eq!(locked.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseLocked));
            assert!(is_index_busy(&locked.into()));
        }
        writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
        other.busy_timeout(std::time::Duration::ZERO).unwrap();
        let busy = other.execute_batch("DROP TABLE a").unwrap_err();
        assert_eq!(busy.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
        assert!(is_index_busy(&busy.into()));
    }
}
