//! The handle of a conversation: what may be asked of its driver.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use valet_auth::{Account, HttpClient};
use valet_exec::Launcher;

use crate::client::Client;
use crate::driver::Driver;
use crate::event::EventSink;
use crate::input::Input;
use crate::journal::Journal;
use crate::mailbox::Mailbox;
use crate::model::models::Models;
use crate::past::Past;
use crate::settings::{Origin, Settings};

/// Requests that may wait for a driver. It takes them at once, so this bounds a burst, not the work.
const COMMANDS: usize = 64;

/// What a conversation needs from outside.
#[derive(Clone)]
pub struct Services {
    /// The way to the backend.
    pub http: Arc<HttpClient>,
    /// Who knows which models a login can use, for whoever has chosen another. None: people are told no more than the
    /// backend says.
    pub models: Option<Arc<Models>>,
    /// Who starts commands.
    pub launcher: Arc<Launcher>,
    /// Who is asked.
    pub client: Arc<dyn Client>,
    /// Who listens.
    pub sink: Arc<dyn EventSink>,
    /// Who keeps what the model is given.
    pub journal: Arc<dyn Journal>,
}

/// What is in force for a turn.
#[derive(Clone)]
pub struct Terms {
    /// The settings.
    pub settings: Settings,
    /// Who the backend is told is calling.
    pub origin: Arc<Origin>,
    /// Who pays; none: requests go out without a credential.
    pub account: Option<Arc<Account>>,
}

/// Something that a person said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What was said.
    pub input: Vec<Input>,
    /// The client's own id for it.
    pub client_id: Option<String>,
}

/// Called with the turn's id before anything is told of the turn.
pub type Accepted = Box<dyn FnOnce(&str) + Send>;

/// Something said by a person, with everything that is in force for it.
pub struct TurnRequest {
    /// What was said.
    pub said: Said,
    /// What is in force.
    pub terms: Terms,
    /// Called when it is taken.
    pub accepted: Accepted,
}

/// A command line that a person wants to run.
pub struct ShellRequest {
    /// The command line.
    pub command: String,
    /// When it is ended.
    pub timeout: Option<Duration>,
    /// What is in force.
    pub terms: Terms,
    /// Called when it is taken.
    pub accepted: Accepted,
}

/// Why a running turn was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Nothing runs.
    #[error("no active turn to interrupt")]
    NothingToInterrupt,
    /// Nothing runs.
    #[error("no active turn to steer")]
    NothingToSteer,
    /// Another turn runs.
    #[error("expected active turn id {expected} but found {active}")]
    InterruptOther {
        /// The turn that was named.
        expected: String,
        /// The turn that runs.
        active: String,
    },
    /// The turn runs without the model, or only sums up.
    #[error("the active turn cannot be steered")]
    NotSteerable,
    /// Another turn runs.
    #[error("expected active turn id `{expected}` but found `{active}`")]
    SteerOther {
        /// The turn that was named.
        expected: String,
        /// The turn that runs.
        active: String,
    },
}

pub(crate) type Reply = Box<dyn FnOnce(Result<(), ControlError>) + Send>;

pub(crate) enum Message {
    Turn(Box<TurnRequest>),
    Steer { turn_id: String, said: Said, reply: Reply },
    Interrupt { turn_id: Option<String>, reply: Reply },
    Shell(Box<ShellRequest>),
    Compact { terms: Box<Terms>, accepted: Accepted },
    Inject { items: Vec<Arc<RawValue>>, done: Box<dyn FnOnce() + Send> },
    TakeUp { past: BoxFuture<'static, Option<Past>> },
    Look { runs: oneshot::Sender<bool> },
}

/// A running conversation. When the last handle is dropped, its turn is interrupted and its driver ends.
#[derive(Clone, Debug)]
pub struct Conversation {
    mailbox: mpsc::Sender<Message>,
    /// Cancelled when all is to end at once.
    ending: CancellationToken,
}

impl Conversation {
    /// Starts the driver of a conversation, which goes on from what was before.
    pub fn start(thread_id: String, services: Services, past: impl Future<Output = Past> + Send + 'static) -> Self {
        let (mailbox, receiver) = mpsc::channel(COMMANDS);
        let ending = CancellationToken::new();
        let driver = Driver::new(thread_id, services, ending.clone());
        tokio::spawn(driver.run(past, Mailbox::new(receiver, ending.clone())));
        Self { mailbox, ending }
    }

    /// Says something. If a turn runs, it is added to that turn.
    pub async fn turn(&self, request: TurnRequest) {
        self.send(Message::Turn(Box::new(request))).await;
    }

    /// Adds something to the turn of this id.
    pub async fn steer(
        &self,
        turn_id: String,
        said: Said,
        reply: impl FnOnce(Result<(), ControlError>) + Send + 'static,
    ) {
        self.send(Message::Steer { turn_id, said, reply: Box::new(reply) }).await;
    }

    /// Stops the turn of this id, or whichever runs. The reply is called before the end of the turn is told.
    pub async fn interrupt(
        &self,
        turn_id: Option<String>,
        reply: impl FnOnce(Result<(), ControlError>) + Send + 'static,
    ) {
        self.send(Message::Interrupt { turn_id, reply: Box::new(reply) }).await;
    }

    /// Ends the work for good, as a host does that ends: the turn that runs and all that wait are interrupted, and
    /// commands are killed that have not ended a moment later. Returns when the end of each turn was told.
    pub async fn end(&self) {
        self.ending.cancel();
        let (reply, replied) = oneshot::channel::<()>();
        // Taken up after all that came before.
        self.interrupt(None, |_| drop(reply)).await;
        let _ = replied.await;
    }

    /// Runs a command line of a person in a turn of its own, after the one that runs.
    pub async fn shell(&self, request: ShellRequest) {
        self.send(Message::Shell(Box::new(request))).await;
    }

    /// Makes the conversation so far shorter, in a turn of its own, after the one that runs.
    pub async fn compact(&self, terms: Terms, accepted: impl FnOnce(&str) + Send + 'static) {
        self.send(Message::Compact { terms: Box::new(terms), accepted: Box::new(accepted) }).await;
    }

    /// Adds Responses API items to what the model is given, after the turn that runs.
    pub async fn inject(&self, items: Vec<Arc<RawValue>>, done: impl FnOnce() + Send + 'static) {
        self.send(Message::Inject { items, done: Box::new(done) }).await;
    }

    /// Goes on from another past, if there is one then. It is asked for after the turn that runs and all that wait,
    /// and no turn begins before it is there.
    pub async fn take_up(&self, past: impl Future<Output = Option<Past>> + Send + 'static) {
        self.send(Message::TakeUp { past: past.boxed() }).await;
    }

    /// Whether a turn runs, when all that was asked for before has begun or waits behind one that has.
    pub async fn is_at_work(&self) -> bool {
        let (runs, answer) = oneshot::channel();
        self.send(Message::Look { runs }).await;
        answer.await.unwrap_or_default()
    }

    async fn send(&self, message: Message) {
        // The driver lives as long as a handle does, so there is somebody to take it.
        let _ = self.mailbox.send(message).await;
    }
}
