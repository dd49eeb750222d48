//! The rows of the index: what is written for a log that was read, and how it is read back. Callers hold the
//! transaction.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::reading::{FileState, Known, Reading};
use crate::query::Creator;
use crate::summary::{Fold, ReadState, Summary};

/// How many bits of a piece's key are its number.
pub(super) const PIECE_BITS: u32 = 20;
/// A thread of more messages than this is searched in so many.
const MAX_PIECES: i64 = 1 << PIECE_BITS;

/// A log and the place of its file below the home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) id: String,
    /// Below the home.
    pub(super) path: String,
    pub(super) archived: bool,
}

/// A thread as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) log: Log,
    pub(super) state: FileState,
    /// None: its log has no head.
    pub(super) summary: Option<Summary>,
}

/// What is read of a thread that is shown.
const STORED: &str = "id, path, archived, size, mtime, ino, fold, name, preview, first_unread, revision";

/// A thread by its key.
pub(super) fn by_key(db: &Connection, home: &Path, key: i64) -> rusqlite::Result<Option<Stored>> {
    let sql = format!("SELECT {STORED} FROM threads WHERE key = ?");
    db.prepare_cached(&sql)?.query_row([key], |row| stored(row, home)).optional()
}

/// A thread by its id.
pub(super) fn by_id(db: &Connection, home: &Path, id: &str) -> rusqlite::Result<Option<Stored>> {
    let sql = format!("SELECT {STORED} FROM threads WHERE id = ?");
    db.prepare_cached(&sql)?.query_row([id], |row| stored(row, home)).optional()
}

fn stored(row: &Row<'_>, home: &Path) -> rusqlite::Result<Stored> {
    let log = Log { id: row.get(0)?, path: row.get(1)?, archived: row.get(2)? };
    let state = FileState { size: row.get(3)?, mtime: row.get(4)?, ino: row.get(5)? };
    let mut summary = fold(&row.get::<_, String>(6)?).summary().cloned();
    if let Some(summary) = &mut summary {
        summary.id.clone_from(&log.id);
        summary.path = Some(home.join(&log.path).to_string_lossy().into_owned());
        summary.archived = log.archived;
        summary.name = row.get(7)?;
        summary.preview = row.get(8)?;
        let first_unread = row.get(9)?;
        summary.read_state = row.get::<_, Option<String>>(10)?.map(|revision| ReadState { first_unread, revision });
    }
    Ok(Stored { log, state, summary })
}

/// A fold that cannot be read is begun anew.
fn fold(json: &str) -> Fold {
    serde_json::from_str(json).unwrap_or_default()
}

/// How far a thread's log is known.
pub(super) fn known(db: &Connection, id: &str) -> rusqlite::Result<Option<Known>> {
    let mut select = db.prepare_cached("SELECT size, mtime, ino, folded, base, fold FROM threads WHERE id = ?")?;
    let known = select.query_row([id], |row| {
        let state = FileState { size: row.get(0)?, mtime: row.get(1)?, ino: row.get(2)? };
        let known =
            Known { state, folded: row.get::<_, i64>(3)?.cast_unsigned(), base: row.get(4)?, fold: Fold::default() };
        Ok((known, row.get::<_, String>(5)?))
    });
    let Some((known, json)) = known.optional()? else { return Ok(None) };
    Ok(serde_json::from_str(&json).ok().map(|fold| Known { fold, ..known }))
}

/// What a write must know of the row before it.
struct Before {
    key: i64,
    folded: i64,
    state: FileState,
    pieces: i64,
    indexed: i64,
    name: Option<String>,
    preview: String,
}

impl Before {
    /// Whether another process brought it further since the reading began, or just as far.
    fn is_beyond(&self, reading: &Reading) -> bool {
        let same = self.state == reading.known.state && self.folded >= reading.known.folded.cast_signed();
        same || (reading.from > 0 && self.folded != reading.from.cast_signed())
    }
}

fn before(db: &Connection, id: &str) -> rusqlite::Result<Option<Before>> {
    let sql = "SELECT key, folded, size, mtime, ino, pieces, indexed, name, preview FROM threads WHERE id = ?";
    let read = |row: &Row<'_>| {
        let state = FileState { size: row.get(2)?, mtime: row.get(3)?, ino: row.get(4)? };
        let (key, folded) = (row.get(0)?, row.get(1)?);
        Ok(Before {
            key,
            folded,
            state,
            pieces: row.get(5)?,
            indexed: row.get(6)?,
            name: row.get(7)?,
            preview: row.get(8)?,
        })
    };
    db.prepare_cached(sql)?.query_row([id], read).optional()
}

/// Notes where a log is now, if that is all that is new.
pub(super) fn moved(db: &Connection, log: &Log) -> rusqlite::Result<()> {
    let sql = "UPDATE threads SET path = ?2, archived = ?3 WHERE id = ?1 AND path <> ?2";
    db.prepare_cached(sql)?.execute(params![log.id, log.path, log.archived])?;
    Ok(())
}

/// Writes what was read of a log. If another process was here since the reading began, nothing is written: it read
/// the same.
pub(super) fn write(db: &Connection, log: &Log, reading: &Reading) -> rusqlite::Result<()> {
    let before = before(db, &log.id)?;
    match &before {
        Some(row) if row.is_beyond(reading) => return moved(db, log),
        Some(row) if reading.from == 0 => forget_pieces(db, row.key, row.indexed)?,
        None if reading.from > 0 => return Ok(()),
        _ => {}
    }
    // Of a log that was read from its start, nothing of before is left.
    let before = before.filter(|_| reading.from > 0);
    let name: Option<String> =
        db.prepare_cached("SELECT name FROM names WHERE id = ?")?.query_row([&log.id], |row| row.get(0)).optional()?;
    let preview = reading.known.fold.summary().map(|summary| summary.preview.as_str()).unwrap_or_default();
    let said: Vec<&str> = reading.said.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
    let (first, indexed) = before.as_ref().map_or((1, 0), |row| (row.pieces, row.indexed));
    let pieces = (first + i64::try_from(said.len()).unwrap_or(MAX_PIECES)).min(MAX_PIECES);
    let columns = Columns { name: name.as_deref(), preview, pieces, indexed };
    let key = upsert(db, log, &reading.known, &columns)?;
    for (number, text) in (first..pieces).zip(said) {
        put_piece(db, key << PIECE_BITS | number, text)?;
    }
    if before.is_none_or(|row| (row.name.as_deref(), row.preview.as_str()) != (columns.name, preview)) {
        put_title(db, key, columns.name, preview, indexed > 0)?;
    }
    Ok(())
}

/// What a row holds beside the log's place and what is known of it.
struct Columns<'a> {
    name: Option<&'a str>,
    preview: &'a str,
    pieces: i64,
    indexed: i64,
}

fn upsert(db: &Connection, log: &Log, known: &Known, columns: &Columns<'_>) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO threads (id, path, archived, size, mtime, ino, folded, fold, listed, created, updated,
          recency, cwd, source, provider, account, user, name, preview, base, pieces, indexed)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)
        ON CONFLICT (id) DO UPDATE SET path = ?2, archived = ?3, size = ?4, mtime = ?5, ino = ?6, folded = ?7,
          fold = ?8, listed = ?9, created = ?10, updated = ?11, recency = ?12, cwd = ?13, source = ?14,
          provider = ?15, account = ?16, user = ?17, name = ?18, preview = ?19, base = ?20, pieces = ?21, indexed = ?22
        RETURNING key";
    let Known { state, folded, fold, .. } = known;
    // Without a head there is nothing to list, but to know the file saves reading it again.
    let nothing = Summary::default();
    let summary = fold.summary().unwrap_or(&nothing);
    let (account, user) = match &summary.creator {
        Some(Creator { account_id, user_id }) => (Some(account_id), user_id.as_ref()),
        None => (None, None),
    };
    let json = serde_json::to_string(fold).unwrap_or_default();
    db.prepare_cached(sql)?.query_row(
        params![
            log.id,
            log.path,
            log.archived,
            state.size,
            state.mtime,
            state.ino,
            folded.cast_signed(),
            json,
            !columns.preview.is_empty(),
            summary.created_at_ms,
            summary.updated_at_ms,
            summary.recency_at_ms,
            summary.cwd,
            summary.source,
            summary.model_provider,
            account,
            user,
            columns.name,
            columns.preview,
            known.base,
            columns.pieces,
            columns.indexed,
        ],
        |row| row.get(0),
    )
}

/// Sets the name of a thread, as the file of names has it.
pub(super) fn rename(db: &Connection, id: &str, name: Option<&str>) -> rusqlite::Result<()> {
    let Some(row) = before(db, id)?.filter(|row| row.name.as_deref() != name) else { return Ok(()) };
    db.prepare_cached("UPDATE threads SET name = ?2 WHERE key = ?1")?.execute(params![row.key, name])?;
    put_title(db, row.key, name, &row.preview, row.indexed > 0)
}

/// Forgets a thread.
pub(super) fn remove(db: &Connection, id: &str) -> rusqlite::Result<()> {
    if let Some(row) = before(db, id)? {
        forget_pieces(db, row.key, row.indexed)?;
        db.prepare_cached("DELETE FROM threads WHERE key = ?")?.execute([row.key])?;
    }
    Ok(())
}

fn forget_pieces(db: &Connection, key: i64, indexed: i64) -> rusqlite::Result<()> {
    let first = key << PIECE_BITS;
    let mut delete = db.prepare_cached("DELETE FROM words WHERE rowid = ?")?;
    for number in 0..indexed {
        delete.execute([first + number])?;
    }
    db.prepare_cached("DELETE FROM said WHERE key >= ? AND key < ?")?.execute([first, first + MAX_PIECES])?;
    Ok(())
}

/// The first piece of every thread: what a list is searched for.
fn put_title(db: &Connection, key: i64, name: Option<&str>, preview: &str, indexed: bool) -> rusqlite::Result<()> {
    let piece = key << PIECE_BITS;
    let title = format!("{}\n{preview}", name.unwrap_or_default());
    put_piece(db, piece, &title)?;
    if indexed {
        db.prepare_cached("DELETE FROM words WHERE rowid = ?")?.execute([piece])?;
        index_piece(db, piece, &title)?;
    }
    Ok(())
}

fn put_piece(db: &Connection, piece: i64, text: &str) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO said (key, text) VALUES (?, ?)")?.execute(params![piece, text])?;
    Ok(())
}

/// Makes a piece's words known to the search. The spaces give the last two letters their three, so that whatever is
/// in a text is the beginning of some three letters.
fn index_piece(db: &Connection, piece: i64, text: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO words (rowid, text) VALUES (?, ? || '  ')";
    db.prepare_cached(sql)?.execute(params![piece, text])?;
    Ok(())
}

/// Makes more pieces known to the search, up to about `budget` bytes of text. Returns whether any were left.
pub(super) fn index_some(db: &Connection, budget: usize) -> rusqlite::Result<bool> {
    let mut left = budget;
    let mut threads = db.prepare_cached("SELECT key, indexed, pieces FROM threads WHERE indexed < pieces LIMIT 1")?;
    let next = |row: &Row<'_>| Ok::<(i64, i64, i64), _>((row.get(0)?, row.get(1)?, row.get(2)?));
    while let Some((key, mut indexed, pieces)) = threads.query_row([], next).optional()? {
        while indexed < pieces && left > 0 {
            let piece = key << PIECE_BITS | indexed;
            let mut select = db.prepare_cached("SELECT text FROM said WHERE key = ?")?;
            let text: Option<String> = select.query_row([piece], |row| row.get(0)).optional()?;
            if let Some(text) = text {
                index_piece(db, piece, &text)?;
                left = left.saturating_sub(text.len());
            }
            indexed += 1;
        }
        db.prepare_cached("UPDATE threads SET indexed = ?2 WHERE key = ?1")?.execute([key, indexed])?;
        if left == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether another thread than this one continues the history in a log.
pub(super) fn is_base(db: &Connection, id: &str, log: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM threads WHERE base = ? AND id <> ?)";
    db.prepare_cached(sql)?.query_row([log, id], |row| row.get(0))
}

/// Where a thread's file is, below the home.
pub(super) fn place(db: &Connection, id: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT path FROM threads WHERE id = ?")?.query_row([id], |row| row.get(0)).optional()
}

/// Has a thread's log read from its start next time.
pub(super) fn doubt(db: &Connection, id: &str) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE threads SET ino = -1 WHERE id = ?")?.execute([id]).map(drop)
}
