//! Version 2: one module per topic.

mod account;
mod config;
mod extensions;
mod fs;
mod item;
mod model;
mod notices;
mod policy;
mod rate_limits;
mod search;
mod thread;
mod turn;

pub use account::*;
pub use config::*;
pub use extensions::*;
pub use fs::*;
pub use item::*;
pub use model::*;
pub use notices::*;
pub use policy::*;
pub use rate_limits::*;
pub use search::*;
pub use thread::*;
pub use turn::*;
