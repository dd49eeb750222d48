//! The working tree as a client sees it: its files, what changes in them, a search by name, and what git says
//! is not at the remote yet. No wire types, and no state that outlives the values handed out here.

pub mod files;
pub mod git;
pub mod search;
pub mod watch;
