//! What can be wrong with a patch, said so that the model can mend it.

use std::io;
use std::path::PathBuf;

/// Why a patch cannot be applied. Nothing has been written. Lines count from 1, in the patch as it was given.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The opening line is missing.
    #[error("the patch must begin with the line `*** Begin Patch`")]
    NoBegin,
    /// The closing line is missing: the patch may be cut off.
    #[error("the patch must end with the line `*** End Patch`; without it the patch may be cut off")]
    NoEnd,
    /// There is nothing between the two.
    #[error("the patch is empty: it names no file")]
    Empty,
    /// A line where a file should begin.
    #[error(
        "line {line} of the patch: `{text}` opens no file; expected `*** Add File: <path>`, \
         `*** Delete File: <path>` or `*** Update File: <path>`"
    )]
    NoHeader {
        /// Where.
        line: usize,
        /// The line.
        text: String,
    },
    /// A header without a path.
    #[error("line {line} of the patch: the path is missing")]
    NoPath {
        /// Where.
        line: usize,
    },
    /// A line of a change that is neither context nor added nor removed.
    #[error("line {line} of the patch: `{text}` must start with ` ` (unchanged), `-` (removed), `+` (added) or `@@`")]
    NoSuchLine {
        /// Where.
        line: usize,
        /// The line.
        text: String,
    },
    /// A file is to be updated, but no change follows.
    #[error("line {line} of the patch: no change follows for `{path}`")]
    NoChange {
        /// Where.
        line: usize,
        /// The file.
        path: String,
    },
    /// Two parts of the patch are about the same file.
    #[error("{} is changed twice in one patch; put its changes under one header", .path.display())]
    Twice {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read: it does not exist, is a directory, or holds no text.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The line after `@@` is not in the file.
    #[error(
        "line {line} of the patch: {} has no line `{context}` after the place of the previous change", .path.display()
    )]
    NoContext {
        /// Where.
        line: usize,
        /// The file.
        path: PathBuf,
        /// The line that was looked for.
        context: String,
    },
    /// The unchanged and removed lines of a change are not in the file.
    #[error("line {line} of the patch: {} does not hold these lines{}:\n{expected}", .path.display(), place(*.at_end))]
    NoMatch {
        /// Where the change begins.
        line: usize,
        /// The file.
        path: PathBuf,
        /// The lines that were looked for.
        expected: String,
        /// Whether they had to be the last ones.
        at_end: bool,
    },
}

fn place(at_end: bool) -> &'static str {
    if at_end { " at its end" } else { " after the place of the previous change" }
}
