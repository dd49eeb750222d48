//! Version 2: one module per topic.

mod account;
mod config;
mod item;
mod model;
mod notices;
mod policy;
mod rate_limits;
mod thread;
mod turn;

pub use account::*;
pub use config::*;
pub use item::*;
pub use model::*;
pub use notices::*;
pub use policy::*;
pub use rate_limits::*;
pub use thread::*;
pub use turn::*;
