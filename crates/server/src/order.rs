//! Who waits for whom. Requests with the same key run one after another, in the order of their arrival;
//! all others run at the same time. A change of the login that need not wait is in force for whatever comes after it.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use valet_protocol::Order;

use crate::connection::ConnectionId;
use crate::context::thread_id_of;

/// Finished lanes are swept when there are this many, and then when there are twice as many as were left.
const SWEEP_AT: usize = 64;

/// What requests have in common that wait for each other. The names of processes and of watches are their
/// connection's own.
type Lane = (Option<ConnectionId>, Order);

/// The lanes in use. A lane is the end of its last request.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// Every request that runs.
    tasks: TaskTracker,
    last: HashMap<Lane, oneshot::Receiver<()>>,
    sweep_at: usize,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { tasks: TaskTracker::new(), last: HashMap::new(), sweep_at: SWEEP_AT }
    }
}

impl Lanes {
    /// Every request that runs, for whoever wants to wait for them.
    pub(crate) fn tasks(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Runs a request of a connection in its order.
    pub(crate) async fn run(
        &mut self,
        connection: ConnectionId,
        order: Order,
        request: impl Future<Output = ()> + Send + 'static,
    ) {
        // A thread has one lane, however its id is written.
        let order = match order {
            Order::Thread(id) => Order::Thread(thread_id_of(&id).unwrap_or(id)),
            order => order,
        };
        let whose = matches!(order, Order::Process(_) | Order::Watch(_)).then_some(connection);
        match order {
            // A panic is the request's own, here as in a task.
            Order::Immediate => drop(AssertUnwindSafe(request).catch_unwind().await),
            Order::Concurrent | Order::Process(None) => {
                self.tasks.spawn(request);
            }
            Order::Account | Order::Thread(_) | Order::Process(Some(_)) | Order::Watch(_) => {
                self.sweep();
                let (done, end) = oneshot::channel::<()>();
                let at_once = order == Order::Account;
                let before = self.last.insert((whose, order), end);
                let in_turn = async move {
                    // Dropped when the request is over, however it ends.
                    let _done = done;
                    if let Some(before) = before {
                        let _ = before.await;
                    }
                    request.await;
                };
                let mut in_turn = AssertUnwindSafe(in_turn).catch_unwind().boxed();
                if !(at_once && futures_util::poll!(&mut in_turn).is_ready()) {
                    self.tasks.spawn(in_turn);
                }
            }
        }
    }

    /// Resolves when every request about a thread is over that came before this call.
    pub(crate) fn of_threads(&mut self) -> impl Future<Output = ()> + use<> {
        let lanes = self.last.iter_mut().filter(|((_, order), _)| matches!(order, Order::Thread(_)));
        let over = lanes.map(|(_, end)| {
            let (done, next) = oneshot::channel::<()>();
            let before = std::mem::replace(end, next);
            // A task of its own: what comes later waits for it, even if nobody else does.
            self.tasks.spawn(async move {
                let _done = done;
                let _ = before.await;
            })
        });
        join_all(over.collect::<Vec<_>>()).map(drop)
    }

    fn sweep(&mut self) {
        if self.last.len() < self.sweep_at {
            return;
        }
        self.last.retain(|_, end| end.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        self.sweep_at = SWEEP_AT.max(2 * self.last.len());
    }
}

#[cfg(test)]
mod tests {
    use super::{Lanes, SWEEP_AT};
    use pretty_assertions::assert_eq;
    use tokio::sync::mpsc;
    use valet_protocol::Order;

    use crate::connection::ConnectionId;

    const ONE: ConnectionId = ConnectionId(1);

    #[tokio::test]
    async fn requests_of_one_thread_keep_their_order_and_a_panic_does_not_hold_up_the_next() {
        let mut lanes = Lanes::default();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        for number in 0..10 {
            let sender = sender.clone();
            let request = async move {
                for _ in number..10 {
                    tokio::task::yield_now().await;
                }
                sender.send(number).unwrap();
                assert_ne!(number, 5, "as if the handler had a bug");
            };
            lanes.run(ONE, Order::Thread("t".to_owned()), request).await;
        }
        for number in 0..10 {
            assert_eq!(receiver.recv().await, Some(number));
        }
    }

    #[tokio::test]
    async fn a_thread_whose_id_is_written_in_another_way_is_the_same_thread() {
        let mut lanes = Lanes::default();
        let id = "01984de2-8f74-7c91-a3b2-5c5e937cf318";
        let (sender, mut receiver) = mpsc::unbounded_channel();
        for (number, id) in
            [id.to_owned(), id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}")].into_iter().enumerate()
        {
            let sender = sender.clone();
            let request = async move {
                for _ in number..10 {
                    tokio::task::yield_now().await;
                }
                sender.send(number).unwrap();
            };
            lanes.run(ONE, Order::Thread(id), request).await;
        }
        lanes.of_threads().await;
        let order: Vec<_> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
        assert_eq!(order, [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn a_change_of_the_login_is_in_force_for_what_comes_after_it_and_its_panic_harms_nobody() {
        let mut lanes = Lanes::default();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        lanes.run(ONE, Order::Account, async move { sender.send("logged in").unwrap() }).await;
        assert_eq!(receiver.try_recv().unwrap(), "logged in");
        lanes.run(ONE, Order::Account, async { panic!("as if the handler had a bug") }).await;
        let (sender, mut receiver) = mpsc::unbounded_channel();
        lanes.run(ONE, Order::Account, async move { sender.send("logged out").unwrap() }).await;
        assert_eq!(receiver.recv().await, Some("logged out"));
    }

    #[tokio::test]
    async fn the_panic_of_a_request_that_is_carried_out_at_once_harms_nobody() {
        let mut lanes = Lanes::default();
        lanes.run(ONE, Order::Immediate, async { panic!("as if the handler had a bug") }).await;
        let (sender, mut receiver) = mpsc::unbounded_channel();
        lanes.run(ONE, Order::Immediate, async move { sender.send("the next").unwrap() }).await;
        assert_eq!(receiver.try_recv().unwrap(), "the next");
    }

    #[tokio::test]
    async fn finished_lanes_are_forgotten() {
        let mut lanes = Lanes::default();
        for number in 0..10 * SWEEP_AT {
            lanes.run(ONE, Order::Thread(number.to_string()), async {}).await;
            tokio::task::yield_now().await;
        }
        assert!(lanes.last.len() <= SWEEP_AT, "{}", lanes.last.len());
    }

    #[tokio::test]
    async fn what_has_the_same_name_on_two_connections_does_not_wait_for_each_other() {
        for order in [Order::Process(Some("p".to_owned())), Order::Watch("p".to_owned())] {
            let mut lanes = Lanes::default();
            lanes.run(ONE, order.clone(), std::future::pending()).await;
            let (sender, mut receiver) = mpsc::unbounded_channel();
            for (connection, name) in [(ONE, "behind"), (ConnectionId(2), "beside")] {
                let sender = sender.clone();
                lanes.run(connection, order.clone(), async move { sender.send(name).unwrap() }).await;
            }
            assert_eq!(receiver.recv().await, Some("beside"));
            assert!(receiver.try_recv().is_err(), "the first is not over");
        }
    }
}
