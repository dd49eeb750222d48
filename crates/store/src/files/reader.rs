//! A log's file as its readers see it: whole lines from any place, in either direction, while somebody may write.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use memchr::{memchr, memrchr};

use crate::error::{StoreError, io as failed};
use crate::line::{Line, Position};
use crate::log::{Direction, Lines};
use crate::text;

/// How much is read at once, at least.
const BLOCK: u64 = 64 * 1024;

/// A log's file. It keeps its lines for those who have opened it, wherever it is moved.
#[derive(Debug)]
pub(crate) struct FileLines {
    pub(super) path: PathBuf,
    /// Not yet there for a thread that nothing was appended to.
    pub(super) file: OnceLock<File>,
}

impl FileLines {
    pub(super) fn new(path: PathBuf, file: Option<File>) -> Self {
        Self { path, file: file.map_or_else(OnceLock::new, OnceLock::from) }
    }

    /// Where the last line ends that ends at `from` or before it.
    pub(super) fn line_end(&self, from: u64) -> io::Result<u64> {
        let Some(file) = self.file.get() else { return Ok(0) };
        let mut end = from.min(file.metadata()?.len());
        let mut block = 1;
        while end > 0 {
            let base = end.saturating_sub(block);
            let bytes = read_at(file, base, end)?;
            if let Some(feed) = memrchr(b'\n', &bytes) {
                return Ok(base + feed as u64 + 1);
            }
            // A file that was cut meanwhile has nothing here.
            end = base;
            block = BLOCK;
        }
        Ok(0)
    }

    /// The bytes from a place on.
    pub(super) fn tail(&self, from: u64) -> io::Result<Vec<u8>> {
        self.file.get().map_or_else(|| Ok(Vec::new()), |file| read_at(file, from, u64::MAX))
    }

    fn forward(&self, from: u64, budget: u64) -> io::Result<Vec<Line>> {
        let Some(file) = self.file.get() else { return Ok(Vec::new()) };
        // The line feed before `from` says that a line begins there.
        let base = from.saturating_sub(1);
        let mut window = budget.max(BLOCK);
        loop {
            let bytes = read_at(file, base, base.saturating_add(window).saturating_add(1))?;
            let mut start = match from {
                0 => 0,
                _ => memchr(b'\n', &bytes).map_or(bytes.len(), |feed| feed + 1),
            };
            let first = start;
            let mut lines = Vec::new();
            while let Some(feed) = memchr(b'\n', &bytes[start..]) {
                let next = start + feed + 1;
                if !lines.is_empty() && (next - first) as u64 > budget {
                    break;
                }
                lines.push(line(base, &bytes, start, next));
                start = next;
            }
            if !lines.is_empty() || (bytes.len() as u64) <= window {
                return Ok(lines);
            }
            window = window.saturating_mul(2);
        }
    }

    fn backward(&self, from: u64, budget: u64) -> io::Result<Vec<Line>> {
        let Some(file) = self.file.get() else { return Ok(Vec::new()) };
        let end = self.line_end(from)?;
        let mut window = budget.max(BLOCK);
        loop {
            // One more, for the line feed before the first line.
            let base = end.saturating_sub(window).saturating_sub(1);
            let bytes = read_at(file, base, end)?;
            let last = bytes.len();
            let mut next = last;
            let mut lines = Vec::new();
            while next > 0 {
                let start = match memrchr(b'\n', &bytes[..next - 1]) {
                    Some(feed) => feed + 1,
                    None if base == 0 => 0,
                    None => break,
                };
                if !lines.is_empty() && (last - start) as u64 > budget {
                    break;
                }
                lines.push(line(base, &bytes, start, next));
                next = start;
            }
            if !lines.is_empty() || base == 0 {
                return Ok(lines);
            }
            window = window.saturating_mul(2);
        }
    }
}

impl Lines for FileLines {
    fn end(&self) -> Result<Position, StoreError> {
        self.line_end(u64::MAX).map(Position).map_err(failed("cannot read", &self.path))
    }

    fn read(&self, from: Position, direction: Direction, budget: usize) -> Result<Vec<Line>, StoreError> {
        let lines = match direction {
            Direction::Forward => self.forward(from.0, budget as u64),
            Direction::Backward => self.backward(from.0, budget as u64),
        };
        lines.map_err(failed("cannot read", &self.path))
    }
}

/// The line from `start` until `next` of what was read from `base` on.
fn line(base: u64, bytes: &[u8], start: usize, next: usize) -> Line {
    Line {
        at: Position(base + start as u64),
        next: Position(base + next as u64),
        text: text::lossy(&bytes[start..next - 1]).into_owned(),
    }
}

/// The bytes from `base` until `end`, or until the file ends.
fn read_at(file: &File, base: u64, end: u64) -> io::Result<Vec<u8>> {
    let there = file.metadata()?.len().min(end).saturating_sub(base);
    let mut bytes = vec![0; usize::try_from(there).map_err(|_| io::ErrorKind::FileTooLarge)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match read_some(file, &mut bytes[filled..], base + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(unix)]
fn read_some(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, at)
}

#[cfg(windows)]
fn read_some(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, at)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use pretty_assertions::assert_eq;

    use super::FileLines;
    use crate::line::Position;
    use crate::log::{Direction, Lines};

    fn log(text: &[u8]) -> FileLines {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        FileLines::new(PathBuf::from("a log"), Some(file))
    }

    fn read(log: &FileLines, from: u64, direction: Direction, budget: usize) -> Vec<(u64, String)> {
        let lines = log.read(Position(from), direction, budget).unwrap();
        lines.into_iter().map(|line| (line.at.0, line.text)).collect()
    }

    #[test]
    fn a_place_inside_a_line_means_the_next_whole_one() {
        let log = log(b"one\ntwo\nthree\ntorn");
        assert_eq!(log.end().unwrap(), Position(14));
        let (two, three) = ((4, "two".to_owned()), (8, "three".to_owned()));
        assert_eq!(read(&log, 3, Direction::Forward, 9), vec![two.clone()]);
        assert_eq!(read(&log, 4, Direction::Forward, 10), [two.clone(), three.clone()]);
        assert_eq!(read(&log, 9, Direction::Forward, 10), []);
        assert_eq!(read(&log, 13, Direction::Backward, 1), vec![two.clone()]);
        assert_eq!(read(&log, 14, Direction::Backward, 10), [three.clone(), two.clone()]);
        assert_eq!(read(&log, u64::MAX, Direction::Backward, 0), [three]);
        assert_eq!(read(&log, u64::MAX, Direction::Forward, usize::MAX), []);
        assert_eq!(read(&log, 3, Direction::Backward, usize::MAX), []);
    }

    #[test]
    fn lines_longer_than_a_block_are_read_whole() {
        let long = "x".repeat(3 * 64 * 1024 + 17);
        let log = log(format!("a\n{long}\nb\n{long}\n{long}").as_bytes());
        let (b, end) = (3 + long.len() as u64, 6 + 2 * long.len() as u64);
        assert_eq!(log.end().unwrap(), Position(end));
        assert_eq!(read(&log, 2, Direction::Forward, 1), [(2, long.clone())]);
        assert_eq!(read(&log, end, Direction::Backward, 1), [(b + 2, long.clone())]);
        assert_eq!(read(&log, b, Direction::Backward, 1), [(2, long.clone())]);
        assert_eq!(read(&log, end, Direction::Backward, usize::MAX).len(), 4);
        assert_eq!(read(&log, 0, Direction::Forward, usize::MAX).len(), 4);
    }

    #[test]
    fn bytes_that_are_no_text_and_empty_lines_move_no_line() {
        let log = log(b"\n\xff\xfe\n\nb\n");
        let all = read(&log, 0, Direction::Forward, usize::MAX);
        assert_eq!(all.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 1, 4, 5]);
        let mut back = read(&log, 7, Direction::Backward, usize::MAX);
        back.reverse();
        assert_eq!(back, all);
    }
}
