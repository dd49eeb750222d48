//! What a listener may ask of the host: whether it turns, whether it takes new turns, and what it has counted.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use valet_transport::listener::Probes;

use crate::host::Host;

impl Probes for Host {
    fn alive(&self) -> BoxFuture<'_, bool> {
        self.is_alive().boxed()
    }

    fn ready(&self) -> Result<(), &'static str> {
        if self.is_draining() { Err("draining") } else { Ok(()) }
    }

    fn metrics(&self) -> Option<String> {
        Host::metrics(self)
    }
}
