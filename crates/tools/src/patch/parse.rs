//! From the text of the model to a [`Patch`]. Forgiving about blanks, line ends and a heredoc around it,
//! strict about where a patch ends: a cut one is refused.

use super::PatchError;

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const END_OF_FILE: &str = "*** End of File";

/// What the model wants done, file by file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// At least one.
    pub hunks: Vec<Hunk>,
}

/// What happens to one file. Paths are as the model wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hunk {
    /// A new file, or a new content for a file.
    Add {
        /// The file.
        path: String,
        /// Its lines, each with a line end; empty for an empty file.
        content: String,
    },
    /// The file goes.
    Delete {
        /// The file.
        path: String,
    },
    /// Some lines change, the name may change, too.
    Update {
        /// The file.
        path: String,
        /// Its new place.
        move_to: Option<String>,
        /// In the order of the file. Empty only when the file just moves.
        chunks: Vec<Chunk>,
    },
}

/// Lines that change together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Where in the patch it begins, from 1.
    pub line: usize,
    /// The texts after `@@`, from the outer to the inner: each narrows the search to what follows it.
    pub anchors: Vec<String>,
    /// What is there and what should be.
    pub lines: Vec<Line>,
    /// The old lines are the last ones of the file.
    pub at_end: bool,
}

/// One line of a chunk, without its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Stays.
    Keep(String),
    /// Goes.
    Remove(String),
    /// Comes.
    Add(String),
}

/// Reads a patch. Fails with the first thing that is wrong.
pub fn parse(text: &str) -> Result<Patch, PatchError> {
    let mut lines = numbered(text);
    trim_blank(&mut lines);
    unwrap_heredoc(&mut lines);
    let [(_, first), .., (_, last)] = lines.as_slice() else {
        return Err(if text.trim() == BEGIN { PatchError::NoEnd } else { PatchError::NoBegin });
    };
    if first.trim() != BEGIN {
        return Err(PatchError::NoBegin);
    }
    if last.trim() != END {
        return Err(PatchError::NoEnd);
    }
    let mut rest = Lines { lines: &lines[1..lines.len() - 1] };
    let mut hunks = Vec::new();
    while let Some((number, line)) = rest.next() {
        if !line.trim().is_empty() {
            hunks.push(hunk(number, line, &mut rest)?);
        }
    }
    if hunks.is_empty() { Err(PatchError::Empty) } else { Ok(Patch { hunks }) }
}

type Numbered<'a> = (usize, &'a str);

/// The lines without their ends. A carriage return belongs to the end when the first line has one, too.
fn numbered(text: &str) -> Vec<Numbered<'_>> {
    let crlf = text.trim_start().split('\n').next().is_some_and(|line| line.ends_with('\r'));
    let bare = |line| if crlf { str::strip_suffix(line, '\r').unwrap_or(line) } else { line };
    (1..).zip(text.split('\n').map(bare)).collect()
}

fn trim_blank(lines: &mut Vec<Numbered<'_>>) {
    let blank = |(_, line): &Numbered<'_>| line.trim().is_empty();
    while lines.last().is_some_and(blank) {
        lines.pop();
    }
    let leading = lines.iter().take_while(|line| blank(line)).count();
    lines.drain(..leading);
}

/// Takes `<<'EOF'` and `EOF` away, with or without the command that the model put before them.
fn unwrap_heredoc(lines: &mut Vec<Numbered<'_>>) {
    let Some((_, first)) = lines.first() else { return };
    let Some((command, word)) = first.split_once("<<") else { return };
    let word = word.trim().trim_matches(['\'', '"']);
    let known = matches!(command.trim(), "" | "apply_patch" | "cat");
    if known && lines.len() > 1 && lines.last().is_some_and(|(_, last)| !word.is_empty() && last.trim() == word) {
        lines.pop();
        lines.remove(0);
        trim_blank(lines);
    }
}

/// The lines that are still to be read.
struct Lines<'a> {
    lines: &'a [Numbered<'a>],
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<Numbered<'a>> {
        let (first, rest) = self.lines.split_first()?;
        self.lines = rest;
        Some(*first)
    }

    /// The next line, when `wanted` makes something of it.
    fn next_if<T>(&mut self, wanted: impl FnOnce(&'a str) -> Option<T>) -> Option<T> {
        let found = wanted(self.lines.first()?.1)?;
        self.lines = &self.lines[1..];
        Some(found)
    }
}

fn hunk(number: usize, header: &str, rest: &mut Lines<'_>) -> Result<Hunk, PatchError> {
    let text = header.trim();
    let path_after = |prefix| after(text, prefix, number);
    if let Some(path) = path_after("*** Add File:") {
        let mut content = String::new();
        while let Some(line) = rest.next_if(|line| line.strip_prefix('+')) {
            content.push_str(line);
            content.push('\n');
        }
        Ok(Hunk::Add { path: path?, content })
    } else if let Some(path) = path_after("*** Delete File:") {
        Ok(Hunk::Delete { path: path? })
    } else if let Some(path) = path_after("*** Update File:") {
        update(number, path?, rest)
    } else {
        Err(PatchError::NoHeader { line: number, text: text.to_owned() })
    }
}

fn after(text: &str, prefix: &str, line: usize) -> Option<Result<String, PatchError>> {
    let path = text.strip_prefix(prefix)?.trim();
    Some(if path.is_empty() { Err(PatchError::NoPath { line }) } else { Ok(path.to_owned()) })
}

fn update(number: usize, path: String, rest: &mut Lines<'_>) -> Result<Hunk, PatchError> {
    let move_to = rest.next_if(|line| after(line.trim(), "*** Move to:", number + 1)).transpose()?;
    let mut chunks: Vec<Chunk> = Vec::new();
    while let Some((line, _)) = rest.lines.first().filter(|(_, text)| !opens_file(text)) {
        chunks.push(chunk(*line, rest)?);
    }
    chunks.retain(|chunk| chunk.lines.iter().any(|line| *line != Line::Keep(String::new())));
    if chunks.is_empty() && move_to.is_none() {
        return Err(PatchError::NoChange { line: number, path });
    }
    Ok(Hunk::Update { path, move_to, chunks })
}

fn opens_file(line: &str) -> bool {
    line.starts_with("***") && line.trim_end() != END_OF_FILE
}

fn chunk(number: usize, rest: &mut Lines<'_>) -> Result<Chunk, PatchError> {
    let mut chunk = Chunk { line: number, ..Chunk::default() };
    while let Some(anchor) = rest.next_if(|line| line.strip_prefix("@@")) {
        chunk.anchors.extend(Some(anchor.trim()).filter(|text| !text.is_empty() && !is_range(text)).map(str::to_owned));
    }
    while let Some((line, text)) = rest.lines.first().copied() {
        if text.starts_with("@@") || opens_file(text) {
            break;
        }
        rest.next();
        if text.trim_end() == END_OF_FILE {
            chunk.at_end = true;
            break;
        }
        chunk.lines.push(change_line(line, text)?);
    }
    Ok(chunk)
}

fn change_line(line: usize, text: &str) -> Result<Line, PatchError> {
    // Models drop the blank in front of an empty line.
    let mut letters = text.chars();
    let kind = letters.next().unwrap_or(' ');
    let content = letters.as_str().to_owned();
    match kind {
        ' ' => Ok(Line::Keep(content)),
        '-' => Ok(Line::Remove(content)),
        '+' => Ok(Line::Add(content)),
        _ => Err(PatchError::NoSuchLine { line, text: text.to_owned() }),
    }
}

/// Whether the text after `@@` gives line numbers, as diffs do: `-1,2 +1,2 @@`. They say nothing reliable.
fn is_range(text: &str) -> bool {
    let part = |word: Option<&str>, sign| {
        let numbers = word.and_then(|word| word.strip_prefix(sign));
        numbers.is_some_and(|numbers| numbers.split(',').all(|number| number.parse::<u32>().is_ok()))
    };
    let mut words = text.split_whitespace();
    part(words.next(), '-') && part(words.next(), '+')
}
