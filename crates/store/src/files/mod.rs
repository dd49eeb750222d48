//! The logs as files in the place and the format of the reference: everything of a store that needs no index.

mod chain;
mod layout;
mod lease;
mod log;
mod names;
mod reader;
mod sync;

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use self::chain::Chain;
pub(crate) use self::layout::{Layout, Place};
use self::lease::Lease;
pub(crate) use self::lease::short_lock;
pub(crate) use self::log::FileLog;
pub(crate) use self::reader::FileLines;
use crate::error::{StoreError, io as failed};
use crate::line::{NewLine, Position};
use crate::log::{Direction, Lines};
use crate::summary::{Base, Fold};

/// Longer chains of forks of forks are taken for circles.
const LONGEST_CHAIN: usize = 1000;
/// How often a file is looked for that is moved each time before it is opened.
const ATTEMPTS: usize = 10;

/// The logs below a home. Where a `hint` is asked for, it is where the log was last seen, which spares the search.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    layout: Layout,
}

impl Files {
    pub(crate) fn new(home: PathBuf) -> Self {
        Self { layout: Layout::new(home) }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Makes and leases a thread. Nothing is stored before the first append.
    pub(crate) fn create(&self, id: Uuid, head: NewLine) -> Result<FileLog, StoreError> {
        let place = self.layout.place(id);
        let lease = Lease::take(self.layout.home(), &place.id)?;
        let archived = self.layout.moved(&place, true).is_some_and(|place| place.path.exists());
        if archived || place.path.exists() {
            return Err(StoreError::Exists(place.id));
        }
        Ok(FileLog::new(lease, place.path, head))
    }

    /// Leases a thread that is stored.
    pub(crate) fn lease(&self, id: &str, hint: Option<&Path>) -> Result<FileLog, StoreError> {
        self.live(id, hint)?;
        let lease = Lease::take(self.layout.home(), id)?;
        // It may have been moved before it was ours, or a newer log may have been begun.
        let place = self.live(id, hint)?;
        let path = place.path.clone();
        let newest = self.layout.newest_beside(place).map_err(failed("cannot look for", &path))?;
        let mut log = FileLog::open(lease, id, newest.path)?;
        if let Some(chain) = self.chain(id, log.file_lines())? {
            log.set_chain(chain);
        }
        Ok(log)
    }

    /// A thread's log for reading, with its history wherever that is.
    pub(crate) fn lines(&self, id: &str, hint: Option<&Path>) -> Result<Arc<dyn Lines>, StoreError> {
        let (_, lines) = open_found(|| self.there(id, hint))?;
        match self.chain(id, &lines)? {
            Some(chain) => Ok(Arc::new(chain)),
            None => Ok(lines),
        }
    }

    /// Where a thread's log is.
    pub(crate) fn find(&self, id: &str, hint: Option<&Path>) -> Result<Option<Place>, StoreError> {
        if let Some((path, part)) = hint.and_then(|path| Some((path, layout::part(path, id)?))) {
            let archived = path.parent() == Some(&self.layout.archive());
            return Ok(Some(Place { id: id.to_owned(), part, path: path.to_owned(), archived }));
        }
        self.layout.find(id).map_err(failed("cannot look into", self.layout.home()))
    }

    /// Moves a thread into the archive, or out of it.
    pub(crate) fn set_archived(&self, id: &str, archived: bool, hint: Option<&Path>) -> Result<Place, StoreError> {
        let mut place = self.there(id, hint)?;
        let _lease = Lease::take(self.layout.home(), id)?;
        let mut parts = self.parts(id, hint)?;
        if !archived {
            // As long as the newest part is not there, the thread is still in the archive.
            parts.reverse();
        }
        let newest = parts.iter().map(|part| part.part.clone()).max();
        for part in parts {
            let is_newest = newest.as_ref() == Some(&part.part);
            let moved = if part.archived == archived { part } else { self.shift(&part, archived)? };
            if is_newest {
                place = moved;
            }
        }
        Ok(place)
    }

    fn shift(&self, place: &Place, archived: bool) -> Result<Place, StoreError> {
        let Some(to) = self.layout.moved(place, archived) else {
            let reason = "the name of its file does not say when it was made".to_owned();
            return Err(StoreError::Damaged { id: place.id.clone(), reason });
        };
        let doing = failed("cannot move a thread to", &to.path);
        if to.path.exists() {
            return Err(doing(io::ErrorKind::AlreadyExists.into()));
        }
        let folder = to.path.parent().map_or(Ok(()), make_folder);
        folder.and_then(|()| fs::rename(&place.path, &to.path)).map_err(doing)?;
        Ok(to)
    }

    /// Removes all logs of a thread, and its name. Forks that have their history there are not asked.
    pub(crate) fn delete(&self, id: &str, hint: Option<&Path>) -> Result<(), StoreError> {
        self.there(id, hint)?;
        let _lease = Lease::take(self.layout.home(), id)?;
        for Place { path, .. } in self.parts(id, hint)? {
            fs::remove_file(&path).map_err(failed("cannot delete", &path))?;
        }
        // A name without a thread harms nobody.
        if let Err(error) = names::remove(self.layout.home(), id) {
            tracing::warn!(id, %error, "the name of a deleted thread stays");
        }
        Ok(())
    }

    /// Names a thread, whether it is there or not.
    pub(crate) fn set_name(&self, id: &str, name: &str) -> Result<(), StoreError> {
        names::set(self.layout.home(), id, name)
    }

    /// The names of all threads that have one.
    pub(crate) fn names(&self) -> Result<HashMap<String, String>, StoreError> {
        names::read(self.layout.home())
    }

    /// The file that holds the names.
    pub(crate) fn names_path(&self) -> PathBuf {
        names::path(self.layout.home())
    }

    fn there(&self, id: &str, hint: Option<&Path>) -> Result<Place, StoreError> {
        self.find(id, hint)?.ok_or_else(|| StoreError::NotFound(id.to_owned()))
    }

    fn parts(&self, id: &str, hint: Option<&Path>) -> Result<Vec<Place>, StoreError> {
        let place = self.there(id, hint)?;
        self.layout.parts(&place).map_err(failed("cannot look for", &place.path))
    }

    /// The chain that a log is the last part of, if it is one.
    fn chain(&self, id: &str, own: &Arc<FileLines>) -> Result<Option<Chain>, StoreError> {
        let damaged = |reason: String| StoreError::Damaged { id: id.to_owned(), reason };
        let (begin, mut base) = first_line(own)?;
        let mut head = (Arc::clone(own), begin);
        let mut bases = Vec::new();
        while let Some(Base { thread_id, end, .. }) = base {
            let (place, lines) = open_found(|| {
                let place = self.layout.find_part(&thread_id, &own.path);
                let place = place.map_err(failed("cannot look for", &own.path))?;
                place.ok_or_else(|| damaged(format!("its history is in the log of {thread_id}, which is gone")))
            })?;
            let (from, next) = first_line(&lines)?;
            if lines.line_end(end).map_err(failed("cannot read", &place.path))? != end {
                return Err(damaged(format!("its history is in the log of {thread_id}, which was changed")));
            }
            if place.id == id {
                head = (Arc::clone(&lines), from);
            }
            bases.push((lines, from, end));
            if bases.len() > LONGEST_CHAIN {
                return Err(damaged("its history goes round in circles".to_owned()));
            }
            base = next;
        }
        bases.reverse();
        Ok((!bases.is_empty()).then(|| Chain::new(head, bases, (Arc::clone(own), begin))))
    }

    fn live(&self, id: &str, hint: Option<&Path>) -> Result<Place, StoreError> {
        let place = self.there(id, hint)?;
        if place.archived { Err(StoreError::Archived(place.id)) } else { Ok(place) }
    }
}

/// A file alone, without what other files hold of its history.
pub(crate) fn open(path: &Path) -> Result<Arc<FileLines>, StoreError> {
    let file = fs::File::open(path).map_err(failed("cannot open", path))?;
    Ok(Arc::new(FileLines::new(path.to_owned(), Some(file))))
}

/// Opens what is found, where it is then: somebody may put it into the archive in between, or take it out.
fn open_found(find: impl Fn() -> Result<Place, StoreError>) -> Result<(Place, Arc<FileLines>), StoreError> {
    let mut attempt = 1;
    loop {
        let place = find()?;
        match open(&place.path) {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {
                attempt += 1;
            }
            opened => return Ok((place, opened?)),
        }
    }
}

/// Where the first line of a log ends, and which history it names.
fn first_line(lines: &FileLines) -> Result<(u64, Option<Base>), StoreError> {
    let first = lines.read(Position::START, Direction::Forward, 0)?;
    let mut fold = Fold::default();
    for line in &first {
        fold.line(&line.text);
    }
    Ok((first.last().map_or(0, |line| line.next.0), fold.base().cloned()))
}

fn no_line() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no line begins there")
}

/// Makes a folder and those above it, for nobody else to look into.
fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A file that is made this way is for nobody else to read.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}
