//! Chat completions, as the many servers speak them that call themselves OpenAI-compatible. The history is kept in
//! items of the Responses API: here it becomes messages, and what comes back becomes items again.

mod calls;
mod chunk;
mod decoder;
mod errors;
mod messages;
mod request;
mod tools;

pub(crate) use decoder::Decoder;
pub(super) use errors::of_status;
pub(crate) use messages::of as messages;
pub(super) use request::body;
