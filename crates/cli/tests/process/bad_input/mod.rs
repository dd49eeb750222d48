//! Input that no good client sends, over real pipes and real sockets: what is served, what is dropped, what the
//! log says, and that the next good request works.

mod host;
#[cfg(target_os = "linux")]
mod memory;
mod size;
mod text;
mod websocket;
