//! The sim as its clients see it, over HTTP.

mod browser_login;
mod chat;
mod control;
mod device_login;
mod docs;
mod refreshing;
mod side_calls;
mod streams;
mod support;
mod tokens;
