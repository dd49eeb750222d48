//! The log of a fork or of a reverted thread of the reference, whose history stays in other files, read as if it had
//! been copied: its very first line, the history without the first lines there, and its own lines after that.

use std::io;
use std::iter;
use std::sync::Arc;

use serde_json::Value;

use super::reader::FileLines;
use crate::error::{StoreError, io as failed};
use crate::line::{Line, Position};
use crate::log::{Direction, Lines};

/// Files of which each gives a part.
#[derive(Debug)]
pub(super) struct Chain {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    lines: Arc<FileLines>,
    /// What of the file belongs to it.
    from: u64,
    to: u64,
    /// Where it begins in the chain.
    start: u64,
}

impl Part {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.to - self.from)
    }

    /// A place in the file for one in the chain, and the other way round.
    fn inner(&self, place: u64) -> u64 {
        self.from + (place.clamp(self.start, self.end()) - self.start)
    }

    fn outer(&self, line: Line) -> Line {
        let outer = |place: Position| Position(place.0 - self.from + self.start);
        Line { at: outer(line.at), next: outer(line.next), text: line.text }
    }

    /// Its lines that are in a direction of a place in the chain.
    fn read(&self, from: u64, direction: Direction, budget: usize) -> Result<Vec<Line>, StoreError> {
        let lines = self.lines.read(Position(self.inner(from)), direction, budget)?;
        let ours = |line: &Line| self.from <= line.at.0 && line.next.0 <= self.to;
        Ok(lines.into_iter().take_while(ours).map(|line| self.outer(line)).collect())
    }
}

impl Chain {
    /// Of the file that begins with the thread's first line, the files that hold its history, the oldest first, and
    /// its newest file; with the places from which and until which they count.
    pub(super) fn new(
        (first, head): (Arc<FileLines>, u64),
        bases: Vec<(Arc<FileLines>, u64, u64)>,
        (own, from): (Arc<FileLines>, u64),
    ) -> Self {
        let files = iter::once((first, 0, head)).chain(bases).chain([(own, from, u64::MAX)]);
        let mut start = 0;
        let parts = files.map(|(lines, from, to)| {
            let part = Part { lines, from, to: to.max(from), start };
            start = part.end();
            part
        });
        Self { parts: parts.collect() }
    }

    /// The place in its last file for one in the chain. None: it is in the history.
    pub(super) fn own(&self, place: Position) -> Option<Position> {
        let own = self.parts.last().filter(|own| own.start <= place.0)?;
        Some(Position(own.inner(place.0)))
    }

    /// All lines until a place as a log that needs no other.
    pub(super) fn copy(&self, until: Position) -> io::Result<String> {
        let all = self.read(Position::START, Direction::Forward, usize::MAX).map_err(io::Error::other)?;
        let kept = all.partition_point(|line| line.next <= until);
        let ends = kept.checked_sub(1).is_some_and(|last| all[last].next == until);
        let Some((head, history)) = all[..kept].split_first().filter(|_| ends) else { return Err(super::no_line()) };
        let mut head: Value = serde_json::from_str(&head.text)?;
        head["ordinal"] = 0.into();
        if let Some(meta) = head["payload"].as_object_mut() {
            meta.remove("history_base");
        }
        Ok(history.iter().fold(format!("{head}\n"), |text, line| text + &line.text + "\n"))
    }
}

impl Lines for Chain {
    fn end(&self) -> Result<Position, StoreError> {
        let Some(own) = self.parts.last() else { return Ok(Position::START) };
        let end = own.lines.line_end(u64::MAX).map_err(failed("cannot read", &own.lines.path))?;
        Ok(Position(own.start + end.saturating_sub(own.from)))
    }

    fn read(&self, from: Position, direction: Direction, budget: usize) -> Result<Vec<Line>, StoreError> {
        let mut read: Vec<Line> = Vec::new();
        let mut left = budget;
        let mut parts: Vec<&Part> = match direction {
            Direction::Forward => self.parts.iter().filter(|part| from.0 < part.end()).collect(),
            Direction::Backward => self.parts.iter().rev().filter(|part| part.start < from.0).collect(),
        };
        parts.retain(|part| part.from < part.to);
        for part in parts {
            for line in part.read(from.0, direction, left)? {
                let size = line.text.len() + 1;
                if !read.is_empty() && size > left {
                    return Ok(read);
                }
                left = left.saturating_sub(size);
                read.push(line);
            }
            // Where the part did not come to its end, the budget did.
            let edge = read.last().map(|line| if direction == Direction::Forward { line.next.0 } else { line.at.0 });
            if edge.is_some_and(|edge| part.start < edge && edge < part.end()) {
                return Ok(read);
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use pretty_assertions::assert_eq;
    use serde_json::json;
    use uuid::Uuid;

    use crate::contract::check_walks;
    use crate::files::{Files, Place};
    use crate::line::{Line, NewLine, Position};
    use crate::log::{Direction, Lines, ThreadLog};
    use crate::{Fold, StoreError};

    fn note(text: &str) -> NewLine {
        NewLine::new("note", &json!({"text": text})).unwrap()
    }

    fn head(id: &str, base: Option<(&str, u64)>) -> NewLine {
        let base = base.map(|(id, end)| json!({"thread_id": id, "end_ordinal_exclusive": 3, "end_byte_offset": end}));
        NewLine::new("session_meta", &json!({"id": id, "history_base": base})).unwrap()
    }

    fn thread(files: &Files, base: Option<(&str, u64)>, notes: &[&str]) -> Place {
        let id = Uuid::now_v7();
        let mut log = files.create(id, head(&id.to_string(), base)).unwrap();
        log.append(&notes.iter().map(|text| note(text)).collect::<Vec<_>>()).unwrap();
        files.find(&id.to_string(), log.path()).unwrap().unwrap()
    }

    /// What the reference makes of a thread when it reverts it.
    fn next_part(files: &Files, place: &Place, base: (&str, u64), notes: &[&str]) -> String {
        let (part, made) = (Uuid::now_v7().to_string(), thread(files, None, notes));
        let text = fs::read_to_string(&made.path).unwrap();
        let head = json!({"timestamp": "", "ordinal": 2, "type": "session_meta", "payload": {"id": place.id, "history_base":
            {"thread_id": base.0, "end_ordinal_exclusive": 2, "end_byte_offset": base.1}}});
        let first = files.layout().parts(place).unwrap().remove(0).path;
        let path = first.to_str().unwrap().replace(".jsonl", &format!("_{part}.jsonl"));
        fs::write(path, format!("{head}\n{}", text.split_once('\n').unwrap().1)).unwrap();
        fs::remove_file(made.path).unwrap();
        part
    }

    fn all(lines: &dyn Lines) -> Vec<Line> {
        lines.read(Position::START, Direction::Forward, usize::MAX).unwrap()
    }

    fn texts(lines: &[Line]) -> Vec<String> {
        let payload = |line: &Line| line.envelope().map(|line| line.payload.get().to_owned());
        let notes = lines.iter().filter_map(payload).filter_map(|note| serde_json::from_str(&note).ok());
        notes.filter_map(|note: serde_json::Value| Some(note["text"].as_str()?.to_owned())).collect()
    }

    fn id(lines: &[Line]) -> String {
        let mut fold = Fold::default();
        lines.iter().for_each(|line| drop(fold.line(&line.text)));
        fold.summary().unwrap().id.clone()
    }

    fn end_of(path: &Path, text: &str) -> u64 {
        let all = fs::read_to_string(path).unwrap();
        let at = all.find(&format!("\"{text}\"")).unwrap();
        (at + all[at..].find('\n').unwrap() + 1) as u64
    }

    #[test]
    fn a_fork_reads_as_if_its_history_had_been_copied() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::new(home.path().to_owned());
        let source = thread(&files, None, &["a", "b", "c"]);
        let fork = thread(&files, Some((&source.id, end_of(&source.path, "b"))), &["d", "e"]);
        let again = thread(&files, Some((&fork.id, end_of(&fork.path, "d"))), &["f"]);
        files.set_archived(&source.id, true, None).unwrap();
        let lines = files.lines(&again.id, None).unwrap();
        let whole = all(&*lines);
        assert_eq!((texts(&whole), id(&whole)), (["a", "b", "d", "f"].map(str::to_owned).to_vec(), again.id.clone()));
        assert_eq!(lines.end().unwrap(), whole.last().unwrap().next);
        for budget in [0, 1, 100, 200, 300, 500, 100_000] {
            check_walks(&*lines, &whole, budget);
        }
        let mut log = files.lease(&again.id, None).unwrap();
        log.append(&[note("g")]).unwrap();
        assert_eq!(texts(&all(&*log.lines())), ["a", "b", "d", "f", "g"]);
        log.truncate(whole.last().unwrap().at).unwrap();
        assert_eq!(texts(&all(&*log.lines())), ["a", "b", "d"]);
        assert!(log.truncate(Position(whole[1].at.0 + 1)).is_err());
        log.truncate(whole[2].at).unwrap();
        log.append(&[note("h")]).unwrap();
        drop(log);
        let alone = all(&*super::super::open(&again.path).unwrap());
        assert_eq!((texts(&alone), id(&alone)), (["a", "h"].map(str::to_owned).to_vec(), again.id.clone()));
        assert!(alone.iter().map(|line| line.envelope().unwrap().ordinal).eq((0..3).map(Some)));
        assert_eq!(texts(&all(&*files.lines(&fork.id, None).unwrap())), ["a", "b", "d", "e"]);
    }

    #[test]
    fn a_reverted_thread_goes_on_in_its_newest_file() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::new(home.path().to_owned());
        let first = thread(&files, None, &["a", "b"]);
        let second = next_part(&files, &first, (&first.id, end_of(&first.path, "a")), &["c", "d"]);
        let place = files.find(&first.id, None).unwrap().unwrap();
        assert_eq!(place.part, Some(second.clone()));
        next_part(&files, &first, (&second, end_of(&place.path, "c")), &["e"]);
        // The hint is old by now.
        let mut log = files.lease(&first.id, Some(&first.path)).unwrap();
        log.append(&[note("f")]).unwrap();
        drop(log);
        let read = || texts(&all(&*files.lines(&first.id, None).unwrap()));
        assert_eq!(read(), ["a", "c", "e", "f"]);
        let begin = |path: &Path| fs::read_to_string(path).unwrap().lines().next().unwrap().to_owned();
        assert_eq!(all(&*files.lines(&first.id, None).unwrap())[0].text, begin(&first.path));
        let archived = files.set_archived(&first.id, true, None).unwrap();
        assert!(archived.archived && archived.part > Some(second) && !first.path.exists());
        assert_eq!(read(), ["a", "c", "e", "f"]);
        assert_eq!(files.find(&first.id, Some(&archived.path)).unwrap(), Some(archived));
        files.set_archived(&first.id, false, None).unwrap();
        assert_eq!(read(), ["a", "c", "e", "f"]);
        files.delete(&first.id, None).unwrap();
        assert_eq!(files.find(&first.id, None).unwrap(), None);
    }

    #[test]
    fn a_thread_and_its_forks_are_read_while_it_is_moved() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::new(home.path().to_owned());
        let source = thread(&files, None, &["a"]);
        let fork = thread(&files, Some((&source.id, end_of(&source.path, "a"))), &["b"]);
        for round in 0..200 {
            // Each search meets one move at most.
            std::thread::scope(|scope| {
                let moved = scope.spawn(|| files.set_archived(&source.id, round % 2 == 0, None).unwrap());
                while !moved.is_finished() {
                    assert_eq!(texts(&all(&*files.lines(&source.id, None).unwrap())), ["a"]);
                    assert_eq!(texts(&all(&*files.lines(&fork.id, None).unwrap())), ["a", "b"]);
                }
            });
        }
    }

    #[test]
    fn a_history_that_is_gone_is_said_to_be() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::new(home.path().to_owned());
        let source = thread(&files, None, &["a"]);
        let fork = thread(&files, Some((&source.id, end_of(&source.path, "a"))), &["b"]);
        let reason = |expected: &str| {
            for error in [files.lines(&fork.id, None).err(), files.lease(&fork.id, None).err()] {
                assert!(
                    matches!(&error, Some(StoreError::Damaged { reason, .. }) if reason.contains(expected)),
                    "{error:?}"
                );
            }
        };
        fs::write(&source.path, "{}\n").unwrap();
        reason("was changed");
        fs::remove_file(&source.path).unwrap();
        reason("is gone");
    }
}
