//! Version 2: one module per topic.

mod account;
mod account_usage;
mod approval;
mod command_exec;
mod config;
mod dynamic_tool;
mod extensions;
mod fs;
mod item;
mod model;
mod notices;
mod permissions;
mod policy;
mod rate_limits;
mod search;
mod thread;
mod turn;
mod user_question;

pub use account::*;
pub use account_usage::*;
pub use approval::*;
pub use command_exec::*;
pub use config::*;
pub use dynamic_tool::*;
pub use extensions::*;
pub use fs::*;
pub use item::*;
pub use model::*;
pub use notices::*;
pub use permissions::*;
pub use policy::*;
pub use rate_limits::*;
pub use search::*;
pub use thread::*;
pub use turn::*;
pub use user_question::*;
