//! What is done: one driver task per conversation talks to the model, runs the tools that it asks for, and
//! tells what happens as [`Event`]s.
//!
//! The crate knows no wire type of the protocol. Who listens to the events, who pays (an
//! [`valet_auth::Account`]) and which tools there are come in from outside.

mod conversation;
mod driver;
mod event;
mod failure;
#[doc(hidden)]
pub mod fuzzing;
mod history;
mod input;
mod item;
mod limits;
mod model;
mod prompt;
mod retry;
mod settings;
mod time;
mod tool;
mod turn;
mod usage;

pub use conversation::{Conversation, InterruptError, Services, TurnRequest};
pub use event::{Event, EventSink, TurnOutcome, TurnSummary};
pub use failure::{Failure, FailureClass, RetryAdvice};
pub use input::{ImageDetail, Input, TextSpan};
pub use item::{AgentMessage, Item, ItemKind, Reasoning, UserMessage};
pub use limits::{Credits, LimitWindow, RateLimits};
pub use model::catalog::{self, ModelInfo};
pub use prompt::Surroundings;
pub use settings::{Origin, Provider, Settings};
pub use tool::{NoTools, ToolCall, ToolSet};
pub use usage::{TokenUsage, Usage};
