//! What a patch makes of the files, computed without writing any of them.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::changes::{Change, Changes, Kind, Place};
use super::file::resolve;
use super::seek::seek;
use super::{Chunk, File, Fs, Hunk, Line, Patch, PatchError};
use crate::path::normalise;

/// Computes every resulting file. Relative paths are below `root`, absolute ones and `..` lead where they
/// lead: the caller looks at [`Changes::paths`] and decides.
///
/// - A file that is added may exist already; its content is replaced.
/// - A file that is updated or deleted must exist and hold text.
/// - A move replaces what is at its destination, and takes the executable bit along.
/// - No file may be named twice.
pub fn plan(patch: &Patch, root: &Path, fs: &impl Fs) -> Result<Changes, PatchError> {
    let mut planner = Planner { root, fs, seen: HashSet::new() };
    let changes = patch.hunks.iter().map(|hunk| planner.hunk(hunk)).collect::<Result<_, _>>()?;
    Ok(Changes { changes })
}

struct Planner<'a, F> {
    root: &'a Path,
    fs: &'a F,
    /// Every path and every place that links lead to.
    seen: HashSet<PathBuf>,
}

impl<F: Fs> Planner<'_, F> {
    fn hunk(&mut self, hunk: &Hunk) -> Result<Change, PatchError> {
        match hunk {
            Hunk::Add { path, content } => {
                let place = self.place(path)?;
                let old = self.read_if_any(&place)?;
                let executable = old.as_ref().is_some_and(|old| old.executable);
                let new = File { text: content.clone(), executable };
                self.claim(&place)?;
                Ok(Change::new(place, Kind::Add, old, Some(new), path))
            }
            Hunk::Delete { path } => {
                let mut place = self.place(path)?;
                let old = self.read(&place)?;
                self.claim(&place)?;
                place.target = self.unfollowed(&place.path)?;
                Ok(Change::new(place, Kind::Delete, Some(old), None, path))
            }
            Hunk::Update { path, move_to, chunks } => self.update(path, move_to.as_deref(), chunks),
        }
    }

    fn update(&mut self, path: &str, move_to: Option<&str>, chunks: &[Chunk]) -> Result<Change, PatchError> {
        let mut place = self.place(path)?;
        let old = self.read(&place)?;
        let new = File { text: edit(&old.text, chunks, &place.path)?, executable: old.executable };
        self.claim(&place)?;
        let destination = move_to.map(|to| self.place(to)).transpose()?.filter(|to| to.target != place.target);
        let Some(destination) = destination else {
            return Ok(Change::new(place, Kind::Update { move_to: None }, Some(old), Some(new), path));
        };
        self.claim(&destination)?;
        place.target = self.unfollowed(&place.path)?;
        let overwritten = self.read_if_any(&destination)?;
        let name = move_to.unwrap_or(path);
        Ok(Change::moved(place, destination, old, new, overwritten, name))
    }

    fn place(&self, path: &str) -> Result<Place, PatchError> {
        let path = normalise(self.root, Path::new(path));
        match resolve(self.fs, &path) {
            Ok(target) => Ok(Place { path, target }),
            Err(source) => Err(PatchError::Read { path, source }),
        }
    }

    /// The file itself, be it a link: that is what a deletion takes away.
    fn unfollowed(&self, path: &Path) -> Result<PathBuf, PatchError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(path.to_owned()) };
        let parent = resolve(self.fs, parent);
        let parent = parent.map_err(|source| PatchError::Read { path: path.to_owned(), source })?;
        Ok(parent.join(name))
    }

    fn claim(&mut self, place: &Place) -> Result<(), PatchError> {
        let Place { path, target } = place;
        let new = self.seen.insert(target.clone()) && (path == target || self.seen.insert(path.clone()));
        if new { Ok(()) } else { Err(PatchError::Twice { path: path.clone() }) }
    }

    fn read(&self, place: &Place) -> Result<File, PatchError> {
        self.fs.read(&place.target).map_err(|source| PatchError::Read { path: place.path.clone(), source })
    }

    fn read_if_any(&self, place: &Place) -> Result<Option<File>, PatchError> {
        match self.read(place) {
            Err(PatchError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map(Some),
        }
    }
}

/// The text after all chunks. Unchanged lines stay byte for byte, added ones get the line end that most
/// lines have, and a final line end is there if it was there.
fn edit(text: &str, chunks: &[Chunk], path: &Path) -> Result<String, PatchError> {
    let full: Vec<&str> = text.split_inclusive('\n').collect();
    let bare: Vec<&str> = full.iter().copied().map(without_end).collect();
    let crlf = full.iter().filter(|line| line.ends_with("\r\n")).count() * 2 > full.len();
    let end = if crlf { "\r\n" } else { "\n" };
    let mut new = String::with_capacity(text.len());
    let mut copied = 0;
    for chunk in chunks {
        let found = locate(&bare, chunk, copied, path)?;
        push_lines(&mut new, &full[copied..found.at], end);
        copied = found.at;
        for line in found.lines {
            match line {
                Line::Keep(_) => push_lines(&mut new, &full[copied..=copied], end),
                Line::Remove(_) => {}
                Line::Add(line) => {
                    new.push_str(if crlf { line.strip_suffix('\r').unwrap_or(line) } else { line });
                    new.push_str(end);
                }
            }
            copied += usize::from(!matches!(line, Line::Add(_)));
        }
    }
    push_lines(&mut new, &full[copied..], end);
    if !text.is_empty() && !text.ends_with('\n') {
        new.truncate(without_end(&new).len());
    }
    Ok(new)
}

fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// Copies lines, each with a line end, also what was the last one.
fn push_lines(text: &mut String, lines: &[&str], end: &str) {
    for line in lines {
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str(end);
        }
    }
}

/// Where a chunk applies, and the lines of it that do.
struct Found<'a> {
    at: usize,
    lines: &'a [Line],
}

fn locate<'a>(bare: &[&str], chunk: &'a Chunk, start: usize, path: &Path) -> Result<Found<'a>, PatchError> {
    let mut after = start;
    for anchor in &chunk.anchors {
        let at = seek(bare, &[anchor], after, false).ok_or_else(|| PatchError::NoContext {
            line: chunk.line,
            path: path.to_owned(),
            context: anchor.clone(),
        })?;
        after = at + 1;
    }
    // Some repeat the anchor as the first unchanged line.
    let starts = if chunk.anchors.is_empty() { vec![after] } else { vec![after, after - 1] };
    // And some end with an empty line that the file does not have.
    let shorter = chunk.lines.split_last().filter(|(last, _)| **last == Line::Keep(String::new()));
    let versions = [Some(chunk.lines.as_slice()), shorter.map(|(_, rest)| rest)];
    for lines in versions.into_iter().flatten() {
        let old = old_lines(lines);
        if old.is_empty() {
            let insert_at = if chunk.anchors.is_empty() || chunk.at_end { bare.len() } else { after };
            return Ok(Found { at: insert_at, lines });
        }
        if let Some(at) = starts.iter().find_map(|start| seek(bare, &old, *start, chunk.at_end)) {
            return Ok(Found { at, lines });
        }
    }
    let (line, path) = (chunk.line, path.to_owned());
    Err(PatchError::NoMatch { line, path, expected: old_lines(&chunk.lines).join("\n"), at_end: chunk.at_end })
}

/// The lines that must be there.
fn old_lines(lines: &[Line]) -> Vec<&str> {
    let old = lines.iter().filter_map(|line| match line {
        Line::Keep(line) | Line::Remove(line) => Some(line.as_str()),
        Line::Add(_) => None,
    });
    old.collect()
}
