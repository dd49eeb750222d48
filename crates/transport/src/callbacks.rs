//! Requests of ours that wait for an answer. One engine for both ends: the server keys the waiters by whoever was
//! asked, the client needs no key.

use std::collections::HashMap;

use serde_json::value::RawValue;
use tokio::sync::oneshot;
use valet_protocol::jsonrpc::RequestId;

/// What became of a request of ours.
#[derive(Debug)]
pub enum Answer {
    /// The raw `result`.
    Result(Box<RawValue>),
    /// The raw `error`, in whatever shape it came.
    Error(Box<RawValue>),
}

impl From<Result<&RawValue, &RawValue>> for Answer {
    fn from(outcome: Result<&RawValue, &RawValue>) -> Self {
        match outcome {
            Ok(result) => Self::Result(result.to_owned()),
            Err(error) => Self::Error(error.to_owned()),
        }
    }
}

/// The callback map. A waiter is removed before it is completed, so a late or doubled answer finds
/// nothing to harm. Ids count from 0, and no two questions have the same.
#[derive(Debug)]
pub struct Callbacks<S> {
    next: i64,
    waiting: HashMap<i64, Waiter<S>>,
    closed: bool,
}

#[derive(Debug)]
struct Waiter<S> {
    scope: S,
    answer: oneshot::Sender<Answer>,
}

impl<S> Default for Callbacks<S> {
    fn default() -> Self {
        Self { next: 0, waiting: HashMap::new(), closed: false }
    }
}

impl<S> Callbacks<S> {
    /// Enters a waiter and returns the id for its request. The scope says whom the waiter belongs to.
    pub fn register(&mut self, scope: S, answer: oneshot::Sender<Answer>) -> RequestId {
        // Whoever gave up before it learned its id could not take its waiter out.
        self.waiting.retain(|_, waiter| !waiter.answer.is_closed());
        let id = self.next;
        self.next += 1;
        if !self.closed {
            self.waiting.insert(id, Waiter { scope, answer });
        }
        RequestId::Integer(id)
    }

    /// Enters a waiter under an id that was registered before, for the same question asked again.
    pub fn register_again(&mut self, id: &RequestId, scope: S, answer: oneshot::Sender<Answer>) {
        if let Some(id) = integer(id).filter(|_| !self.closed) {
            self.waiting.insert(id, Waiter { scope, answer });
        }
    }

    /// Hands over an answer if a waiter of this id accepts it. Says whether it did.
    ///
    /// An id that came back as a string is taken for the integer that it spells.
    pub fn complete(&mut self, id: &RequestId, accepts: impl FnOnce(&S) -> bool, answer: Answer) -> bool {
        let Some(id) = integer(id) else { return false };
        if !self.waiting.get(&id).is_some_and(|waiter| accepts(&waiter.scope)) {
            return false;
        }
        let waiter = self.waiting.remove(&id);
        waiter.is_some_and(|waiter| waiter.answer.send(answer).is_ok())
    }

    /// Forgets every waiter that `gone` names; whoever waits learns that no answer will come.
    pub fn drop_where(&mut self, mut gone: impl FnMut(&S) -> bool) {
        self.waiting.retain(|_, waiter| !gone(&waiter.scope));
    }

    /// Forgets every waiter, and every later one at once: whoever waits learns that no answer will come.
    pub fn close(&mut self) {
        self.closed = true;
        self.waiting.clear();
    }

    /// Forgets one waiter.
    pub fn remove(&mut self, id: &RequestId) {
        if let Some(id) = integer(id) {
            self.waiting.remove(&id);
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

fn integer(id: &RequestId) -> Option<i64> {
    match id {
        RequestId::Integer(id) => Some(*id),
        RequestId::String(text) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Callbacks};
    use pretty_assertions::assert_eq;
    use serde_json::value::RawValue;
    use tokio::sync::oneshot;
    use valet_protocol::RequestId;

    fn answer() -> Answer {
        Answer::Result(RawValue::from_string("1".to_owned()).unwrap())
    }

    #[test]
    fn a_second_answer_to_the_same_request_is_harmless() {
        let mut callbacks = Callbacks::default();
        let (sender, mut receiver) = oneshot::channel();
        let id = callbacks.register((), sender);
        assert!(callbacks.complete(&id, |()| true, answer()));
        assert!(!callbacks.complete(&id, |()| true, answer()));
        assert!(receiver.try_recv().is_ok());
    }

    #[test]
    fn an_answer_from_somebody_who_was_not_asked_leaves_the_waiter_alone() {
        let mut callbacks = Callbacks::default();
        let (sender, mut receiver) = oneshot::channel();
        let id = callbacks.register("owner", sender);
        assert!(!callbacks.complete(&id, |scope| *scope == "stranger", answer()));
        assert!(receiver.try_recv().is_err());
        assert!(callbacks.complete(&id, |scope| *scope == "owner", answer()));
    }

    #[test]
    fn an_id_that_comes_back_as_a_string_is_understood() {
        let mut callbacks = Callbacks::default();
        let (sender, _receiver) = oneshot::channel();
        assert_eq!(callbacks.register((), sender), RequestId::Integer(0));
        assert!(callbacks.complete(&RequestId::String("0".to_owned()), |()| true, answer()));
    }

    #[test]
    fn a_request_after_the_end_learns_at_once_that_no_answer_will_come() {
        let mut callbacks = Callbacks::default();
        callbacks.close();
        let (sender, mut receiver) = oneshot::channel();
        let id = callbacks.register((), sender);
        assert_eq!(receiver.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
        let (sender, mut receiver) = oneshot::channel();
        callbacks.register_again(&id, (), sender);
        assert_eq!(receiver.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
    }

    #[test]
    fn a_waiter_whose_asker_has_gone_is_forgotten_with_the_next_question() {
        let mut callbacks = Callbacks::default();
        let (sender, receiver) = oneshot::channel();
        let abandoned = callbacks.register((), sender);
        drop(receiver);
        let (sender, _receiver) = oneshot::channel();
        let id = callbacks.register((), sender);
        assert_eq!(callbacks.len(), 1);
        assert!(!callbacks.complete(&abandoned, |()| true, answer()));
        assert!(callbacks.complete(&id, |()| true, answer()));
    }

    #[test]
    fn the_waiters_of_a_scope_that_ends_learn_that_no_answer_will_come() {
        let mut callbacks = Callbacks::default();
        let (sender, mut receiver) = oneshot::channel();
        callbacks.register(7, sender);
        callbacks.drop_where(|scope| *scope == 7);
        assert!(receiver.try_recv().is_err());
        assert!(callbacks.is_empty());
    }
}
