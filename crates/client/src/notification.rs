//! What the server tells, in the order of its telling.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use valet_protocol::ServerNotificationMethod;

/// One notification, still raw: whoever wants it reads it.
#[derive(Debug)]
pub struct Notification {
    /// The name on the wire. It may be one that this version does not know.
    pub method: String,
    /// The parameters.
    pub params: Box<RawValue>,
}

impl Notification {
    /// The parameters, if this is a notification of type `N`.
    pub fn read<N: ServerNotificationMethod>(&self) -> Option<N::Params> {
        self.read_part::<N, N::Params>()
    }

    /// The same for whoever wants a part of the parameters: `T` has those of their members that are wanted.
    pub fn read_part<N: ServerNotificationMethod, T: DeserializeOwned>(&self) -> Option<T> {
        if self.method != N::METHOD {
            return None;
        }
        serde_json::from_str(self.params.get())
            .inspect_err(|error| tracing::warn!(method = N::METHOD, %error, "a notification could not be read"))
            .ok()
    }
}

/// The notifications of one connection. They are kept until they are read; drop this to have none kept.
#[derive(Debug)]
pub struct Notifications(pub(crate) mpsc::UnboundedReceiver<Notification>);

impl Notifications {
    /// The next one; none when the connection has ended and all were read.
    pub async fn next(&mut self) -> Option<Notification> {
        self.0.recv().await
    }

    /// Reads on until a notification of type `N` comes that is wanted. Those before it are passed over.
    pub async fn wait_for<N: ServerNotificationMethod>(
        &mut self,
        wanted: impl Fn(&N::Params) -> bool,
    ) -> Option<N::Params> {
        loop {
            let params = self.next().await?.read::<N>();
            if let Some(params) = params.filter(&wanted) {
                return Some(params);
            }
        }
    }
}
