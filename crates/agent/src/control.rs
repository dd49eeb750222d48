//! What comes to a driver while it works: what concerns the turn that runs is handed to it, all else waits.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use valet_auth::AuthFailure;

use crate::conversation::{Accepted, Command, ControlError, Reply, Said};
use crate::failure::Failure;
use crate::turn::{Turn, TurnKind};

/// The commands of a conversation.
pub(crate) struct Commands {
    receiver: mpsc::Receiver<Command>,
    /// What came during a turn and is not about it.
    later: VecDeque<Command>,
    /// From here on every turn is interrupted.
    ending: CancellationToken,
}

/// What ends the work on a turn from outside, or changes it.
pub(crate) enum Control {
    /// Somebody stopped it, or nobody is left.
    Interrupted(Option<Reply>),
    /// Somebody said more: the answer to what was said before is no longer wanted as it is.
    Said(Said, Accepted),
    /// It cannot go on.
    Failed(Failure),
}

impl Commands {
    pub(crate) fn new(receiver: mpsc::Receiver<Command>, ending: CancellationToken) -> Self {
        Self { receiver, later: VecDeque::new(), ending }
    }

    /// The next command, while no turn runs.
    pub(crate) async fn next(&mut self) -> Option<Command> {
        match self.later.pop_front() {
            Some(command) => Some(command),
            None => self.receiver.recv().await,
        }
    }

    /// Waits for something that concerns the turn.
    pub(crate) async fn control(&mut self, turn: &Turn) -> Control {
        let logged_out = async {
            match &turn.account {
                Some(account) => account.logged_out().await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(logged_out);
        loop {
            let command = tokio::select! {
                biased;
                () = self.ending.cancelled() => return Control::Interrupted(None),
                command = self.receiver.recv() => command,
                () = &mut logged_out => return Control::Failed(AuthFailure::logged_out().into()),
            };
            let active = turn.id.clone();
            match command {
                None => return Control::Interrupted(None),
                Some(Command::Turn(request)) if turn.kind == TurnKind::Regular => {
                    return Control::Said(request.said, request.accepted);
                }
                Some(Command::Steer { turn_id: expected, reply, .. }) if expected != active => {
                    reply(Err(ControlError::SteerOther { expected, active }));
                }
                Some(Command::Steer { reply, .. }) if turn.kind != TurnKind::Regular => {
                    reply(Err(ControlError::NotSteerable));
                }
                Some(Command::Steer { said, reply, .. }) => return Control::Said(said, Box::new(|_| reply(Ok(())))),
                Some(Command::Look { runs }) => {
                    // Whoever asked may have gone.
                    let _ = runs.send(true);
                }
                Some(Command::Interrupt { turn_id: Some(expected), reply }) if expected != active => {
                    reply(Err(ControlError::InterruptOther { expected, active }));
                }
                Some(Command::Interrupt { reply, .. }) => return Control::Interrupted(Some(reply)),
                Some(later) => self.later.push_back(later),
            }
        }
    }
}
