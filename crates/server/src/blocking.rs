//! Work that may wait for a disk, where it holds up nobody.

use std::any::Any;

use tokio::task::spawn_blocking;
use valet_protocol::ErrorObject;

/// What the runtime is given: a box, whatever is in it, so that the runtime's part is compiled once and not once per
/// caller.
type Work = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;

/// Does the work on a thread for such work.
///
/// # Errors
///
/// Its own; or it panicked, or the runtime ends.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ErrorObject> + Send + 'static,
) -> Result<T, ErrorObject> {
    let work: Work = Box::new(|| Box::new(work()));
    match spawn_blocking(work).await.map(|done| done.downcast()) {
        Ok(Ok(done)) => *done,
        Ok(Err(_)) => unreachable!("the work gives a result"),
        Err(error) => Err(ErrorObject::internal(format!("the work ended half-way: {error}"))),
    }
}
