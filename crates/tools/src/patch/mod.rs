//! Patches: [`parse`] the text of the model, [`plan`] what becomes of each file, [`apply`] all of it or
//! nothing. [`TurnDiff`] adds up what a turn did. Approval is the caller's: it sees [`Changes::paths`] first.

mod apply;
mod changes;
mod error;
mod file;
mod folders;
mod grammar;
mod parse;
mod plan;
mod seek;
mod turn_diff;
mod unified;

pub use apply::{ApplyError, apply};
pub use changes::{Change, Changes, Kind, summary};
pub use error::PatchError;
pub use file::{Disk, File, Fs};
pub use grammar::GRAMMAR;
pub use parse::{Chunk, Hunk, Line, Patch, parse};
pub use plan::plan;
pub use turn_diff::TurnDiff;
