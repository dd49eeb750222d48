//! What a command line does, read by parsing it: [`is_known_safe_script`], [`actions`] to show, and
//! [`Rules`] of the user. Whatever is not understood completely is not safe, and is shown as it is.

mod actions;
mod git;
mod rules;
mod rules_syntax;
mod safe;
mod script;
mod tokens;

pub use actions::{Action, actions};
pub use rules::{Decision, Rule, Rules, RulesError};
pub use safe::is_known_safe_script;
pub use script::plain_commands;
