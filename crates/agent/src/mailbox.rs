//! What comes to a driver. While it works, what concerns the turn that runs is handed to it, and all else waits.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use valet_auth::AuthFailure;

use crate::conversation::{Accepted, ControlError, Message, Said};
use crate::driver::Ended;
use crate::turn::{Turn, TurnKind};

/// What a conversation is asked, in the order of its coming.
pub(crate) struct Mailbox {
    receiver: mpsc::Receiver<Message>,
    /// What came during a turn and is not about it.
    later: VecDeque<Message>,
    /// From here on every turn is interrupted.
    ending: CancellationToken,
}

/// What ends the work on a turn from outside, or changes it.
pub(crate) enum Control {
    /// It ends here.
    Ended(Ended),
    /// Somebody said more: the answer to what was said before is no longer wanted as it is.
    Said(Said, Accepted),
}

impl Mailbox {
    pub(crate) fn new(receiver: mpsc::Receiver<Message>, ending: CancellationToken) -> Self {
        Self { receiver, later: VecDeque::new(), ending }
    }

    /// The next message, while no turn runs.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        match self.later.pop_front() {
            Some(message) => Some(message),
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
            let message = tokio::select! {
                biased;
                () = self.ending.cancelled() => return Control::Ended(Ended::Interrupted(None)),
                message = self.receiver.recv() => message,
                () = &mut logged_out => {
                    return Control::Ended(Ended::Failed(AuthFailure::logged_out().into()));
                }
            };
            let active = turn.id.clone();
            match message {
                None => return Control::Ended(Ended::Interrupted(None)),
                Some(Message::Turn(request)) if turn.kind == TurnKind::Regular => {
                    return Control::Said(request.said, request.accepted);
                }
                Some(Message::Steer { turn_id: expected, reply, .. }) if expected != active => {
                    reply(Err(ControlError::SteerOther { expected, active }));
                }
                Some(Message::Steer { reply, .. }) if turn.kind != TurnKind::Regular => {
                    reply(Err(ControlError::NotSteerable));
                }
                Some(Message::Steer { said, reply, .. }) => return Control::Said(said, Box::new(|_| reply(Ok(())))),
                Some(Message::Look { runs }) => {
                    // Whoever asked may have gone.
                    let _ = runs.send(true);
                }
                Some(Message::Interrupt { turn_id: Some(expected), reply }) if expected != active => {
                    reply(Err(ControlError::InterruptOther { expected, active }));
                }
                Some(Message::Interrupt { reply, .. }) => {
                    return Control::Ended(Ended::Interrupted(Some(reply)));
                }
                Some(later) => self.later.push_back(later),
            }
        }
    }
}
