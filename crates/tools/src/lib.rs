//! The parts of the agent's tools that need no runtime, no protocol and no network.
//!
//! - [`patch`] reads a patch of the model, computes every resulting file, and writes all of them or none.
//! - [`shell`] says what a command line does: whether it is known to only read, what to show of it, and
//!   which rules of the user match it.
//! - [`image`] turns an image file into a data URL.
//! - [`definitions`] tells the model which tools there are, and reads the arguments of its calls.
//!
//! Whether a call may happen at all, and in which sandbox, is decided by the callers.

pub mod definitions;
pub mod image;
pub mod patch;
mod path;
pub mod shell;
