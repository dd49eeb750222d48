//! The sim as its clients see it, over HTTP.

mod control;
mod docs;
mod side_calls;
mod streams;
mod support;
mod tokens;
