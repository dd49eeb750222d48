//! When a turn may begin. While the account is changed, turns that are about to begin wait; those that were let through
//! are counted until the app server has answered, so that nobody changes the account between the two.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// How long a turn waits at most. After that it begins under whatever account there is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets turns through, or holds them back.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    /// How many want it closed.
    holds: usize,
    /// How many turns were let through whose request is not answered yet.
    starting: usize,
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }
}

impl Gate {
    /// Waits until a turn may begin, and counts it until what is returned is dropped.
    pub(crate) async fn enter(&self) -> Starting {
        let mut state = self.0.subscribe();
        let entered = async {
            loop {
                // The sender lives in `self`, so waiting cannot fail.
                let _ = state.wait_for(|state| state.holds == 0).await;
                // Somebody may have closed it in between.
                if self.0.send_if_modified(|state| state.let_in_if(state.holds == 0)) {
                    return;
                }
            }
        };
        if tokio::time::timeout(PATIENCE, entered).await.is_err() {
            tracing::warn!("a turn has waited long enough for a change of the account");
            self.0.send_if_modified(|state| state.let_in_if(true));
        }
        Starting(self.clone())
    }

    /// Closed until what is returned is dropped, and everything else that holds it.
    pub(crate) fn close(&self) -> Hold {
        self.0.send_modify(|state| state.holds += 1);
        Hold(self.clone())
    }

    /// Returns when the app server has answered everything that was let through.
    pub(crate) async fn settled(&self) {
        let _ = self.0.subscribe().wait_for(|state| state.starting == 0).await;
    }
}

impl State {
    fn let_in_if(&mut self, open: bool) -> bool {
        self.starting += usize::from(open);
        open
    }
}

/// A turn that was let through.
#[derive(Debug)]
pub(crate) struct Starting(Gate);

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| state.starting -= 1);
    }
}

/// Keeps the gate closed.
#[derive(Debug)]
pub(crate) struct Hold(Gate);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| state.holds -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::Gate;

    #[tokio::test(start_paused = true)]
    async fn a_turn_waits_until_everybody_who_holds_the_gate_has_let_go() {
        let gate = Gate::default();
        let (one, two) = (gate.close(), gate.close());
        let mut waiting = Box::pin(gate.enter());
        assert!((&mut waiting).now_or_never().is_none());
        drop(one);
        assert!((&mut waiting).now_or_never().is_none());
        drop(two);
        let starting = waiting.await;
        assert!(gate.settled().now_or_never().is_none(), "it has begun and is not answered");
        drop(starting);
        assert!(gate.settled().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn no_turn_waits_for_ever() {
        let gate = Gate::default();
        let _hold = gate.close();
        let begin = tokio::time::Instant::now();
        let _starting = gate.enter().await;
        assert_eq!(begin.elapsed().as_secs(), 30);
        assert!(gate.settled().now_or_never().is_none());
    }
}
