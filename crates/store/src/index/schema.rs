//! The database file: how it is opened, what its tables are, and when it is thrown away. It is never the truth, so
//! whatever is wrong with it, the cure is a new one.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::reading::FileState;
use crate::files::short_lock;

/// The file below the home directory.
pub(super) const FILE: &str = "valet-index.sqlite";

/// Counts up with every change of the tables, or of what is read out of a log.
const VERSION: i32 = 1;

/// How often another process may be in the way of opening, and how long each time.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// How long one waits for another process. Nobody writes for longer than a batch.
const BUSY: Duration = Duration::from_secs(1);

/// `said` holds what was said in pieces, of which the first of each thread is its name and preview. Its key is that
/// of the thread and the number of the piece, so that a thread's pieces lie side by side. `words` knows which piece
/// holds which three letters; the pieces of a thread up to `indexed` are in it.
const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE folders (path TEXT PRIMARY KEY, mtime INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE names (id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE threads (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  path TEXT NOT NULL,
  size INTEGER NOT NULL,
  mtime INTEGER NOT NULL,
  ino INTEGER NOT NULL,
  folded INTEGER NOT NULL,
  fold TEXT NOT NULL,
  archived INTEGER NOT NULL,
  listed INTEGER NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  recency INTEGER NOT NULL,
  cwd TEXT NOT NULL,
  source TEXT NOT NULL,
  provider TEXT NOT NULL,
  account TEXT,
  user TEXT,
  name TEXT,
  preview TEXT NOT NULL,
  base TEXT,
  first_unread TEXT,
  revision TEXT,
  pieces INTEGER NOT NULL,
  indexed INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX by_path ON threads (path);
CREATE INDEX by_mtime ON threads (mtime);
CREATE INDEX by_base ON threads (base) WHERE base IS NOT NULL;
CREATE INDEX unindexed ON threads (key) WHERE indexed < pieces;
CREATE TABLE said (key INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5
  (text, content='', contentless_delete=1, detail=none, tokenize='trigram');
CREATE VIRTUAL TABLE letters USING fts5vocab (words, instance);
";

/// For every sort key there is an index for each of the filters that may leave few of very many threads: the working
/// directory and the creator. Sources and providers are few, and are looked at on the way through an index. They are
/// made when all threads are there for the first time, which is much faster than to keep them up on the way.
const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS by_created ON threads (archived, created, id, source, provider) WHERE listed;
CREATE INDEX IF NOT EXISTS by_updated ON threads (archived, updated, id, source, provider) WHERE listed;
CREATE INDEX IF NOT EXISTS by_recency ON threads (archived, recency, id, source, provider) WHERE listed;
CREATE INDEX IF NOT EXISTS by_cwd_created ON threads (archived, cwd, created, id) WHERE listed;
CREATE INDEX IF NOT EXISTS by_cwd_updated ON threads (archived, cwd, updated, id) WHERE listed;
CREATE INDEX IF NOT EXISTS by_cwd_recency ON threads (archived, cwd, recency, id) WHERE listed;
CREATE INDEX IF NOT EXISTS by_account_created ON threads (archived, account, user, created, id) WHERE listed AND account IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_account_updated ON threads (archived, account, user, updated, id) WHERE listed AND account IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_account_recency ON threads (archived, account, user, recency, id) WHERE listed AND account IS NOT NULL;
";

/// Makes the indexes that lists go along.
pub(super) fn complete(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(INDEXES)?;
    connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('complete', 1)", []).map(drop)
}

/// To be held while the index is opened or thrown away: nobody throws away what another host has just made. Where there
/// can be no such lock, it goes without.
pub(super) fn lock(home: &Path) -> Option<File> {
    short_lock(&home.join(format!("{FILE}.lock"))).ok()
}

/// Which file the index is at present.
pub(super) fn identity(home: &Path) -> Option<i64> {
    FileState::of(&home.join(FILE)).ok().map(|state| state.ino)
}

/// Opens the index of a home, and makes it anew if it is none of ours. The caller holds the [`lock`].
pub(super) fn open(home: &Path) -> rusqlite::Result<Connection> {
    let path = home.join(FILE);
    match patiently(|| try_open(&path)) {
        Err(error) if is_damage(&error) => {
            tracing::warn!(%error, "the index of threads is made anew");
            discard(home);
            patiently(|| try_open(&path))
        }
        result => result,
    }
}

/// Tries again while another process makes the same index: some of its steps wait for nobody.
fn patiently<T>(open: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    for _ in 0..ATTEMPTS {
        match open() {
            Err(error) if is_busy(&error) => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
    open()
}

/// Whether another process is in the way.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// A second connection to what [`open`] opened, for those who only read.
pub(super) fn open_for_reading(home: &Path) -> rusqlite::Result<Connection> {
    patiently(|| {
        let connection = Connection::open_with_flags(home.join(FILE), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        settle(&connection)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    })
}

/// An index that nobody else sees, and that goes with this process. It may use the disk for scratch.
pub(super) fn open_private() -> rusqlite::Result<Connection> {
    let mut connection = Connection::open("")?;
    settle(&connection)?;
    create(&mut connection)?;
    Ok(connection)
}

/// Whether only a new file helps.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    let unreadable = matches!(error, E::FromSqlConversionFailure(..) | E::InvalidColumnType(..) | E::Utf8Error(..));
    let code = error.sqlite_error_code();
    unreadable || matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Removes the file. Who has it open goes on with what nobody else sees. The caller holds the [`lock`].
pub(super) fn discard(home: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let path = home.join(format!("{FILE}{suffix}"));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, "a damaged index of threads cannot be removed");
            }
            _ => {}
        }
    }
}

/// What was said is for nobody else to read. The files beside the database get its rights.
fn keep_private(path: &Path) {
    // Where this cannot be done, opening says why.
    let _ = crate::files::private(std::fs::File::options().create(true).append(true)).open(path);
    #[cfg(unix)]
    let _ = std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600));
}

fn try_open(path: &Path) -> rusqlite::Result<Connection> {
    keep_private(path);
    let mut connection = Connection::open(path)?;
    settle(&connection)?;
    if version(&connection)? != VERSION {
        create(&mut connection)?;
    }
    Ok(connection)
}

/// Small in memory, and safe against the death of the process. The end of the machine may cost the latest changes,
/// which are found again.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "cache_size", -1024)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.set_prepared_statement_cache_capacity(64);
    rusqlite::vtab::array::load_module(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Makes the tables, in place of all that is there. Two processes may come here at once.
fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    match version(&transaction)? {
        VERSION => return Ok(()),
        0 if is_empty(&transaction)? => {}
        // Not worth a drop of each table: whoever opened it sees that it is damaged.
        other => {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
            return Err(rusqlite::Error::SqliteFailure(code, Some(format!("its version is {other}"))));
        }
    }
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}
