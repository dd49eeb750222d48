//! What a listener may ask of the host: whether it turns, and whether it takes new turns.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use valet_transport::listener::Probes;

use crate::host::Host;

impl Probes for Host {
    fn alive(&self) -> BoxFuture<'_, bool> {
        async { self.is_running() }.boxed()
    }

    fn ready(&self) -> Result<(), &'static str> {
        if self.is_running() { Ok(()) } else { Err("ended") }
    }

    fn metrics(&self) -> Option<String> {
        None
    }
}
