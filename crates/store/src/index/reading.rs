//! Reading a log on from where the index stopped. Touches no database, so that several logs can be read at once.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::rows::Log;
use crate::error::{StoreError, io as failed};
use crate::files::Files;
use crate::line::Position;
use crate::log::{Direction, Lines};
use crate::summary::Fold;
use crate::text;

/// What is said in one reading at most, in bytes, so that a huge log does not fill the memory.
const BUDGET: usize = 4 << 20;
/// How much is read at once of a log that is more than its file.
const STEP: usize = 1 << 20;

/// How a file looked. One that looks the same is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FileState {
    pub(super) size: i64,
    /// In nanoseconds since 1970.
    pub(super) mtime: i64,
    pub(super) ino: i64,
}

impl FileState {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::new(&std::fs::metadata(path)?))
    }

    fn new(metadata: &Metadata) -> Self {
        Self { size: metadata.len().cast_signed(), mtime: mtime(metadata), ino: inode(metadata) }
    }
}

pub(super) fn mtime(metadata: &Metadata) -> i64 {
    let time = metadata.modified().unwrap_or(UNIX_EPOCH);
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> i64 {
    std::os::unix::fs::MetadataExt::ino(metadata).cast_signed()
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> i64 {
    0
}

/// How far the index knows a log.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) state: FileState,
    /// All lines before this place are in `fold`.
    pub(super) folded: u64,
    pub(super) fold: Fold,
    /// The log that holds the beginning of its history. Then places count from there.
    pub(super) base: Option<String>,
}

/// What a log says beyond what was known.
#[derive(Debug)]
pub(super) struct Reading {
    /// Where it began: 0, or where the known ends.
    pub(super) from: u64,
    /// How the file looked before it was read.
    pub(super) known: Known,
    /// What the person and the agent said since.
    pub(super) said: Vec<String>,
    bytes: usize,
}

/// Reads a log on. None: there is nothing new. A log that is another file now, or shorter, is read from its start.
pub(super) fn read_on(files: &Files, log: &Log, known: Option<Known>) -> Result<Option<Reading>, StoreError> {
    let path = files.layout().home().join(&log.path);
    let state = FileState::of(&path).map_err(failed("cannot look at", &path))?;
    let known = match known {
        Some(known) if known.state == state => return Ok(None),
        Some(known) if known.state.ino == state.ino && known.state.size <= state.size => known,
        _ => Known { state, folded: 0, fold: Fold::default(), base: None },
    };
    let mut reading = Reading { from: known.folded, known, said: Vec::new(), bytes: 0 };
    if reading.known.base.is_none() {
        reading.file(&path)?;
    }
    let begun = reading.known.fold.base().filter(|_| reading.from == 0).map(|base| base.thread_id.clone());
    if let Some(base) = reading.known.base.take().or(begun) {
        match files.lines(&log.id, Some(&path)) {
            Ok(lines) => reading.lines(&*lines, base)?,
            // What is left of it is better than nothing.
            Err(StoreError::Damaged { .. }) if reading.from == 0 => {}
            Err(error) => return Err(error),
        }
    }
    reading.known.state = state;
    if reading.is_cut() {
        // It is not to look as if all were known.
        reading.known.state.mtime = 0;
    }
    Ok(Some(reading))
}

impl Reading {
    /// Whether not all was read.
    pub(super) fn is_cut(&self) -> bool {
        self.bytes >= BUDGET
    }

    /// Reads a file on.
    fn file(&mut self, path: &Path) -> Result<(), StoreError> {
        let mut file = File::open(path).map_err(failed("cannot open", path))?;
        file.seek(SeekFrom::Start(self.known.folded)).map_err(failed("cannot read", path))?;
        let read = each_line(file, |line| {
            self.line(&text::lossy(line));
            self.known.folded += line.len() as u64 + 1;
            !self.is_cut()
        });
        read.map_err(failed("cannot read", path))
    }

    /// Reads a log on that is more than its file.
    fn lines(&mut self, lines: &dyn Lines, base: String) -> Result<(), StoreError> {
        if self.from == 0 {
            (self.known.folded, self.known.fold) = (0, Fold::default());
            (self.said, self.bytes) = (Vec::new(), 0);
        }
        self.known.base = Some(base);
        loop {
            let read = lines.read(Position(self.known.folded), Direction::Forward, STEP)?;
            let Some(last) = read.last() else { return Ok(()) };
            self.known.folded = last.next.0;
            read.iter().for_each(|line| self.line(&line.text));
            if self.is_cut() {
                return Ok(());
            }
        }
    }

    fn line(&mut self, line: &str) {
        if let Some(text) = self.known.fold.line(line) {
            self.bytes += text.len();
            self.said.push(text);
        }
    }
}

/// Calls for every whole line, without its line feed, as long as that returns true.
fn each_line(file: File, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line)?;
        let Some(whole) = line.strip_suffix(b"\n") else { return Ok(()) };
        if !take(whole) {
            return Ok(());
        }
    }
}
