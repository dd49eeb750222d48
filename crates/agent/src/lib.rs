//! What is done: one driver task per conversation talks to the model, runs the tools that it asks for, and
//! tells what happens as [`Event`]s.
//!
//! The crate knows no wire type of the protocol. Who listens to the events, who is asked (a [`Client`]) and who
//! pays (an [`valet_auth::Account`]) come in from outside.

mod client;
mod compaction;
mod conversation;
mod driver;
mod event;
mod failure;
#[doc(hidden)]
pub mod fuzzing;
mod history;
mod input;
mod item;
mod journal;
mod limits;
mod mailbox;
mod model;
mod past;
mod permission;
pub mod project;
mod prompt;
mod response;
mod retry;
mod settings;
mod shell;
mod time;
mod tool_call;
mod tools;
mod turn;
mod usage;

pub use client::{Client, ClientAnswer, ClientCall, CommandQuestion, Content, Decision, PatchQuestion};
pub use conversation::{Accepted, ControlError, Conversation, Said, Services, ShellRequest, Terms, TurnRequest};
pub use event::{Event, EventSink, TurnOutcome, TurnSummary, Waiting};
pub use failure::{Failure, FailureClass, RetryAdvice};
pub use input::{ImageDetail, Input, TextSpan};
pub use item::{
    AgentMessage, ClientToolCall, Command, CommandSource, FileChange, FileChangeKind, Item, ItemKind, Patch, Reasoning,
    Status, UserMessage,
};
pub use journal::{Context, Journal};
pub use limits::{Credits, LimitWindow, RateLimits};
pub use model::catalog::{self, ModelInfo};
pub use model::entry::{Effort, Model, Tier};
pub use model::models::{Asker, Models};
pub use model::wire::Wire;
pub use past::Past;
pub use permission::Approvals;
pub use prompt::{PLAN_MODE, Surroundings, base_instructions};
pub use settings::{Origin, Provider, Retries, Settings};
pub use tools::ClientTool;
pub use usage::{TokenUsage, Usage};
/// The vocabulary of the tools, as far as clients see it.
pub use valet_tools::definitions::{PlanStep, Question, StepStatus};
pub use valet_tools::shell::Action;
