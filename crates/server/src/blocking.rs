//! Work that may wait for a disk, where it holds up nobody.

use std::any::Any;

use tokio::task::{JoinError, spawn_blocking};

/// What the runtime is given: a box, whatever is in it, so that the runtime's part is compiled once and not once per
/// caller.
type Work = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;

/// Does the work on a thread for such work. The error: it panicked, or the runtime ends.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    let work: Work = Box::new(|| Box::new(work()));
    match spawn_blocking(work).await?.downcast() {
        Ok(done) => Ok(*done),
        Err(_) => unreachable!("the work gives a T"),
    }
}
