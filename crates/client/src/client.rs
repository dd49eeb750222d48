//! The client: requests out, answers in, and everything else to whom it belongs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use valet_protocol::jsonrpc::{self, Message};
use valet_protocol::methods::{Initialize, Initialized};
use valet_protocol::v1::{ClientInfo, InitializeCapabilities, InitializeParams, InitializeResponse};
use valet_protocol::{ClientNotificationMethod, ClientRequestMethod, ErrorObject, RequestId};
use valet_transport::{Answer, Callbacks, Close, Inbox, Link, Outbox};

use crate::handlers::Handlers;
use crate::notification::{Notification, Notifications};

/// How long answers to earlier requests may still come when nothing can be written any more.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server refused it.
    #[error(transparent)]
    Server(ErrorObject),
    /// The connection ended first.
    #[error("the connection ended before the answer came")]
    Disconnected,
    /// The parameters could not be written or the result could not be read: a bug on one side.
    #[error("{0}")]
    Codec(#[from] serde_json::Error),
}

/// A connection to an app server. Cheap to clone. The connection ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    outbox: Outbox,
    callbacks: Arc<Mutex<Callbacks<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.outbox.close(Close::Gone);
    }
}

impl Client {
    /// Speaks over a link. To be called inside a runtime.
    pub fn new(link: Link, handlers: Handlers) -> (Self, Notifications) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let callbacks = Arc::default();
        let reader =
            Reader { outbox: link.outbox.clone(), callbacks: Arc::clone(&callbacks), handlers, notifications: sender };
        tokio::spawn(reader.run(link.inbox));
        (Self(Arc::new(Inner { outbox: link.outbox, callbacks })), Notifications(receiver))
    }

    /// Asks, and waits for the answer. There is no time limit: wrap it in one where one is wanted.
    pub async fn request<M: ClientRequestMethod>(&self, params: M::Params) -> Result<M::Response, RequestError> {
        self.request_part::<M, M::Response>(params).await
    }

    /// The same for whoever wants a part of the answer: `T` has those of its members that are wanted.
    pub async fn request_part<M: ClientRequestMethod, T: DeserializeOwned>(
        &self,
        params: M::Params,
    ) -> Result<T, RequestError> {
        let (sender, answer) = oneshot::channel();
        let id = callbacks(&self.0.callbacks).register((), sender);
        let waiting = Waiting { callbacks: &self.0.callbacks, id };
        let message = jsonrpc::write_request(M::METHOD, &waiting.id, &params)?;
        self.0.outbox.push(message.into());
        match answer.await {
            Ok(Answer::Result(result)) => Ok(serde_json::from_str(result.get())?),
            Ok(Answer::Error(error)) => Err(RequestError::Server(error_object(&error))),
            Err(_dropped) => Err(RequestError::Disconnected),
        }
    }

    /// Opens the connection under a name and version of the caller's.
    pub async fn initialize(
        &self,
        name: &str,
        version: &str,
        experimental: bool,
    ) -> Result<InitializeResponse, RequestError> {
        let capabilities = InitializeCapabilities { experimental_api: experimental, ..Default::default() };
        self.initialize_with(name, version, capabilities).await
    }

    /// Opens the connection, and asks for more than usual.
    pub async fn initialize_with(
        &self,
        name: &str,
        version: &str,
        capabilities: InitializeCapabilities,
    ) -> Result<InitializeResponse, RequestError> {
        let client_info = ClientInfo { name: name.to_owned(), title: None, version: version.to_owned() };
        let params = InitializeParams { client_info, capabilities: Some(capabilities) };
        let response = self.request::<Initialize>(params).await?;
        let initialized = jsonrpc::write_notification(Initialized::METHOD, None::<&()>, None)?;
        self.0.outbox.push(initialized.into());
        Ok(response)
    }
}

/// A request that waits for its answer. Who gives it up is forgotten.
struct Waiting<'a> {
    callbacks: &'a Mutex<Callbacks<()>>,
    id: RequestId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        callbacks(self.callbacks).remove(&self.id);
    }
}

fn callbacks(callbacks: &Mutex<Callbacks<()>>) -> MutexGuard<'_, Callbacks<()>> {
    // Nothing under this lock can panic half-way.
    callbacks.lock().unwrap_or_else(PoisonError::into_inner)
}

fn error_object(error: &RawValue) -> ErrorObject {
    let words = || ErrorObject::internal(format!("the server sent an error of an unknown shape: {}", error.get()));
    serde_json::from_str(error.get()).unwrap_or_else(|_| words())
}

struct Reader {
    outbox: Outbox,
    callbacks: Arc<Mutex<Callbacks<()>>>,
    handlers: Handlers,
    notifications: mpsc::UnboundedSender<Notification>,
}

impl Reader {
    async fn run(self, mut inbox: Inbox) {
        let mut unwritable = Box::pin(self.unwritable().fuse());
        loop {
            let text = tokio::select! {
                text = inbox.next() => text,
                () = &mut unwritable => {
                    callbacks(&self.callbacks).close();
                    continue;
                }
            };
            let Some(text) = text else { break };
            match Message::parse(&text) {
                Ok(Message::Response { id, outcome }) => {
                    callbacks(&self.callbacks).complete(&id, |()| true, Answer::from(outcome));
                }
                Ok(Message::Notification { method, params }) => {
                    let params = params.map(RawValue::to_owned).unwrap_or_default();
                    // Nobody may be reading, and that is the reader's choice.
                    let _ = self.notifications.send(Notification { method: method.into_owned(), params });
                }
                Ok(Message::Request { id, method, params }) => {
                    let (handlers, outbox) = (self.handlers.clone(), self.outbox.clone());
                    let (method, params) = (method.into_owned(), params.map(RawValue::to_owned));
                    tokio::spawn(async move {
                        let answer = match handlers.answer(&method, params).await {
                            Ok(result) => jsonrpc::write_response(&id, &result),
                            Err(error) => Ok(jsonrpc::write_error(Some(&id), &error)),
                        };
                        if let Ok(answer) = answer {
                            outbox.push(answer.into());
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "the server sent a text that is no message"),
            }
        }
        callbacks(&self.callbacks).close();
    }

    /// Waits until no request can be answered any more, although the other side may go on to tell.
    async fn unwritable(&self) {
        self.outbox.done().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{Client, RequestError, callbacks};
    use crate::Handlers;
    use futures_util::FutureExt as _;
    use valet_protocol::NoParams;
    use valet_protocol::methods::AccountLogout;
    use valet_transport::{OutboxLimits, link};

    #[tokio::test(start_paused = true)]
    async fn a_request_on_a_connection_that_cannot_be_written_any_more_does_not_wait_for_ever() {
        let (link, inlet, outlet) = link(OutboxLimits::default());
        let (client, mut notifications) = Client::new(link, Handlers::new());
        drop(outlet);
        for _ in 0..2 {
            let answer = client.request::<AccountLogout>(NoParams).await;
            assert!(matches!(answer, Err(RequestError::Disconnected)), "{answer:?}");
        }
        inlet.send(r#"{"method":"last/words"}"#.into()).await.unwrap();
        assert_eq!(notifications.next().await.unwrap().method, "last/words");
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_is_forgotten() {
        let (link, _inlet, _outlet) = link(OutboxLimits::default());
        let (client, _notifications) = Client::new(link, Handlers::new());
        assert!(client.request::<AccountLogout>(NoParams).now_or_never().is_none());
        assert!(callbacks(&client.0.callbacks).is_empty());
    }
}
