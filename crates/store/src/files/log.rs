//! A log's file as its writer sees it: lines are appended at once or not at all, and nobody else writes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chain::Chain;
use super::lease::Lease;
use super::reader::FileLines;
use super::sync;
use crate::error::{StoreError, io as failed};
use crate::line::{NewLine, Position};
use crate::log::{Direction, Lines, ThreadLog};
use crate::stamp::{Stamp, millis};

/// How much is read at once in search of the last readable line.
const STEP: usize = 64 * 1024;

/// The log of a thread for its one writer.
#[derive(Debug)]
pub(crate) struct FileLog {
    lines: Arc<FileLines>,
    /// Where the history is, if it is not all in the file.
    chain: Option<Arc<Chain>>,
    stamp: Stamp,
    /// The first line, as long as nothing is stored.
    head: Option<NewLine>,
    /// Where to cut before anything else is done: what was half written could not be taken back.
    cut: Option<u64>,
    _lease: Lease,
}

impl FileLog {
    /// A log that comes to be with the first append.
    pub(super) fn new(lease: Lease, path: PathBuf, head: NewLine) -> Self {
        let lines = Arc::new(FileLines::new(path, None));
        Self { lines, stamp: Stamp::NEW, chain: None, head: Some(head), cut: None, _lease: lease }
    }

    /// A log that is there. What its last writer left half written is taken away.
    pub(super) fn open(lease: Lease, id: &str, path: PathBuf) -> Result<Self, StoreError> {
        let file = File::options().read(true).append(true).open(&path).map_err(failed("cannot open", &path))?;
        let lines = Arc::new(FileLines::new(path, Some(file)));
        let mut log = Self { lines, stamp: Stamp::NEW, chain: None, head: None, cut: None, _lease: lease };
        log.repair().map_err(failed("cannot repair", &log.lines.path))?;
        let Some(head) = log.lines.read(Position::START, Direction::Forward, 0)?.pop() else {
            return Err(StoreError::Damaged { id: id.to_owned(), reason: "it has no first line".to_owned() });
        };
        let numbered = head.envelope().is_none_or(|head| head.ordinal.is_some());
        log.stamp = log.last_stamp(numbered)?;
        Ok(log)
    }

    pub(super) fn file_lines(&self) -> &Arc<FileLines> {
        &self.lines
    }

    pub(super) fn set_chain(&mut self, chain: Chain) {
        self.chain = Some(Arc::new(chain));
    }

    /// Cuts off a torn line. One that lacks only its line feed is whole.
    fn repair(&self) -> io::Result<()> {
        let Some(mut file) = self.lines.file.get() else { return Ok(()) };
        let (end, len) = (self.lines.line_end(u64::MAX)?, file.metadata()?.len());
        if end == len {
            return Ok(());
        }
        if is_whole(&self.lines.tail(end)?) {
            return file.write_all(b"\n");
        }
        tracing::warn!(path = %self.lines.path.display(), bytes = len - end, "a torn line is cut off");
        self.lines.shorten(end)
    }

    /// What the lines that are there ask of the next one.
    fn last_stamp(&self, numbered: bool) -> Result<Stamp, StoreError> {
        let mut stamp = Stamp { ordinal: numbered.then_some(0), last_ms: self.stamp.last_ms };
        let mut from = self.lines.end()?;
        loop {
            let lines = self.lines.read(from, Direction::Backward, STEP)?;
            let Some(first) = lines.last() else { return Ok(stamp) };
            from = first.at;
            for line in &lines {
                let Some(envelope) = line.envelope() else { continue };
                stamp.last_ms = stamp.last_ms.max(millis(&envelope.timestamp).unwrap_or_default());
                match envelope.ordinal {
                    Some(ordinal) if numbered => stamp.ordinal = Some(ordinal.saturating_add(1)),
                    None if numbered => continue,
                    _ => {}
                }
                return Ok(stamp);
            }
        }
    }

    fn write(&mut self, lines: &[NewLine]) -> io::Result<()> {
        let mut stamp = self.stamp;
        let bytes = stamp.write(self.head.iter().chain(lines))?;
        let (mut file, len) = self.lines.writable(self.cut)?;
        self.cut = None;
        if let Err(error) = file.write_all(&bytes) {
            self.cut = self.lines.shorten(len).err().map(|_| len);
            return Err(error);
        }
        self.stamp = stamp;
        self.head = None;
        Ok(())
    }

    fn shorten(&self, from: u64) -> io::Result<()> {
        let (_, len) = self.lines.writable(self.cut)?;
        if self.lines.line_end(from)? != from.min(len) {
            return Err(super::no_line());
        }
        if from < len { self.lines.shorten(from) } else { Ok(()) }
    }

    /// Puts the history until a place in it into the file, instead of all that is there. The logs in which it was stay
    /// as they are: they belong to others.
    fn copy_history(&mut self, until: Position) -> io::Result<()> {
        let Some(chain) = &self.chain else { return Ok(()) };
        self.lines.writable(self.cut)?;
        let path = self.lines.path.clone();
        let mut new = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        new.write_all(chain.copy(until)?.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(&path).map_err(|error| error.error)?;
        let file = File::options().read(true).append(true).open(&path)?;
        self.lines = Arc::new(FileLines::new(path, Some(file)));
        self.chain = None;
        Ok(())
    }
}

impl ThreadLog for FileLog {
    fn append(&mut self, lines: &[NewLine]) -> Result<(), StoreError> {
        if lines.is_empty() {
            return Ok(());
        }
        self.write(lines).map_err(failed("cannot append to", &self.lines.path))
    }

    fn truncate(&mut self, from: Position) -> Result<(), StoreError> {
        if self.head.is_some() {
            return Ok(());
        }
        let done = match self.chain.as_ref().map(|chain| chain.own(from)) {
            None => self.shorten(from.0),
            Some(Some(own)) => self.shorten(own.0),
            Some(None) => self.copy_history(from),
        };
        done.map_err(failed("cannot shorten", &self.lines.path))?;
        self.cut = None;
        self.stamp = self.last_stamp(self.stamp.ordinal.is_some())?;
        Ok(())
    }

    fn sync(&self) {
        sync::soon(&self.lines);
    }

    fn lines(&self) -> Arc<dyn Lines> {
        match &self.chain {
            Some(chain) => chain.clone(),
            None => self.lines.clone(),
        }
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.lines.path)
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        // A file without its first line is no thread. There is one if the first append failed.
        if self.head.is_some()
            && self.lines.file.get().is_some()
            && self.lines.writable(self.cut).is_ok_and(|(_, len)| len == 0)
        {
            let _ = fs::remove_file(&self.lines.path);
        }
    }
}

impl FileLines {
    /// The file, and its length, if it is still where it should be. It is made if it never was; and is cut first if
    /// that is due.
    fn writable(&self, cut: Option<u64>) -> io::Result<(&File, u64)> {
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let new = self.create()?;
                self.file.get_or_init(|| new)
            }
        };
        // Lines that go into a deleted file are lost when it is closed.
        let there = match fs::metadata(&self.path) {
            Ok(there) if is_same(&there, &file.metadata()?) => there,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Err(io::Error::other("the file was deleted or replaced while the thread was in use")),
        };
        match cut {
            Some(cut) => self.shorten(cut).map(|()| (file, cut)),
            None => Ok((file, there.len())),
        }
    }

    fn create(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            super::make_folder(folder)?;
        }
        super::private(File::options().read(true).append(true).create_new(true)).open(&self.path)
    }

    /// A file that is open for appending cannot be shortened everywhere; so it is opened again.
    fn shorten(&self, len: u64) -> io::Result<()> {
        File::options().write(true).open(&self.path)?.set_len(len)
    }
}

fn is_whole(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok() && line.first() == Some(&b'{')
}

#[cfg(unix)]
fn is_same(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests;
