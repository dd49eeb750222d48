//! Questions of a thread that stand open. They survive whoever was asked: who comes to listen gets them again,
//! under the same id.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use valet_protocol::RequestId;
use valet_protocol::methods::ServerRequestResolved;
use valet_protocol::v2::ServerRequestResolvedNotification;

use super::ThreadState;

/// The open questions, and those whose turn ended before anybody answered.
#[derive(Default)]
pub(super) struct Questions(Mutex<State>);

#[derive(Default)]
struct State {
    /// As they were sent, the oldest first.
    open: Vec<(RequestId, Bytes)>,
    given_up: Vec<RequestId>,
}

impl Questions {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is sent.
    pub(super) fn asked(&self, id: &RequestId, message: Bytes) {
        self.state().open.push((id.clone(), message));
    }

    /// It needs no answer any more.
    fn close(&self, id: &RequestId) {
        self.state().open.retain(|(open, _)| open != id);
    }

    /// What stands open, as it was sent, the oldest first.
    pub(super) fn open(&self) -> Vec<Bytes> {
        self.state().open.iter().map(|(_, message)| message.clone()).collect()
    }
}

/// A question that waits for its answer. When it is dropped before that, those who were asked are told after the
/// end of the turn.
pub(super) struct Open {
    shared: Arc<ThreadState>,
    id: RequestId,
    /// Whether anybody is told that it needs no answer any more; not once that was done.
    told: bool,
}

impl Open {
    pub(super) fn new(shared: Arc<ThreadState>, id: RequestId, told: bool) -> Self {
        Self { shared, id, told }
    }

    /// The answer is there: whoever else was asked need not answer any more.
    pub(super) fn resolved(mut self) {
        // First: whoever comes to listen between the two is not asked what is answered.
        self.shared.questions.close(&self.id);
        if std::mem::take(&mut self.told) {
            self.shared.resolve(self.id.clone());
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.questions.close(&self.id);
        if !self.told {
            return;
        }
        self.shared.questions.state().given_up.push(self.id.clone());
        // Else the end of the turn tells it.
        if !self.shared.is_running() {
            self.shared.resolve_given_up();
        }
    }
}

impl ThreadState {
    /// Tells that the questions of a turn that has ended need no answer any more.
    pub(super) fn resolve_given_up(&self) {
        let given_up = std::mem::take(&mut self.questions.state().given_up);
        for id in given_up {
            self.resolve(id);
        }
    }

    fn resolve(&self, request_id: RequestId) {
        let thread_id = self.id.clone();
        self.notify::<ServerRequestResolved>(&ServerRequestResolvedNotification { thread_id, request_id });
    }
}

#[cfg(test)]
mod tests {
    use super::Questions;
    use pretty_assertions::assert_eq;
    use valet_protocol::RequestId;

    #[test]
    fn who_joins_is_asked_in_the_order_in_which_others_were() {
        let questions = Questions::default();
        for id in 8..12 {
            questions.asked(&RequestId::Integer(id), id.to_string().into());
        }
        assert_eq!(questions.open(), ["8", "9", "10", "11"]);
        questions.close(&RequestId::Integer(9));
        assert_eq!(questions.open(), ["8", "10", "11"], "what is answered is not asked again");
    }
}
