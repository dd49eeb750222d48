//! The model's side: what is sent, what streams back, what its failures mean, on either wire, and which models there are.

pub mod catalog;
pub(crate) mod chat;
pub(crate) mod entry;
pub(crate) mod errors;
pub(crate) mod models;
pub(crate) mod output_item;
pub(crate) mod pieces;
pub(crate) mod request;
pub(crate) mod responses;
pub(crate) mod stream;
pub(crate) mod wire;
