//! A search for files and directories by a few letters of their paths, the way pickers want it: a walk that
//! honours ignore files, then a fuzzy match, best first.

mod catalog;
mod rank;
mod session;

pub use catalog::Catalog;
pub use rank::{Found, MAX_FOUND};
pub use session::{Session, Step, Steps, session};
