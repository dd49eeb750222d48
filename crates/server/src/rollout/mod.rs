//! The payloads of the lines in a thread's log: what is written, and what is read back, from logs of the reference
//! too. Pure functions over lines and the wire's types: nothing here knows a connection, or holds a log.

mod cursor;
mod event;
mod foreign;
mod item;
mod legacy;
pub(crate) mod line;
pub(crate) mod pages;
mod part;
mod policy;
mod scan;
mod settings;
mod shown;
pub(crate) mod source;
mod turns;

pub(crate) use cursor::{Asked, Page};
pub(crate) use event::started;
pub(crate) use item::StoredItem;
pub(crate) use line::{Compacted, Happened, Instructions, SessionMeta, TokenInfo};
pub(crate) use scan::Scan;
pub(crate) use settings::{Context, Settings};
pub(crate) use turns::Turns;

#[cfg(test)]
mod tests;
