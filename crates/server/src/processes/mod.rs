//! The programs that connections run by themselves, outside of any thread. Each belongs to its connection and ends
//! with it, and with the host. What happens while one runs is in `attend`; running it is done by `valet-exec`.

mod attend;
mod capture;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use valet_exec::Running;
use valet_protocol::ErrorObject;
use valet_protocol::methods::CommandExecWrite;

use crate::connection::ConnectionId;
use crate::ending::shutting_down;
use crate::responder::Responder;

pub(crate) use attend::Attendance;
pub(crate) use capture::Capture;

/// What a process is known by. Names are their connection's own.
type Key = (ConnectionId, Name);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Given(String),
    /// Nobody can ask for it, but it ends with its connection all the same.
    Unnamed(u64),
}

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) running: Running,
    /// Where input waits to be written, if it may be. It counts as load of its connection until it was.
    pub(crate) input: Option<mpsc::UnboundedSender<Write>>,
    /// Cancelled when it is to end at once, and when it has ended.
    over: CancellationToken,
}

/// Input for a program, and who waits until it is taken.
pub(crate) struct Write {
    pub(crate) bytes: Vec<u8>,
    /// Whether it is the last.
    pub(crate) close: bool,
    pub(crate) responder: Responder<CommandExecWrite>,
}

impl Process {
    /// A process, and the input that it is to be given.
    pub(crate) fn new(running: Running, takes_input: bool) -> (Arc<Self>, Option<mpsc::UnboundedReceiver<Write>>) {
        let (input, writes) = takes_input.then(mpsc::unbounded_channel).unzip();
        (Arc::new(Self { running, input, over: CancellationToken::new() }), writes)
    }
}

/// Everything that runs.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    running: Mutex<HashMap<Key, Arc<Process>>>,
    unnamed: AtomicU64,
    /// Those who attend. Closed when nothing more may begin.
    attending: TaskTracker,
}

impl Processes {
    fn running(&self) -> MutexGuard<'_, HashMap<Key, Arc<Process>>> {
        // The map is whole between any two statements below.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a name that is taken. It stays free until [`Processes::enter`], as the requests for one name are
    /// carried out one after another.
    pub(crate) fn check_free(&self, connection: ConnectionId, name: &str) -> Result<(), ErrorObject> {
        if self.running().contains_key(&(connection, Name::Given(name.to_owned()))) {
            return Err(ErrorObject::invalid_request(format!("duplicate active command/exec process id: {name:?}")));
        }
        Ok(())
    }

    /// Enters a process until the entry is dropped. Refused when the host ends; the process ends with the error.
    pub(crate) fn enter(
        self: &Arc<Self>,
        connection: ConnectionId,
        name: Option<String>,
        process: &Arc<Process>,
    ) -> Result<Entered, ErrorObject> {
        let unnamed = || Name::Unnamed(self.unnamed.fetch_add(1, Ordering::Relaxed));
        let key = (connection, name.map_or_else(unnamed, Name::Given));
        let mut running = self.running();
        if self.attending.is_closed() {
            return Err(shutting_down());
        }
        running.insert(key.clone(), Arc::clone(process));
        Ok(Entered { processes: Arc::clone(self), key })
    }

    /// Attends to a process until it has ended.
    pub(crate) fn attend(&self, attendance: impl Future<Output = ()> + Send + 'static) {
        self.attending.spawn(attendance);
    }

    /// The process of this name.
    pub(crate) fn get(&self, connection: ConnectionId, name: &str) -> Result<Arc<Process>, ErrorObject> {
        let found = self.running().get(&(connection, Name::Given(name.to_owned()))).cloned();
        found.ok_or_else(|| not_running(name))
    }

    /// Ends everything that a connection runs.
    pub(crate) fn forget(&self, connection: ConnectionId) {
        self.running()
            .iter()
            .filter(|((owner, _), _)| *owner == connection)
            .for_each(|(_, process)| process.over.cancel());
    }

    /// Ends everything, and lets nothing more begin. Returns when all is gone and was told.
    pub(crate) async fn end_all(&self) {
        self.attending.close();
        self.running().values().for_each(|process| process.over.cancel());
        self.attending.wait().await;
    }
}

/// That a process can be asked for by its name.
#[derive(Debug)]
pub(crate) struct Entered {
    processes: Arc<Processes>,
    key: Key,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.processes.running().remove(&self.key);
    }
}

/// There is no such process, or no more.
pub(crate) fn not_running(name: &str) -> ErrorObject {
    ErrorObject::invalid_request(format!("no active command/exec for process id {name:?}"))
}
