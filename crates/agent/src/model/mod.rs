//! The Responses API: what is sent, what streams back, and what its failures mean.

pub mod catalog;
pub(crate) mod errors;
pub(crate) mod event;
pub(crate) mod pieces;
pub(crate) mod request;
pub(crate) mod stream;
