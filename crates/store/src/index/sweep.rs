//! What other programs did to the logs, and how the index comes to know it. A folder whose time did not change has the
//! files that it had; a file that looks the same is the same.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Db;
use super::reading::{FileState, Reading, mtime, read_on};
use super::rows::{self, Log};
use super::schema;
use crate::error::{StoreError, io as failed};
use crate::lock::lock;

/// So many logs are read, then written in one transaction, so that nobody waits long for the writer.
const BATCH: usize = 32;
/// Or so much that was said in them.
const BATCH_TEXT: usize = 4 << 20;
/// How many threads read logs when there are many to read.
const READERS: usize = 2;
/// The time of a folder may not change twice within this. So a time that is younger proves nothing.
const SETTLED: Duration = Duration::from_secs(3);
/// How many of the threads that changed last are looked at before every list.
const LATEST: u32 = 64;
/// How many of the newest folders of each level are looked at before every list: today and yesterday.
const NEWEST: usize = 2;

impl Db {
    /// Brings in what changes most: new threads of these days, changes of the latest threads, names, the archive.
    pub(super) fn glance(&self) -> Result<(), StoreError> {
        self.names()?;
        let (layout, mut gone) = (self.files.layout(), Vec::new());
        let days = layout.days(NEWEST).map_err(failed("cannot look into", layout.home()))?;
        for folder in days.into_iter().chain([layout.archive()]) {
            self.folder(&folder, false, &mut gone)?;
        }
        let latest = self.read(|db| {
            let sql = "SELECT id, path, archived, size, mtime, ino FROM threads ORDER BY mtime DESC LIMIT ?";
            db.prepare_cached(sql)?.query_map([LATEST], log_and_state)?.collect::<Result<Vec<_>, _>>()
        })?;
        self.check(&latest, &mut gone)?;
        self.drop_gone(&gone, false)
    }

    /// Compares everything with the files, the newest first.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        let _one = lock(&self.sweeping);
        let (layout, mut gone) = (self.files.layout(), Vec::new());
        self.names()?;
        let days = layout.days(usize::MAX).map_err(failed("cannot look into", layout.home()))?;
        let mut folders: Vec<PathBuf> = days.into_iter().chain([layout.archive()]).collect();
        for folder in &folders {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.folder(folder, true, &mut gone)?;
        }
        folders.sort_unstable();
        gone.append(&mut self.in_lost_folders(&folders)?);
        self.drop_gone(&gone, true)?;
        if self.is_complete()? { Ok(()) } else { self.write(schema::complete) }
    }

    /// Whether there was ever a whole sweep.
    pub(super) fn is_complete(&self) -> Result<bool, StoreError> {
        self.read(|db| db.query_row("SELECT EXISTS (SELECT 1 FROM meta WHERE name = 'complete')", [], |row| row.get(0)))
    }

    /// Looks at the files of threads. Returns whether anything had changed; what is no more is put to the `gone`.
    pub(super) fn check(&self, threads: &[(Log, FileState)], gone: &mut Vec<Log>) -> Result<bool, StoreError> {
        let (mut changed, before) = (Vec::new(), gone.len());
        for (log, state) in threads {
            match FileState::of(&self.path(log)) {
                Ok(now) if now == *state => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => gone.push(log.clone()),
                _ => changed.push(log.clone()),
            }
        }
        self.catch_up(&changed)?;
        Ok(!changed.is_empty() || gone.len() > before)
    }

    /// Forgets threads whose files are no more, unless they are somewhere else now. After a sweep that is known.
    pub(super) fn drop_gone(&self, gone: &[Log], swept: bool) -> Result<(), StoreError> {
        for log in gone {
            let row = self.read(|db| rows::place(db, &log.id))?;
            if row.as_deref() != Some(&log.path) || self.path(log).exists() {
                continue;
            }
            let elsewhere = if swept { None } else { self.files.find(&log.id, None)? };
            match elsewhere {
                Some(place) => self.catch_up(&[self.log(place)])?,
                None => self.write(|db| rows::remove(db, &log.id))?,
            }
        }
        Ok(())
    }

    /// Reads on whatever of these logs is new.
    pub(super) fn catch_up(&self, logs: &[Log]) -> Result<(), StoreError> {
        if logs.len() <= BATCH {
            return self.batch(logs);
        }
        let batches = Mutex::new(logs.chunks(BATCH));
        let next = || lock(&batches).next();
        let work = || {
            while let Some(batch) = next().filter(|_| !self.stop.load(Ordering::Relaxed)) {
                self.batch(batch)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..READERS).map(|_| scope.spawn(work)).collect();
            let mine = work();
            others.into_iter().filter_map(|other| other.join().ok()).fold(mine, Result::and)
        })
    }

    fn batch(&self, logs: &[Log]) -> Result<(), StoreError> {
        let (mut readings, mut text) = (Vec::new(), 0);
        for log in logs {
            // A huge log is read in parts.
            loop {
                let Some(reading) = self.reading(log)? else { break };
                let more = reading.is_cut();
                text += reading.said.iter().map(String::len).sum::<usize>();
                readings.push((log, reading));
                if more || text > BATCH_TEXT {
                    self.put(&mut readings)?;
                    text = 0;
                }
                if !more {
                    break;
                }
            }
        }
        self.put(&mut readings)
    }

    /// None: there is nothing new, or the file cannot be read, which is no reason to know nothing of others.
    fn reading(&self, log: &Log) -> Result<Option<Reading>, StoreError> {
        let (known, place) = self.read(|db| Ok((rows::known(db, &log.id)?, rows::place(db, &log.id)?)))?;
        match read_on(&self.files, log, known) {
            Ok(None) if place.is_some_and(|place| place != log.path) => {
                self.write(|db| rows::moved(db, log))?;
                Ok(None)
            }
            Ok(reading) => Ok(reading),
            Err(error) => {
                tracing::debug!(path = log.path, %error, "a log cannot be read");
                Ok(None)
            }
        }
    }

    fn put(&self, readings: &mut Vec<(&Log, Reading)>) -> Result<(), StoreError> {
        if !readings.is_empty() {
            self.write(|db| readings.iter().try_for_each(|(log, reading)| rows::write(db, log, reading)))?;
            readings.clear();
        }
        Ok(())
    }

    /// Looks for logs that came into a folder or went, and with `files` at each of the others, too.
    fn folder(&self, folder: &Path, files: bool, gone: &mut Vec<Log>) -> Result<(), StoreError> {
        let name = self.below_home(folder);
        let now = fs::metadata(folder).ok().map(|metadata| mtime(&metadata));
        let before: Option<i64> = self.read(|db| {
            db.prepare_cached("SELECT mtime FROM folders WHERE path = ?")?
                .query_row([&name], |row| row.get(0))
                .optional()
        })?;
        let same = now == before;
        if same && !files {
            return Ok(());
        }
        let known = self.read(|db| in_folder(db, &name))?;
        if same {
            return self.check(&known, gone).map(drop);
        }
        let logs = self.files.layout().logs(folder).map_err(failed("cannot look into", folder))?;
        let mut there: HashMap<String, Log> =
            logs.into_iter().map(|place| self.log(place)).map(|log| (log.path.clone(), log)).collect();
        let mut both = Vec::new();
        for (log, state) in known {
            match there.remove(&log.path) {
                Some(_) if !files => {}
                Some(_) => both.push((log, state)),
                None => gone.push(log),
            }
        }
        self.check(&both, gone)?;
        let new: Vec<Log> = there.into_values().collect();
        self.catch_up(&new)?;
        match now.filter(|mtime| is_settled(*mtime)) {
            Some(mtime) if !self.stop.load(Ordering::Relaxed) => self.write(|db| {
                let sql = "INSERT OR REPLACE INTO folders (path, mtime) VALUES (?, ?)";
                db.prepare_cached(sql)?.execute(params![name, mtime]).map(drop)
            }),
            _ => Ok(()),
        }
    }

    /// The threads in folders that are no more.
    fn in_lost_folders(&self, there: &[PathBuf]) -> Result<Vec<Log>, StoreError> {
        self.read(|db| {
            let mut select = db.prepare_cached("SELECT path FROM folders")?;
            let names = select.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
            let home = self.files.layout().home();
            let lost = names.into_iter().filter(|name| there.binary_search(&home.join(name)).is_err());
            let mut logs = Vec::new();
            for name in lost {
                logs.extend(in_folder(db, &name)?.into_iter().map(|(log, _)| log));
            }
            Ok(logs)
        })
    }

    /// Takes over the names, if their file changed.
    pub(super) fn names(&self) -> Result<(), StoreError> {
        loop {
            let state = FileState::of(&self.files.names_path()).unwrap_or_default();
            let state = format!("{} {} {}", state.size, state.mtime, state.ino);
            let known = self.read(known_names)?;
            if known.as_ref() == Some(&state) {
                return Ok(());
            }
            let names = self.files.names()?;
            let taken_over = self.write(|db| {
                // Another host was quicker, and may have read a newer file.
                if known_names(db)? != known {
                    return Ok(false);
                }
                let mut select = db.prepare_cached("SELECT id, name FROM names")?;
                let old: HashMap<String, String> =
                    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
                for id in old.keys().filter(|id| !names.contains_key(*id)) {
                    db.prepare_cached("DELETE FROM names WHERE id = ?")?.execute([id])?;
                    rows::rename(db, id, None)?;
                }
                for (id, name) in names.iter().filter(|(id, name)| old.get(*id) != Some(name)) {
                    db.prepare_cached("INSERT OR REPLACE INTO names (id, name) VALUES (?, ?)")?.execute([id, name])?;
                    rows::rename(db, id, Some(name))?;
                }
                db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('names', ?)", [&state])?;
                Ok(true)
            })?;
            if taken_over {
                return Ok(());
            }
        }
    }
}

/// The state of the file of names that the index knows.
fn known_names(db: &Connection) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT value FROM meta WHERE name = 'names'";
    db.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()
}

fn in_folder(db: &Connection, name: &str) -> rusqlite::Result<Vec<(Log, FileState)>> {
    // `0` is what comes after `/`.
    let sql = "SELECT id, path, archived, size, mtime, ino FROM threads WHERE path > ? || '/' AND path < ? || '0'";
    db.prepare_cached(sql)?.query_map([name, name], log_and_state)?.collect()
}

fn log_and_state(row: &Row<'_>) -> rusqlite::Result<(Log, FileState)> {
    let log = Log { id: row.get(0)?, path: row.get(1)?, archived: row.get(2)? };
    Ok((log, FileState { size: row.get(3)?, mtime: row.get(4)?, ino: row.get(5)? }))
}

fn is_settled(mtime: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::from(mtime) < now.saturating_sub(SETTLED).as_nanos().cast_signed()
}
