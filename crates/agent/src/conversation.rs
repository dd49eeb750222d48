//! The handle of a conversation: what may be asked of its driver.

use std::sync::Arc;

use tokio::sync::mpsc;
use valet_auth::{Account, HttpClient};

use crate::driver::Driver;
use crate::event::EventSink;
use crate::input::Input;
use crate::settings::{Origin, Settings};
use crate::tool::ToolSet;

/// Requests that may wait for a driver. It takes them at once, so this bounds a burst, not the work.
const COMMANDS: usize = 64;

/// What a conversation needs from outside.
#[derive(Clone)]
pub struct Services {
    /// The way to the backend.
    pub http: Arc<HttpClient>,
    /// What the model may use.
    pub tools: Arc<dyn ToolSet>,
    /// Who listens.
    pub sink: Arc<dyn EventSink>,
}

/// Something said by a person, with everything that is in force for it.
pub struct TurnRequest {
    /// What was said.
    pub input: Vec<Input>,
    /// The client's own id for it.
    pub client_id: Option<String>,
    /// What is in force.
    pub settings: Settings,
    /// Who the backend is told is calling.
    pub origin: Arc<Origin>,
    /// Who pays; none: the request goes out without a credential.
    pub account: Option<Arc<Account>>,
    /// Called with the turn's id before anything is told of the turn.
    pub accepted: Box<dyn FnOnce(&str) + Send>,
}

/// Why a turn was not interrupted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterruptError {
    /// Nothing runs.
    #[error("no active turn to interrupt")]
    Idle,
    /// Another turn runs.
    #[error("expected active turn id {expected} but found {active}")]
    Mismatch {
        /// The turn that was named.
        expected: String,
        /// The turn that runs.
        active: String,
    },
}

pub(crate) type InterruptReply = Box<dyn FnOnce(Result<(), InterruptError>) + Send>;

pub(crate) enum Command {
    Turn(Box<TurnRequest>),
    Interrupt { turn_id: Option<String>, reply: InterruptReply },
}

/// A running conversation. When the last handle is dropped, its turn is interrupted and its driver ends.
#[derive(Clone, Debug)]
pub struct Conversation {
    commands: mpsc::Sender<Command>,
}

impl Conversation {
    /// Starts the driver of a new conversation.
    pub fn start(thread_id: String, services: Services) -> Self {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        tokio::spawn(Driver::new(thread_id, services).run(receiver));
        Self { commands }
    }

    /// Says something. If a turn runs, it is added to that turn.
    pub async fn turn(&self, request: TurnRequest) {
        self.send(Command::Turn(Box::new(request))).await;
    }

    /// Stops the turn of this id, or whichever runs. The reply is called before the end of the turn is told.
    pub async fn interrupt(
        &self,
        turn_id: Option<String>,
        reply: impl FnOnce(Result<(), InterruptError>) + Send + 'static,
    ) {
        self.send(Command::Interrupt { turn_id, reply: Box::new(reply) }).await;
    }

    async fn send(&self, command: Command) {
        // The driver lives as long as a handle does, so there is somebody to take it.
        let _ = self.commands.send(command).await;
    }
}
