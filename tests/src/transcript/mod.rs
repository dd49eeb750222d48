//! What passes between a client, a host and its backend, in a form that two runs can be compared in.

mod backend;
mod messages;
mod normal;
mod pattern;

pub use backend::{BODY, recorded};
pub use messages::{Asked, endpoint, is_delta, joined, thread_of};
pub use normal::Normaliser;
pub use pattern::{Bindings, Difference};
